"""Stopping: the ladder is climbed as asked, the whole tree goes, and the exit stays what it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime

from logist_core.api import KILL_NOW, ProbeState, Stdin, StopLadder, StopStep, UsageError

POLITE = StopLadder(steps=(StopStep(signal="TERM", grace_s=10.0),))
IMPOLITE = StopLadder(steps=(StopStep(signal="INT", grace_s=0.2), StopStep(signal="TERM", grace_s=0.2)))

#: Programs that get away from their parent, each with a mark that they live.
ESCAPEES = """
setsid sleep 1001 &
nohup sleep 1002 >/dev/null 2>&1 &
(setsid sh -c 'sleep 1003 & sleep 1004' &)
PYTHON -c 'import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvpe("sleep", "sleep 1005".split(), {"PATH": os.environ["PATH"]})
' &
(trap "" TERM HUP INT; exec setsid sleep 1006) &
"""


@pytest.fixture(params=[True, "v1", False], ids=["cgroup", "freezer", "no cgroup"])
def runtime(request) -> HostRuntime:
    if request.param:
        root = keeper.freezer_root() if request.param == "v1" else keeper.cgroup_root()
        if root is None or not os.access(root, os.W_OK):
            pytest.skip("this user may not make such cgroups")
    return HostRuntime(cgroup=request.param)


def sleepers(attempt) -> list[int]:
    """Return the pids of the escapees, wherever they are."""
    found = []
    for process in keeper.SYSTEM.processes():
        try:
            with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[:1] == [b"sleep"] and words[1:2] and words[1] in attempt.marks and process.state != "Z":
            found.append(process.pid)
    return found


def start_escapees(lab, runtime: HostRuntime, script: str):
    # Marks of its own, so that tests running beside this one are not mistaken for it.
    base = str(os.getpid())
    script = script.replace("sleep 100", f"sleep {base}00").replace("PYTHON", sys.executable)
    attempt = lab.shell(script, runtime=runtime)
    attempt.marks = {f"{base}00{i}".encode() for i in range(1, 7)}
    return attempt


def test_a_stop_ends_escapees_as_well(lab, runtime: HostRuntime) -> None:
    attempt = start_escapees(lab, runtime, ESCAPEES + "sleep 60")
    lab.eventually(lambda: len(sleepers(attempt)) == 6, "six escapees")
    answer = runtime.stop(attempt.handle, KILL_NOW)
    assert (answer.state, answer.exit.signal, answer.exit.survivors) == (ProbeState.EXITED, signal.SIGKILL, ())
    assert sleepers(attempt) == []


def test_what_the_leader_leaves_behind_is_ended(lab, runtime: HostRuntime) -> None:
    attempt = start_escapees(lab, runtime, ESCAPEES + "read x; exit 7")
    started = time.monotonic()
    answer = attempt.wait()
    assert (answer.exit.code, answer.exit.survivors) == (7, ())
    assert time.monotonic() - started < 8.0
    assert sleepers(attempt) == []


def test_lingering_processes_are_left_alone_and_a_stop_ends_them_not(lab, runtime: HostRuntime) -> None:
    attempt = start_escapees(lab, runtime, "setsid sleep 1001 & exit 0")
    attempt.runtime.stop(attempt.handle, KILL_NOW)
    attempt = None
    lingering = lab.shell(
        f"setsid sleep {os.getpid()}001 >/dev/null 2>&1 & echo $!; exit 0", runtime=runtime, linger=True
    )
    assert lingering.wait().exit.code == 0
    pid = lingering.family()[0]
    assert lingering.record("done.json")["tree_clean"] is False
    lab.kill(pid)
    lab.eventually(lambda: not lingering.family(), "its end")


def test_a_grandchild_that_holds_the_terminal_delays_the_end_by_three_seconds_at_most(lab) -> None:
    attempt = lab.shell("(trap '' HUP TERM; sleep 60) & sleep 0.2; echo bye; exit 4", pty=True)
    attempt.out_has(b"bye")
    started = time.monotonic()
    answer = attempt.wait()
    assert answer.exit.code == 4
    assert time.monotonic() - started < 4.0


def test_the_ladder_is_climbed_in_order(lab) -> None:
    attempt = lab.shell("trap 'echo int' INT; trap 'echo term; exit 6' TERM; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    answer = attempt.runtime.stop(
        attempt.handle, StopLadder(steps=(StopStep(signal="INT", grace_s=0.3), StopStep(signal="TERM", grace_s=5)))
    )
    assert answer.exit.code == 6
    assert attempt.out() == b"ready\nint\nterm\n"


def test_keys_are_a_step_too(lab) -> None:
    attempt = lab.shell("echo ready; read x; echo got $x; exit 8", stdin=Stdin.OPEN)
    attempt.out_has(b"ready")
    answer = attempt.runtime.stop(attempt.handle, StopLadder(steps=(StopStep(keys=b"quit\n", grace_s=5.0),)))
    assert answer.exit.code == 8
    assert attempt.out() == b"ready\ngot quit\n"


def test_keys_for_an_attempt_without_input_cost_no_time(lab) -> None:
    attempt = lab.shell("echo ready; sleep 60")
    attempt.out_has(b"ready")
    started = time.monotonic()
    answer = attempt.runtime.stop(attempt.handle, StopLadder(steps=(StopStep(keys=b"q", grace_s=20.0), *POLITE.steps)))
    assert answer.exit.signal == signal.SIGTERM
    assert time.monotonic() - started < 10


def test_a_ctrl_c_reaches_the_foreground_group_of_the_terminal(lab) -> None:
    child = 'trap "echo child; exit 3" INT; echo ready; while :; do sleep 0.05; done'
    attempt = lab.start("bash", "-ic", f"set -m; trap 'echo leader' INT; sh -c '{child}'; echo rc $?", pty=True)
    attempt.out_has(b"ready")
    attempt.runtime.interrupt(attempt.handle)
    attempt.out_has(b"rc 3")
    attempt.wait()


def test_an_interrupt_without_a_terminal_goes_to_the_leaders_group(lab) -> None:
    attempt = lab.shell("trap 'echo interrupted; exit 2' INT; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    attempt.runtime.interrupt(attempt.handle)
    assert attempt.wait().exit.code == 2


def test_the_shorter_ladder_wins(lab) -> None:
    attempt = lab.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(
            attempt.runtime.stop, attempt.handle, StopLadder(steps=(StopStep(signal="TERM", grace_s=25.0),))
        )
        lab.eventually(lambda: attempt.record("cancel.json"), "the wish")
        started = time.monotonic()
        answer = attempt.runtime.stop(attempt.handle, KILL_NOW)
        assert time.monotonic() - started < 8
        assert slow.result().exit == answer.exit
    assert answer.exit.signal == signal.SIGKILL


def test_a_later_longer_ladder_does_not_delay_the_end(lab) -> None:
    attempt = lab.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(attempt.runtime.stop, attempt.handle, IMPOLITE)
        lab.eventually(lambda: attempt.record("cancel.json"), "the wish")
        second = pool.submit(
            attempt.runtime.stop, attempt.handle, StopLadder(steps=(StopStep(signal="TERM", grace_s=25.0),))
        )
        assert second.result(timeout=15).exit == first.result().exit


def test_twenty_stops_at_once_agree(lab) -> None:
    attempt = lab.shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: attempt.runtime.stop(attempt.handle, POLITE), range(20)))
    assert {(answer.state, answer.exit.code) for answer in answers} == {(ProbeState.EXITED, 3)}


@pytest.mark.parametrize("victim", ["pump", "guard"])
def test_a_stop_goes_on_when_who_asked_and_who_heard_are_dead(lab, victim: str) -> None:
    attempt = lab.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    code = (
        "import sys, json; from logist_core.api import *; from logist_runtime_host.runtime import HostRuntime\n"
        "ladder = StopLadder(steps=(StopStep(signal='TERM', grace_s=1.5),))\n"
        "HostRuntime().stop(RuntimeHandle(**json.loads(sys.argv[1])), ladder)"
    )
    import json

    handle = json.dumps({"runtime": "host", "version": 1, "data": dict(attempt.handle.data)})
    asker = subprocess.Popen([sys.executable, "-c", code, handle])
    lab.eventually(lambda: attempt.record("cancel.json"), "the wish")
    asker.kill()
    asker.wait()
    lab.kill(getattr(attempt, victim)())
    assert attempt.wait(15).exit.signal == signal.SIGKILL


def test_a_deaf_pair_is_passed_over_and_records_the_end_when_it_wakes(lab) -> None:
    attempt = lab.shell("setsid sleep 60 & sleep 60")
    pair = (attempt.guard(), attempt.pump())
    for pid in pair:
        os.kill(pid, signal.SIGSTOP)
    answer = attempt.runtime.stop(attempt.handle, StopLadder(steps=(StopStep(signal="TERM", grace_s=2.0),)))
    assert (answer.state, answer.conditions) == (ProbeState.RUNNING, ("unresponsive",))
    assert attempt.family() == []
    for pid in pair:
        assert keeper.SYSTEM.process(pid) is not None  # spared
        os.kill(pid, signal.SIGCONT)
    assert attempt.wait().exit.signal == signal.SIGTERM


def test_a_stopped_tree_is_woken_to_end(lab) -> None:
    attempt = lab.shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    attempt.out_has(b"ready")
    os.kill(attempt.pid, signal.SIGSTOP)
    assert attempt.runtime.stop(attempt.handle, POLITE).exit.code == 5


def test_a_fork_chain_that_hops_from_pid_to_pid_is_ended(lab, runtime: HostRuntime) -> None:
    hop = (
        "import os, time\nend = time.time() + 20\nwhile time.time() < end:\n"
        "    if os.fork(): os._exit(0)\n    os.setsid()\n    time.sleep(0.002)"
    )
    attempt = lab.start(
        sys.executable,
        "-c",
        f"import os\nif os.fork() == 0:\n    exec({hop!r})\nimport time; time.sleep(60)",
        runtime=runtime,
    )
    time.sleep(0.3)
    answer = runtime.stop(attempt.handle, KILL_NOW)
    assert answer.exit.signal == signal.SIGKILL
    # Without a cgroup it may outrun us; then it is named.
    if answer.exit.survivors == ():
        lab.eventually(lambda: not attempt.family(), "nobody left", 5)
    lab.eventually(lambda: not [lab.kill(pid) for pid in attempt.family()], "its end", 25)


def test_a_stop_racing_a_natural_end_reports_one_consistent_exit(lab) -> None:
    attempts = [lab.shell(f"sleep 0.0{i}; exit 7") for i in range(1, 10)]
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda a: a.runtime.stop(a.handle, POLITE), attempts))
    for attempt, answer in zip(attempts, answers, strict=True):
        assert answer.state is ProbeState.EXITED
        assert (answer.exit.code, answer.exit.signal) in ((7, None), (None, signal.SIGTERM))
        assert attempt.probe().exit == answer.exit


def test_a_name_that_is_no_signal_is_refused(lab) -> None:
    attempt = lab.shell("sleep 60")
    with pytest.raises(UsageError, match="NOSUCH"):
        attempt.runtime.stop(attempt.handle, StopLadder(steps=(StopStep(signal="NOSUCH"),)))
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_stats_see_the_whole_tree_and_ended_children(lab, runtime: HostRuntime) -> None:
    burn = f"{sys.executable} -c 'import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass'"
    attempt = lab.shell(f"{burn}; sleep 60 & echo burnt; sleep 60", runtime=runtime)
    attempt.out_has(b"burnt")
    lab.eventually(lambda: (v := runtime.stats(attempt.handle)) and v.processes >= 3, "the tree")
    vitals = runtime.stats(attempt.handle)
    assert vitals.cpu_s >= 0.3
    assert vitals.rss_bytes > 0
    assert vitals.stopped is False
    tree = vitals.tree
    assert runtime.stats(attempt.handle).tree == tree
    os.kill(attempt.pid, signal.SIGSTOP)
    lab.eventually(lambda: runtime.stats(attempt.handle).stopped, "stopped")
    runtime.stop(attempt.handle, KILL_NOW)
    assert runtime.stats(attempt.handle) is None


def test_stats_say_where_it_waits_and_how_the_terminal_is_set(lab) -> None:
    attempt = lab.shell("stty -echo; read x", pty=True)
    lab.eventually(
        lambda: (v := attempt.runtime.stats(attempt.handle)).tty_mode == "password" and v.blocked_on == "tty_read",
        "a password prompt",
    )
    attempt.runtime.stop(attempt.handle, KILL_NOW)
