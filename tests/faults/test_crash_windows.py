"""Cases 1 to 14: whoever is killed, stopped or refused by the system, at whatever operation, the promise holds.

The loops kill or fail at operation 1, 2, 3 ... until an operation is no longer reached; each is a case, judged by
the same oracle. LOGIST_FAULTS=all runs the whole matrix of errors; LOGIST_FAULT_KILLS sets how many kills at
random times each role gets.
"""

from __future__ import annotations

import errno
import os
import random
import signal
from collections.abc import Callable, Iterator

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime
from support.waiting import eventually

from faults.harness.bench import CODE, ERRORS, JOB, LINES, Bench, Outcome, Plan, send
from faults.harness.supervisors import Supervisors
from logist_core.api import ProbeState

ALL = os.environ.get("LOGIST_FAULTS") == "all"
KILLS = int(os.environ.get("LOGIST_FAULT_KILLS", "16"))
MODES = pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])
SHARES = 4


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


@pytest.fixture
def supervisors() -> Iterator[Supervisors]:
    with Supervisors() as supervisors:
        yield supervisors


def attack(run: Callable[[int], Outcome], first: int = 1, step: int = 1, most: int = 1000) -> int:
    """Run cases until two in a row don't reach their operation; return how many did. Fail with all that went wrong."""
    reached = misses = 0
    wrong: list[str] = []
    number = first
    while misses < 2 and number < most:
        outcome = run(number)
        misses = misses + 1 if outcome.fired is None else 0
        reached += outcome.fired is not None
        wrong += [f"operation {number}, {outcome.fired}: {text}" for text in outcome.wrong]
        number += step
    assert not wrong, "\n".join(wrong)
    return reached


# Kills


@pytest.mark.parametrize("share", range(SHARES))
def test_case_01_a_supervisor_killed_at_any_operation_of_a_launch(supervisors: Supervisors, share: int) -> None:
    reached = attack(lambda n: supervisors.run(Plan(role="supervisor", at=n)), 1 + share, SHARES, 180)  # type: ignore[arg-type, return-value]
    assert reached > 15


def test_an_environment_does_not_outlive_a_supervisor_killed_at_the_end_of_its_job(supervisors: Supervisors) -> None:
    outcome = supervisors.run(Plan(role="supervisor", point="unlink env"))
    assert (outcome.fired, outcome.wrong) == ("unlink env", [])


@MODES
def test_case_02_a_keeper_killed_at_any_operation(bench: Bench, pty: bool) -> None:
    assert attack(lambda n: bench.run(Plan(role="keeper", at=n), pty=pty)) > 35


def test_case_02_a_second_guard_killed_at_any_operation(bench: Bench) -> None:
    plan = {"role": "guard"}
    assert attack(lambda n: bench.run(Plan(**plan, at=n), middle="sleep 0.2;", kill_first="keeper")) > 10


@MODES
def test_case_03_a_pump_killed_at_any_operation(bench: Bench, pty: bool) -> None:
    assert attack(lambda n: bench.run(Plan(role="pump", at=n), pty=pty), most=60) > 8


@pytest.mark.parametrize("first", ["keeper", "pump"])
def test_case_04_both_killed_one_shortly_after_the_other(bench: Bench, first: str) -> None:
    second = {"keeper": "pump", "pump": "keeper"}[first]
    for gap_s in (0.0, 0.001, 0.005, 0.02, 0.2):
        outcome = bench.run_randomly_killed([(first, 0.05), (second, gap_s)], middle="sleep 0.6;")
        assert outcome.wrong == [], gap_s
        assert outcome.ended is not None


@MODES
@pytest.mark.parametrize("role", ["keeper", "pump"])
def test_case_05_kills_at_random_leave_no_unknown_process(bench: Bench, role: str, pty: bool) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(KILLS):
        delay_s = rng.random() * 0.12
        outcome = bench.run_randomly_killed([(role, delay_s)], pty=pty)
        assert outcome.wrong == [], (seed, delay_s)


def test_case_06_twelve_pumps_killed_in_a_flood_lose_one_read_each_at_most(bench: Bench) -> None:
    lines = 60_000
    case = bench.case()
    case.start(JOB.format(lines=lines, code=CODE, middle=""), pty=True)
    killed, last = 0, None
    while killed < 12 and not (case.root / "code").exists():
        pid = case.roles().get("pump")
        if pid is not None and pid != last:
            last = pid
            killed += send(pid, str(case.wrapper), signal.SIGKILL)
    answer = case.wait(60)
    expected = sum(len(b"line %d\r\n" % i) for i in range(1, lines + 1))
    assert killed > 0
    assert (answer.state, answer.exit and answer.exit.code) == (ProbeState.EXITED, CODE)
    assert expected - (case.directory / "out.log").stat().st_size <= killed * 65536


