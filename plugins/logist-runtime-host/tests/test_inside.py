"""The guard's and the pump's own parts, run in this process on real processes, terminals and files."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import signal
import socket
import subprocess
import threading
import time

import pytest
from logist_runtime_host import keeper, probing, stopping

from logist_core.api import KILL_NOW, ProbeState, StopLadder, StopStep


@pytest.fixture
def attempt(lab) -> keeper.Attempt:
    prepared = lab.prepare()
    made = keeper.Attempt(
        {"nonce": prepared.key.nonce, "directory": str(prepared.directory), "socket": str(lab.root / "s"), "pty": True}
    )
    yield made
    os.close(made.dir_fd)
    for fd in (made.out_fd, made.master):
        if fd >= 0:
            os.close(fd)


@pytest.fixture
def zombie() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    yield pid
    os.waitpid(pid, 0)


def test_children_are_found_without_the_kernels_list_too(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert child.pid in keeper.SYSTEM.children(os.getpid())
        monkeypatch.setattr(keeper, "_HAS_CHILDREN", False)
        assert child.pid in keeper.SYSTEM.children(os.getpid())
    finally:
        child.kill()
        child.wait()


def test_a_zombie_tells_its_status_to_those_who_may_look(zombie: int) -> None:
    start = keeper.SYSTEM.process(zombie).start
    assert keeper.SYSTEM.zombie_status(zombie, start) == 3 << 8
    assert keeper.SYSTEM.zombie_status(zombie, "another") is None
    assert keeper.SYSTEM.zombie_status(os.getpid(), keeper.SYSTEM.process(os.getpid()).start) is None
    assert keeper.SYSTEM.zombie_status(1 << 22, "0") is None


def test_a_zombie_is_opened_only_if_asked_for(zombie: int) -> None:
    start = keeper.SYSTEM.process(zombie).start
    assert keeper.open_verified(zombie, start) is None
    fd = keeper.open_verified(zombie, start, zombie=True)
    assert fd is not None
    os.close(fd)
    for pid in (0, 1, -1):
        assert keeper.open_verified(pid, start) is None


def test_a_full_disk_is_waited_for_with_the_reserve_given_up(attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt.open_logs()
    assert ".reserve" in os.listdir(attempt.dir_fd)
    real, calls = keeper.place_record, []

    def full_once(*args, **kw):
        calls.append(args)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "full")
        return real(*args, **kw)

    monkeypatch.setattr(keeper, "place_record", full_once)
    assert attempt.write("exit.json", {"code": 0})
    assert ".reserve" not in os.listdir(attempt.dir_fd)
    monkeypatch.setattr(keeper, "place_record", lambda *a, **k: (_ for _ in ()).throw(OSError(errno.EPERM, "no")))
    with pytest.raises(OSError, match="no"):
        attempt.write("exit.json", {"code": 0})


def test_a_log_on_a_full_disk_throttles_and_loses_nothing(attempt) -> None:
    attempt.out_fd = os.open("/dev/full", os.O_WRONLY)
    done = threading.Event()

    def write() -> None:
        keeper.append(attempt, b"x" * 100_000)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert not done.wait(0.1)
    read, free = os.pipe()
    fcntl.fcntl(free, 1031, 1 << 20)  # F_SETPIPE_SZ
    os.dup2(free, attempt.out_fd)  # there is space again
    assert done.wait(10)
    thread.join()
    assert len(os.read(read, 1 << 20)) == 100_000
    os.close(read)
    os.close(free)


def test_a_terminal_is_drained_to_its_end_and_not_longer_than_it_is_quiet(attempt) -> None:
    attempt.open_logs()
    attempt.master, slave = pty.openpty()
    os.set_blocking(attempt.master, False)
    os.write(slave, b"last\n")
    assert keeper.drain(attempt) is True  # somebody holds it, but is quiet
    os.write(slave, b"words\n")
    os.close(slave)
    assert keeper.drain(attempt) is True
    with open(f"/proc/self/fd/{attempt.out_fd}", "rb") as log:
        assert log.read() == b"last\r\nwords\r\n"


def test_a_terminal_into_which_somebody_talks_for_ever_is_left_in_the_end(attempt, monkeypatch) -> None:
    monkeypatch.setattr(keeper, "DRAIN_LIMIT_S", 0.3)
    attempt.open_logs()
    attempt.master, slave = pty.openpty()
    os.set_blocking(attempt.master, False)
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            os.write(slave, b"x")
            time.sleep(0.01)

    thread = threading.Thread(target=talk)
    thread.start()
    assert keeper.drain(attempt) is False
    stop.set()
    thread.join()
    os.close(slave)


def test_terminal_modes_are_read_from_the_master() -> None:
    import termios
    import tty

    master, slave = pty.openpty()
    assert keeper.tty_mode(master) == "line"
    settings = termios.tcgetattr(slave)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    assert keeper.tty_mode(master) == "password"
    tty.setraw(slave)
    assert keeper.tty_mode(master) == "raw"
    os.close(slave)
    os.close(master)
    assert keeper.tty_mode(-1) is None
    assert keeper.tty_mode(master) is None


def test_the_user_at_the_other_end_is_known() -> None:
    ours, theirs = socket.socketpair()
    assert keeper.peer_uid(ours) == os.getuid()
    ours.close()
    theirs.close()
    assert keeper.peer_uid(ours) == -1


def test_who_outlives_the_kill_is_named(lab) -> None:
    attempt = lab.shell("sleep 60")
    tree = keeper.Tree(
        attempt.key.nonce, attempt.pid, attempt.record("child.json")["start"], cgroup=None, keeper=None, sessions=()
    )
    assert attempt.pid in tree.kill(lambda: None, limit_s=-1.0)  # no time at all: it may still be there
    assert attempt.wait().exit.signal == signal.SIGKILL


def test_a_guard_that_finds_its_pump_dead_at_the_end_concludes_alone(lab) -> None:
    gate = lab.root / "gate"
    os.mkfifo(gate)
    attempt = lab.shell(f"read x < {gate}; echo last words; exit 6", pty=True)
    guard = attempt.guard()
    os.kill(guard, signal.SIGSTOP)
    lab.kill(attempt.pump())
    gate.write_text("go\n")
    lab.eventually(lambda: keeper.SYSTEM.process(attempt.pid).state == "Z", "the leader's end")
    os.kill(guard, signal.SIGCONT)
    assert attempt.wait().exit.code == 6
    assert attempt.out() == b"last words\r\n"


def test_a_stop_reaches_the_foreground_group_beside_the_leaders(lab) -> None:
    child = 'trap "echo child; exit 3" TERM; echo ready; while :; do sleep 0.05; done'
    attempt = lab.start("bash", "-ic", f"set -m; sh -c '{child}'; echo rc $?; exit 9", pty=True)
    attempt.out_has(b"ready")
    answer = attempt.runtime.stop(attempt.handle, StopLadder(steps=(StopStep(signal="TERM", grace_s=5.0),)))
    assert b"child" in attempt.out()
    assert answer.exit.code == 9  # an interactive bash ignores TERM, and ends by itself


def test_an_unkillable_attempt_says_so(lab) -> None:
    attempt = lab.shell("sleep 60")
    with probing.AttemptFiles(str(attempt.directory)) as files:
        answer = probing._running(files, {"origin": "keeper", "unkillable": True, "pid": 7})
    assert (answer.state, answer.conditions) == (ProbeState.RUNNING, ("unkillable",))
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_what_is_being_ended_says_how_it_ended(lab) -> None:
    attempt = lab.shell("(trap '' TERM; sleep 60) & sleep 0.1; exit 3")
    answer = lab.eventually(lambda: a if "code 3" in (a := attempt.probe()).detail else None, "the end's beginning")
    assert answer.state is ProbeState.RUNNING
    assert attempt.wait().exit.code == 3


def test_a_stop_that_can_not_write_its_wish_waits_for_the_other(lab, monkeypatch) -> None:
    from logist_core.api import LogistError

    attempt = lab.shell("sleep 60")
    with monkeypatch.context() as patch, pytest.raises(LogistError, match="another process"):
        patch.setattr(stopping.keeper, "lock_file", lambda *a: None)
        attempt.runtime.stop(attempt.handle, KILL_NOW)
    attempt.runtime.stop(attempt.handle, KILL_NOW)


@pytest.mark.parametrize(
    ("stage", "error", "text"),
    [
        ("cwd", OSError(errno.ENOENT, ""), "working directory /w: No such file"),
        ("set-up", OSError(errno.EPERM, ""), "set-up: Operation not permitted"),
        ("exec", ValueError("embedded null byte"), "prog: ValueError: embedded null byte"),
        ("exec", OSError(errno.ENOENT, ""), "prog: command not found in PATH"),
        ("exec", OSError(errno.E2BIG, ""), "too long"),
    ],
)
def test_a_failed_start_is_described_in_a_line(stage: str, error: Exception, text: str) -> None:
    assert text in keeper.describe(stage, error, {"argv": ["prog"], "cwd": "/w"})


def test_a_start_that_find_overtakes_never_opens_its_gate(lab) -> None:
    """The keeper's own preparation, with `find` deciding between the fork and the record."""
    prepared = lab.prepare()
    marker = lab.root / "ran"
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            config = {
                "nonce": prepared.key.nonce,
                "directory": str(prepared.directory),
                "socket": str(lab.root / "run" / "logist" / "s.sock"),
                "nonce_hash": "",
                "argv": ["/bin/sh", "-c", f"echo x > {marker}"],
                "env": {},
                "cwd": "/",
                "umask": 0o77,
            }
            os.makedirs(lab.root / "run" / "logist", exist_ok=True)
            attempt = keeper.Attempt(config)
            assert attempt.take_lock()
            fork_child = keeper.fork_child

            def overtaken(*args):
                gate = fork_child(*args)
                keeper.write_record(attempt.dir_fd, "child.json", {"void": True}, durable=False, replace=False)
                return gate

            keeper.fork_child = overtaken
            try:
                keeper.prepare(attempt, b"")
            except keeper.StartError as error:
                code = 0 if error.kind == "void" and not os.path.exists(attempt.socket_path) else 2
            if attempt.cgroup and os.path.exists(attempt.cgroup):
                code = 3
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not marker.exists()
