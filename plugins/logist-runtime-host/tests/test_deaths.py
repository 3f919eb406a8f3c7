"""Whatever single process dies, the job lives on, loses no output, and its true exit is recorded."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime

from logist_core.api import KILL_NOW, ProbeState

# A shell without forks: quick, and the log can't be late.
COUNT = "i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i; done; exit 7"


def lines(count: int) -> bytes:
    return b"".join(b"line %d\n" % i for i in range(1, count + 1))


def gated(lab, script: str) -> tuple[str, Path]:
    """Return a script that waits in its middle until the test opens the gate, without a busy loop."""
    gate = lab.root / f"gate{len(lab.attempts)}"
    os.mkfifo(gate)
    return script.replace("GATE", f"read x < {gate}"), gate


@pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])
@pytest.mark.parametrize("victim", ["guard", "pump"])
def test_a_kill_at_a_random_instant_loses_nothing(lab, victim: str, pty: bool) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    attempt = lab.shell(COUNT.format(lines=30000), pty=pty)
    time.sleep(random.Random(seed).random() * 0.1)
    lab.kill(getattr(attempt, victim)() or attempt.guard())
    answer = attempt.wait()
    assert (answer.state, answer.exit.code) == (ProbeState.EXITED, 7)
    out = attempt.out().replace(b"\r\n", b"\n")
    if pty and victim == "pump":
        # What the dead pump had read and not yet written is lost: at most one read.
        assert len(lines(30000)) - len(out) <= keeper.READ_SIZE
    else:
        assert out == lines(30000)


@pytest.mark.parametrize("victim", ["guard", "pump"])
def test_kills_one_after_the_other_are_all_survived(lab, victim: str) -> None:
    script, gate = gated(lab, "echo begin; GATE; echo end; exit 37")
    attempt = lab.shell(script)
    for _ in range(4):
        before = lab.eventually(getattr(attempt, victim), victim)
        lab.kill(before)
        lab.eventually(lambda old=before: (new := getattr(attempt, victim)()) and new != old, f"another {victim}")
    for other in ("pump", "guard", "pump"):
        before = lab.eventually(getattr(attempt, other), other)
        lab.kill(before)
        lab.eventually(lambda old=before, o=other: (new := getattr(attempt, o)()) and new != old, f"another {other}")
    gate.write_text("go\n")
    answer = attempt.wait()
    assert (answer.exit.code, attempt.out()) == (37, b"begin\nend\n")


def test_an_attempt_whose_keeper_died_is_orphaned_and_says_so(lab) -> None:
    attempt = lab.shell("sleep 60")
    lab.kill(attempt.guard())
    answer = lab.eventually(lambda: a if "orphaned" in (a := attempt.probe()).conditions else None, "orphaned")
    assert (answer.state, answer.pid) == (ProbeState.RUNNING, attempt.pid)
    attempt.runtime.stop(attempt.handle, KILL_NOW)


@pytest.mark.parametrize("first", ["guard", "pump"])
def test_both_dead_the_next_probe_finds_it_and_adopts_it(lab, first: str) -> None:
    script, gate = gated(lab, "echo begin; GATE; echo end; exit 7")
    attempt = lab.shell(script)
    attempt.out_has(b"begin")
    pid = attempt.pid
    guard, pump = attempt.guard(), attempt.pump()
    for victim in (guard, pump) if first == "guard" else (pump, guard):
        os.kill(victim, signal.SIGSTOP)  # so that neither can replace the other
    lab.kill(guard)
    lab.kill(pump)
    answer = attempt.probe()
    assert (answer.state, answer.pid, answer.conditions) == (ProbeState.RUNNING, pid, ("orphaned",))
    assert attempt.record("shim.json")["origin"] == "adopter"
    gate.write_text("go\n")
    answer = attempt.wait()
    assert (answer.exit.code, answer.exit.source, attempt.out()) == (7, "adopter", b"begin\nend\n")


def test_an_adopter_can_stop_what_it_adopted(lab) -> None:
    attempt = lab.shell("sleep 60 & nohup setsid sleep 60 & wait")
    kill_both(lab, attempt)
    attempt.probe()
    answer = attempt.runtime.stop(attempt.handle, KILL_NOW)
    assert (answer.state, answer.exit.signal) == (ProbeState.EXITED, signal.SIGKILL)


def kill_both(lab, attempt) -> None:
    guard, pump = attempt.guard(), attempt.pump()
    os.kill(guard, signal.SIGSTOP)
    os.kill(pump, signal.SIGSTOP)
    lab.kill(guard)
    lab.kill(pump)


def test_probed_at_once_by_many_it_gets_one_adopter(lab) -> None:
    from concurrent.futures import ThreadPoolExecutor

    script, gate = gated(lab, "GATE; exit 7")
    attempt = lab.shell(script)
    kill_both(lab, attempt)
    with ThreadPoolExecutor(8) as pool:
        states = {answer.state for answer in pool.map(lambda _: attempt.probe(), range(8))}
    assert states == {ProbeState.RUNNING}
    gate.write_text("go\n")
    assert attempt.wait().exit.code == 7


def test_dead_while_both_were_dead_it_is_gone_and_never_a_code(lab) -> None:
    attempt = lab.shell("nohup setsid sleep 60 & sleep 60")
    pid = attempt.pid
    kill_both(lab, attempt)
    lab.kill(pid)
    lab.eventually(lambda: keeper.SYSTEM.process(pid) is None, "the reap")
    answer = lab.eventually(lambda: a if (a := attempt.probe()).state is not ProbeState.RUNNING else None, "a verdict")
    assert (answer.state, answer.exit) == (ProbeState.GONE, None)
    assert attempt.family() == []  # what it left behind was ended


def test_on_a_kernel_that_tells_no_exits_an_orphan_is_gone_and_never_zero(lab) -> None:
    script, gate = gated(lab, "GATE; exit 0")
    attempt = lab.shell(script, runtime=HostRuntime(kernel_exit_info=False))
    lab.kill(attempt.guard())
    gate.write_text("go\n")
    answer = attempt.wait()
    assert (answer.state, answer.exit) == (ProbeState.GONE, None)


ENDS = [
    ("exit 0", 0, None),
    ("exit 1", 1, None),
    ("exit 37", 37, None),
    ("exit 126", 126, None),
    ("exit 127", 127, None),
    ("exit 255", 255, None),
    ("kill -KILL $$", None, signal.SIGKILL),
    ("ulimit -c 0; kill -SEGV $$", None, signal.SIGSEGV),
    ("kill -TERM $$", None, signal.SIGTERM),
]


@pytest.mark.parametrize("orphaned", [False, True], ids=["keeper", "after its death"])
def test_the_exit_is_the_true_one(lab, orphaned: bool) -> None:
    attempts = []
    for end, _, _ in ENDS:
        script, gate = gated(lab, f"GATE; {end}")
        attempts.append((lab.shell(script), gate))
    for attempt, gate in attempts:
        if orphaned:
            lab.kill(attempt.guard())
        gate.write_text("go\n")
    for (attempt, _), (end, code, number) in zip(attempts, ENDS, strict=True):
        answer = attempt.wait()
        assert (end, answer.state, answer.exit.code, answer.exit.signal) == (end, ProbeState.EXITED, code, number)
        assert answer.exit.source == ("pump" if orphaned else "keeper")


def test_a_kill_right_at_the_end_finds_the_exit_as_well(lab) -> None:
    attempts = []
    for delay_ms in range(0, 24, 2):
        script, gate = gated(lab, "GATE; echo end; exit 9")
        attempt = lab.shell(script)
        guard = attempt.guard()
        gate.write_text("go\n")
        time.sleep(delay_ms / 1000)
        lab.kill(guard)
        attempts.append(attempt)
    for attempt in attempts:
        answer = attempt.wait()
        assert (answer.state, answer.exit.code, attempt.out()) == (ProbeState.EXITED, 9, b"end\n")


def test_keepers_killed_at_random_while_starting_leave_no_unknown_process(lab) -> None:
    from concurrent.futures import ThreadPoolExecutor

    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    for number in range(12):
        marker = lab.root / f"ran{number}"
        attempt = lab.prepare()
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(start_quietly, lab, attempt, f"echo x >> {marker}; sleep 60")
            deadline = time.monotonic() + rng.random() * 0.12
            while time.monotonic() < deadline:
                pass
            for process in keeper.SYSTEM.processes():
                if process.parent == os.getpid() or process.session == attempt.record("shim.json").get("session"):
                    lab.kill(process.pid)
            started.result()
        handle = attempt.runtime.find(attempt.key, str(attempt.directory))
        if handle is None:
            lab.eventually(lambda a=attempt: not a.family(), "the gated child's end")
            assert not marker.exists()
        else:
            attempt.handle = handle
            answer = attempt.runtime.stop(handle, KILL_NOW)
            assert answer.state in (ProbeState.EXITED, ProbeState.GONE)
            assert not marker.exists() or marker.read_text() == "x\n"
        attempt.runtime.forget(handle) if handle else None


def start_quietly(lab, attempt, script: str) -> None:
    from logist_core.api import LaunchSpec, LogistError, StartContext

    context = StartContext(directory=str(attempt.directory), environment=dict(os.environ))
    with contextlib.suppress(LogistError):
        attempt.runtime.start(LaunchSpec(argv=("sh", "-c", script), cwd="/"), attempt.key, context)


def test_a_storm_of_signals_ends_neither_guard_nor_pump(lab) -> None:
    script, gate = gated(lab, "GATE; exit 7")
    attempt = lab.shell(script)
    guard, pump = attempt.guard(), attempt.pump()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGQUIT, signal.SIGTSTP, signal.SIGUSR2):
        os.kill(guard, number)
        os.kill(pump, number)
    os.kill(pump, signal.SIGTERM)
    assert attempt.probe().conditions == ()
    assert (attempt.guard(), attempt.pump()) == (guard, pump)
    gate.write_text("go\n")
    assert attempt.wait().exit.code == 7


def test_a_sigterm_to_the_keeper_is_a_polite_stop(lab) -> None:
    attempt = lab.shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    os.kill(attempt.guard(), signal.SIGTERM)
    assert attempt.wait().exit.code == 5


def test_a_removed_socket_is_made_again(lab) -> None:
    attempt = lab.shell("sleep 60")
    os.unlink(attempt.record("shim.json")["socket"])
    assert attempt.probe().conditions == ("unresponsive",)
    lab.eventually(lambda: not attempt.probe().conditions, "an answer")
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_stopped_pair_is_unresponsive_and_nothing_is_ended(lab) -> None:
    script, gate = gated(lab, "GATE; exit 7")
    attempt = lab.shell(script)
    pair = (attempt.guard(), attempt.pump())
    for pid in pair:
        os.kill(pid, signal.SIGSTOP)
    answer = attempt.probe()
    assert (answer.state, answer.conditions) == (ProbeState.RUNNING, ("unresponsive",))
    for pid in pair:
        os.kill(pid, signal.SIGCONT)
    gate.write_text("go\n")
    assert attempt.wait().exit.code == 7


def test_a_reboot_makes_it_gone_and_no_pid_is_looked_at(lab) -> None:
    attempt = lab.shell("sleep 60")
    kill_both(lab, attempt)
    change_record(attempt, "launch.json", boot_id="another boot")
    answer = attempt.probe()
    assert (answer.state, answer.conditions) == (ProbeState.GONE, ("rebooted",))
    assert attempt.runtime.stop(attempt.handle, KILL_NOW).state is ProbeState.GONE
    assert keeper.SYSTEM.process(attempt.pid) is not None
    lab.tidy()
    attempt.runtime.forget(attempt.handle)


def test_another_machine_s_attempt_is_unknown(lab) -> None:
    attempt = lab.shell("sleep 60")
    before = attempt.record("launch.json")
    change_record(attempt, "launch.json", machine_id="another machine")
    answer = attempt.probe()
    assert (answer.state, answer.conditions) == (ProbeState.UNKNOWN, ("unreachable",))
    change_record(attempt, "launch.json", **before)
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_reused_pid_is_never_signalled(lab) -> None:
    import subprocess

    stranger = subprocess.Popen(["sleep", "60"])
    try:
        attempt = lab.shell("sleep 60")
        pid = attempt.pid
        kill_both(lab, attempt)
        lab.kill(pid)
        lab.eventually(lambda: keeper.SYSTEM.process(pid) is None, "the reap")
        change_record(attempt, "child.json", pid=stranger.pid)  # as after a wrap of the pids
        assert attempt.runtime.stop(attempt.handle, KILL_NOW).state is ProbeState.GONE
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def change_record(running, name: str, **values: object) -> None:
    fd = os.open(running.directory, os.O_DIRECTORY)
    keeper.write_record(fd, name, {**running.record(name), **values}, durable=False, replace=True)
    os.close(fd)


def test_a_removed_directory_loses_the_record_but_leaves_nothing_behind(lab) -> None:
    import shutil

    script, gate = gated(lab, "GATE; exit 7")
    attempt = lab.shell(script)
    guard = attempt.guard()
    shutil.rmtree(attempt.directory)
    assert attempt.probe().state is ProbeState.UNKNOWN  # its directory is gone, its processes aren't
    gate.write_text("go\n")
    lab.eventually(lambda: keeper.SYSTEM.process(guard) is None, "the keeper's end")
    assert attempt.probe().state is ProbeState.GONE
