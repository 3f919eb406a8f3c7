"""Keepers from the fork server: ready sooner, and not a bit less independent than those that are executed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from logist_runtime_host import keeper, serving

from logist_core.api import KILL_NOW, AttemptKey, LaunchSpec, ProbeState, RuntimeUnavailable, StartContext, Stdin

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server is for Linux")


@pytest.fixture(autouse=True)
def served(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(serving.WRAPPER_VARIABLE, raising=False)  # with a wrapper there is no server


def server_of(attempt) -> int | None:
    """Return the pid of the server that the keeper comes from; None: it was executed, or the server is gone."""
    process = keeper.SYSTEM.process(attempt.guard())
    assert process is not None
    return process.parent if is_server(process.parent) else None


def is_server(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text() == "logist-server\n"
    return False


def test_attempts_of_one_process_come_from_one_server(lab) -> None:
    first, second = lab.shell("read x", stdin=Stdin.OPEN), lab.shell("exit 7")
    assert second.wait().exit.code == 7
    third = lab.shell("sleep 60")
    assert server_of(first) is not None
    assert server_of(first) == server_of(third)
    for attempt in (first, third):
        lab.runtime.stop(attempt.handle, KILL_NOW)


def test_the_death_of_the_server_is_felt_by_no_attempt(lab) -> None:
    attempts = [lab.shell("read x; echo got $x; exit 3", stdin=Stdin.OPEN, pty=pty) for pty in (False, True)]
    lab.kill(server_of(attempts[0]))
    for attempt in attempts:
        assert attempt.probe().conditions == ()
        lab.runtime.write(attempt.handle, b"words\n")
        assert attempt.wait().exit.code == 3
        assert b"got words" in attempt.out()


def test_after_the_death_of_the_server_there_is_a_new_one(lab) -> None:
    first = lab.shell("sleep 60")
    old = server_of(first)
    lab.kill(old)
    second = lab.shell("sleep 60")
    assert server_of(second) not in (None, old)
    for attempt in (first, second):
        lab.runtime.stop(attempt.handle, KILL_NOW)


def test_a_server_that_hangs_is_done_without_and_what_it_does_later_starts_nothing(
    lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lab.shell("sleep 60")
    server = server_of(first)
    os.kill(server, signal.SIGSTOP)
    monkeypatch.setattr(serving, "_SERVED_WITHIN_S", 0.2)
    try:
        second = lab.shell("echo ran; sleep 60")
        assert second.out_has(b"ran")
    finally:
        os.kill(server, signal.SIGCONT)
    lab.eventually(lambda: not is_server(server), "the end of the server that was given up")
    assert second.out() == b"ran\n"
    for attempt in (first, second):
        assert lab.runtime.stop(attempt.handle, KILL_NOW).state is ProbeState.EXITED


def test_without_a_server_keepers_are_executed(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeUnavailable("no server today")

    monkeypatch.setattr(serving._Server, "__init__", refused)
    attempt = lab.shell("sleep 60")
    assert server_of(attempt) is None
    lab.runtime.stop(attempt.handle, KILL_NOW)


def test_an_idle_server_leaves_and_the_next_start_has_another(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SERVER_IDLE_S", 0.2)
    first = lab.shell("sleep 60")
    server = server_of(first)
    lab.eventually(lambda: server is None or not is_server(server), "the end of an idle server")
    second = lab.shell("exit 4")
    assert second.wait().exit.code == 4
    lab.runtime.stop(first.handle, KILL_NOW)


def test_the_server_leaves_with_its_launcher_and_the_attempt_stays(lab) -> None:
    attempt = lab.prepare()
    key = attempt.key
    code = (
        "import os, sys, json; from logist_core.api import *; from logist_runtime_host.runtime import HostRuntime\n"
        "HostRuntime().start(LaunchSpec(argv=('sh','-c','echo on; sleep 0.2; exit 3'), cwd='/'),"
        " AttemptKey(sys.argv[1], int(sys.argv[2]), sys.argv[3]),"
        " StartContext(directory=sys.argv[4], environment=dict(os.environ)))\n"
        "print(open('/proc/%d/stat' % json.load(open(sys.argv[4] + '/shim.json'))['pid']).read().split()[3])\n"
    )
    argv = [sys.executable, "-c", code, key.job_id, str(key.attempt), key.nonce, str(attempt.directory)]
    server = int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    lab.eventually(lambda: not is_server(server), "the end of the server")
    attempt.handle = lab.runtime.find(key, str(attempt.directory))
    assert attempt.wait().exit.code == 3


def test_what_the_launcher_is_limited_to_now_its_agents_are_limited_to(lab) -> None:
    ask = "ulimit -S -c; umask; echo $TZ; nice"
    lab.shell(ask).wait()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    other = 512 * 1024 if hard == resource.RLIM_INFINITY else hard // 2
    umask = os.umask(0o027)
    resource.setrlimit(resource.RLIMIT_CORE, (other, hard))
    try:
        attempt = lab.shell(ask)
        attempt.wait()
    finally:
        os.umask(umask)
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert attempt.out().split()[:2] == [b"%d" % (other // 512), b"0027"]


def _start_in_a_fork(directory: str, key: AttemptKey) -> None:
    from logist_runtime_host.runtime import HostRuntime

    context = StartContext(directory=directory, environment=dict(os.environ))
    HostRuntime().start(LaunchSpec(argv=("sleep", "60"), cwd="/"), key, context)


def test_a_fork_of_the_launcher_has_a_server_of_its_own(lab) -> None:
    first = lab.shell("sleep 60")
    second = lab.prepare()
    fork = multiprocessing.get_context("fork").Process(
        target=_start_in_a_fork, args=(str(second.directory), second.key)
    )
    fork.start()
    fork.join()
    assert fork.exitcode == 0
    second.handle = lab.runtime.find(second.key, str(second.directory))
    third = lab.shell("sleep 60")
    assert server_of(first) == server_of(third)
    assert server_of(second) is None  # it left with its launcher
    for attempt in (first, second, third):
        lab.runtime.stop(attempt.handle, KILL_NOW)


def test_forty_attempts_at_once_each_run_once(lab) -> None:
    attempts = [lab.prepare() for _ in range(40)]

    def run(attempt) -> None:
        script = f"echo {attempt.key.attempt}; exit {attempt.key.attempt}"
        context = StartContext(directory=str(attempt.directory), environment=dict(os.environ))
        attempt.handle = lab.runtime.start(LaunchSpec(argv=("sh", "-c", script), cwd="/"), attempt.key, context)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, attempts))
    for attempt in attempts:
        assert attempt.wait().exit.code == attempt.key.attempt
        assert attempt.out() == b"%d\n" % attempt.key.attempt


def test_a_keeper_of_another_version_is_told_nothing(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "GREETING", b"logist keeper 0\n")
    attempt = lab.prepare()
    context = StartContext(directory=str(attempt.directory), environment={"SECRET": "x"})
    with pytest.raises(RuntimeUnavailable, match="another version"):
        lab.runtime.start(LaunchSpec(argv=("true",), cwd="/"), attempt.key, context)
    monkeypatch.undo()
    assert not (attempt.directory / "child.json").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may read a keeper's memory")
@pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])
def test_the_environment_and_the_input_are_in_no_memory_of_ours(lab, pty: bool) -> None:
    secret = "very-secret-" + os.urandom(8).hex()
    backwards = secret[::-1]
    attempt = lab.start(
        "sh", "-c", "cat; sleep 60", env={"MY_SECRET": secret}, stdin=Stdin.DATA, stdin_data=backwards.encode(), pty=pty
    )
    attempt.out_has(backwards.encode())
    for pid in (attempt.guard(), attempt.pump(), server_of(attempt)):
        held = memory(pid)
        assert len(held) > 1 << 20
        assert secret.encode() not in held
        assert backwards.encode() not in held or (pty and pid == attempt.pump())  # a pump has just copied it
    lab.runtime.stop(attempt.handle, KILL_NOW)


def memory(pid: int) -> bytes:
    """Return all of a process's memory that can be written to."""
    found = b""
    with open(f"/proc/{pid}/mem", "rb", 0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode = line.split()[:2]
            if mode.startswith("rw"):
                begin, end = (int(word, 16) for word in place.split("-"))
                with contextlib.suppress(OSError):
                    file.seek(begin)
                    found += file.read(end - begin)
    return found
