"""Cases 7, 8 and 29 to 31: the recorded exit is the real one or none, and nothing of a short life is missed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from logist_runtime_host.runtime import HostRuntime

from faults.harness.bench import Bench, Case
from logist_core.api import ExitStatus, ProbeState

SHORT_JOBS = 1000 if os.environ.get("LOGIST_FAULTS") == "all" else 60
ENDS = {
    "exit 0": 0,
    "exit 1": 1,
    "exit 37": 37,
    "exit 126": 126,
    "exit 127": 127,
    "exit 255": 255,
    "kill -KILL $$": signal.SIGKILL,
    "kill -SEGV $$": signal.SIGSEGV,
}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


def orphaned(bench: Bench, end: str, *, kernel_exit_info: bool, both: bool) -> Case:
    """Return a case whose keeper (or keeper and pump) is dead, and whose job then ends by `end`."""
    case = bench.case(runtime=HostRuntime(kernel_exit_info=kernel_exit_info, start_timeout_s=10.0))
    gate = case.root / "gate"
    os.mkfifo(gate)
    case.start(f"read x < {gate}; cd {case.root}; {end}")
    if both:
        pids = case.roles()
        for role in ("keeper", "pump"):
            os.kill(pids[role], signal.SIGSTOP)  # so that neither replaces the other
        assert case.kill("keeper") and case.kill("pump")
        assert case.probe().conditions == ("orphaned",)  # and with this look there is an adopter
    else:
        assert case.kill("keeper")
    gate.write_text("go\n")
    return case


def told(status: ExitStatus | None) -> int | None:
    return None if status is None else status.code if status.code is not None else status.signal


@pytest.mark.parametrize("both", [False, True], ids=["keeper dead", "both dead"])
@pytest.mark.parametrize("end", ENDS)
def test_case_07_the_exit_after_a_keepers_death_is_exact(bench: Bench, end: str, both: bool) -> None:
    case = orphaned(bench, end, kernel_exit_info=True, both=both)
    answer = case.wait()
    assert (answer.state, told(answer.exit)) == (ProbeState.EXITED, ENDS[end])
    assert (answer.exit.signal is not None) == end.startswith("kill")  # type: ignore[union-attr]


@pytest.mark.parametrize("both", [False, True], ids=["keeper dead", "both dead"])
@pytest.mark.parametrize("end", ["exit 0", "exit 37", "kill -KILL $$"])
def test_case_08_on_an_old_kernel_the_exit_is_lost_and_never_zero(bench: Bench, end: str, both: bool) -> None:
    case = orphaned(bench, end, kernel_exit_info=False, both=both)
    answer = case.wait()
    assert (answer.state, answer.exit) == (ProbeState.GONE, None)


def test_case_29_jobs_that_end_before_anybody_looks_lose_neither_output_nor_code(bench: Bench) -> None:
    for number in range(SHORT_JOBS):
        case = bench.case()
        case.start(f"echo {number}; exit {number % 250 + 1}", pty=bool(number % 2))
        answer = case.wait()
        assert told(answer.exit) == number % 250 + 1
        assert (case.directory / "out.log").read_bytes().split() == [b"%d" % number]


def test_case_31_a_grandchild_that_holds_the_terminal_does_not_hold_up_the_end(bench: Bench) -> None:
    case = bench.case()
    case.start("(trap '' HUP TERM; sleep 60) & echo bye; exit 4", pty=True)
    started = time.monotonic()
    answer = case.wait()
    assert told(answer.exit) == 4
    assert time.monotonic() - started < 5.0  # two seconds of grace, then the kill
    assert b"bye" in (case.directory / "out.log").read_bytes()