# Errors of the system


def failures(kind: str) -> list[tuple[int, float]]:
    """Return (error, seconds that it persists) for a kind of operation: all, or a choice of two."""
    matrix = [(number, persist_s) for number in ERRORS[kind] for persist_s in (0.0, 0.5)]
    return matrix if ALL else [matrix[0], matrix[-1]]


@pytest.mark.parametrize("kind", sorted(ERRORS))
@pytest.mark.parametrize("role", ["keeper", "pump"])
def test_case_39_the_nth_operation_of_a_keeper_or_pump_fails(bench: Bench, role: str, kind: str) -> None:
    for number, persist_s in failures(kind):
        plan = Plan(role=role, kinds=(kind,), action="fail", errno=number, persist_s=persist_s)
        print(errno.errorcode[number], persist_s)
        pty = role == "pump"
        attack(lambda n, plan=plan, pty=pty: bench.run(Plan(**{**vars(plan), "at": n}), pty=pty), most=40)  # type: ignore[misc]


def test_case_36_a_start_whose_record_can_not_be_forced_to_disk_is_refused_and_never_runs(bench: Bench) -> None:
    outcome = bench.run(Plan(role="keeper", at=2, kinds=("fsync",), action="fail", errno=errno.EIO))
    assert outcome.fired == "fsync attempt"  # child.json lies in its place, and the name may not be on disk yet
    assert (outcome.started, outcome.wrong) == (False, [])


# Stops and signals


@pytest.mark.parametrize(
    ("role", "point"), [("keeper", "link exit.json"), ("keeper", "unlink exit.json~"), ("pump", "open cancel.json")]
)
def test_case_09_a_process_that_stands_still_harms_nothing(bench: Bench, role: str, point: str) -> None:
    case = bench.case(Plan(role=role, point=point, action="stop"))
    case.start(JOB.format(lines=LINES, code=CODE, middle=""))
    pid = eventually(lambda: case.roles().get(role), what="its pid")
    eventually(lambda: (p := keeper.SYSTEM.process(pid)) and p.state == "T", what="its stop")
    assert case.probe().state is ProbeState.RUNNING
    send(pid, str(case.wrapper), signal.SIGCONT)
    outcome = bench.judge(case, pty=False, may_be_lost=False, lines=LINES, pump_died=False)
    assert (outcome.wrong, outcome.fired) == ([], point)


def test_case_09_a_keeper_that_stands_still_before_the_gate_is_given_up_and_opens_none(bench: Bench) -> None:
    case = bench.case(Plan(role="keeper", point="link child.json", action="stop"), HostRuntime(start_timeout_s=0.5))
    case.start(JOB.format(lines=LINES, code=CODE, middle=""))
    assert (case.handle, case.error) == (None, "the keeper didn't answer within 0 s")
    pid = case.roles()["keeper"]
    assert send(pid, str(case.wrapper), signal.SIGCONT)
    outcome = bench.judge(case, pty=False, may_be_lost=False, lines=LINES, pump_died=False)
    assert (outcome.wrong, outcome.started) == ([], False)


@pytest.mark.parametrize("role", ["keeper", "pump"])
def test_case_10_a_storm_of_signals_to_a_role_ends_nothing(bench: Bench, role: str) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    case = bench.case()
    case.start(JOB.format(lines=LINES, code=CODE, middle="sleep 0.4;"))
    numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGQUIT, signal.SIGUSR2, signal.SIGTSTP]
    numbers += [signal.SIGCHLD, signal.SIGUSR1] if role == "keeper" else [signal.SIGTERM]
    while not (case.root / "code").exists():
        pid = case.roles()[role]
        send(pid, str(case.wrapper), rng.choice(numbers))
    outcome = bench.judge(case, pty=False, may_be_lost=False, lines=LINES, pump_died=False)
    assert outcome.wrong == []


def test_case_08_on_an_old_kernel_a_keeper_killed_anywhere_gives_the_true_exit_or_none() -> None:
    with Bench(kernel_exit_info=False) as bench:
        ends = []

        def run(number: int) -> Outcome:
            outcome = bench.run(Plan(role="keeper", at=number), may_be_lost=True)
            ends.append(outcome.ended.state if outcome.ended else None)
            return outcome

        attack(run)
        assert ProbeState.GONE in ends and ProbeState.EXITED in ends


def test_the_harness_costs_nothing_where_it_is_not_asked_for() -> None:
    from logist_runtime_host import serving

    assert serving.WRAPPER_VARIABLE not in os.environ or "covered" in os.environ[serving.WRAPPER_VARIABLE]
    assert os.open.__module__ == "posix" and "faulty" not in (keeper.__file__ or "")
    assert HostRuntime().caps.pty
