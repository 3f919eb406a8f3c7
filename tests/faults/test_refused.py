"""Cases 35, 36 and 39 again, one operation after the other: whatever the system refuses, it is no verdict on a job.

A refusal (no space, no descriptor, no memory, a disk that fails) says nothing of what was asked. So a look gives
the truth or "unknown", a search finds or fails, and a supervisor tries again; nothing is lost, and nothing runs twice.
"""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import Callable, Iterator

import pytest
from logist_runtime_host import keeper

from faults.harness import faulty
from faults.harness.bench import CODE, ERRORS, JOB, LINES, Bench, Case, Plan
from faults.harness.supervisors import Supervisors
from logist_core.api import KILL_NOW, LogistError, ProbeState

ALL = os.environ.get("LOGIST_FAULTS") == "all"
#: Operations that mean the same to us.
ALIKE = {"fsync": ("fsync", "fdatasync"), "rename": ("rename", "replace")}
#: Of a launch's operations of a kind, every so manieth is tried where not all are.
STEPS = {"open": 30, "write": 6, "fsync": 2, "rename": 2, "link": 1, "flock": 3}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


def refusals(kind: str) -> list[tuple[int, float]]:
    """Return (error, seconds that it persists): all, or one that passes and one that stays for a while."""
    matrix = [(number, persist_s) for number in ERRORS[kind] for persist_s in (0.0, 0.5)]
    return matrix if ALL else [matrix[0], matrix[-1]]


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_case_35_the_nth_operation_of_a_supervisor_fails(kind: str) -> None:
    step = 1 if ALL else STEPS[kind]
    first = random.randrange(1, step + 1)
    print("first operation", first)
    wrong = []
    reached = 0
    with Supervisors() as supervisors:
        for number, persist_s in refusals(kind):
            plan = Plan(role="supervisor", kinds=ALIKE.get(kind, (kind,)), action="fail", errno=number)
            at, misses = first, 0
            while misses < (2 if ALL else 1):
                outcome = supervisors.run(Plan(**{**vars(plan), "at": at, "persist_s": persist_s}))
                where = f"{errno.errorcode[number]} for {persist_s} s at operation {at}, {outcome.fired}"
                wrong += [f"{where}: {text}" for text in outcome.wrong]
                misses += outcome.fired is None
                at += step
            reached += at > first + step
    assert wrong == []
    assert reached, "no operation was reached"


# Looking and finding, in a process of its own that can't do the n-th thing


def elsewhere(case: Case, plan: Plan, ask: Callable[[], object]) -> tuple[bool, object]:
    """Return whether the plan's operation was reached, and what `ask` said in a fork of this process under it."""
    (case.root / "fired").unlink(missing_ok=True)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            faults = faulty.Faults({"directory": str(case.root), **vars(plan)}, "prober")
            faults.install()
            answer = ask()
            faults.role = ""
            os.write(write, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        answer = json.loads(file.read() or b'"died"')
    os.waitpid(pid, 0)
    return case.fired() is not None, answer


def loop(case: Case, kind: str, number: int, ask: Callable[[], object]) -> list[object]:
    """Return the answers while the first, second, third ... operation of a kind fails, until none is reached."""
    answers = []
    for at in range(1, 200):
        plan = Plan(role="prober", kinds=(kind,), action="fail", errno=number, at=at)
        reached, answer = elsewhere(case, plan, ask)
        answers.append(answer)
        if not reached:
            return answers
    raise AssertionError("it never came to its end")


REFUSED = [
    ("open", errno.EMFILE),
    ("open", errno.EIO),
    ("open", errno.EACCES),
    ("pidfd_open", errno.ENFILE),
    ("flock", errno.ENOMEM),
    ("link", errno.ENOSPC),
]


def is_guarded(case: Case) -> bool:
    return any(keeper.is_locked(None, str(case.directory / name)) for name in ("shim.lock", "pump.lock"))


def looked_at(case: Case) -> object:
    probe = case.probe()
    return [probe.state.value, probe.exit and probe.exit.code]


def found(case: Case) -> object:
    try:
        return "found" if case.find() is not None else "never ran"
    except LogistError as error:
        return f"refused: {error.message}"


@pytest.mark.parametrize(("kind", "number"), REFUSED, ids=lambda value: errno.errorcode.get(value, str(value)))
def test_case_39_a_look_that_is_refused_something_never_takes_an_exit_for_lost(
    bench: Bench, kind: str, number: int
) -> None:
    case = bench.case()
    case.start(JOB.format(lines=LINES, code=CODE, middle=""))
    assert case.wait().state is ProbeState.EXITED
    answers = loop(case, kind, number, lambda: looked_at(case))
    assert [answer for answer in answers if answer not in (["exited", CODE], ["unknown", None])] == []
    assert answers[-1] == ["exited", CODE]


@pytest.mark.parametrize(("kind", "number"), REFUSED[:-1], ids=lambda value: errno.errorcode.get(value, str(value)))
def test_case_39_a_look_that_is_refused_something_never_takes_an_orphan_for_gone(
    bench: Bench, kind: str, number: int
) -> None:
    case = bench.case()
    case.start("sleep 60")
    at = 0
    reached = True
    while reached:
        at += 1
        while is_guarded(case):  # each starts the other again, and the last look an adopter
            for role in set(case.roles()) & {"keeper", "pump", "guard", "adopter"}:
                case.kill(role)
        plan = Plan(role="prober", kinds=(kind,), action="fail", errno=number, at=at)
        reached, answer = elsewhere(case, plan, lambda: looked_at(case))
        assert answer in (["running", None], ["unknown", None]), (at, answer)
    assert at > 1
    case.runtime.stop(case.handle, KILL_NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "number"), REFUSED, ids=lambda value: errno.errorcode.get(value, str(value)))
def test_case_39_a_search_that_is_refused_something_never_says_that_nothing_ran(
    bench: Bench, kind: str, number: int
) -> None:
    case = bench.case()
    case.start(JOB.format(lines=LINES, code=CODE, middle=""))
    case.wait()
    answers = loop(case, kind, number, lambda: found(case))
    assert [answer for answer in answers if answer == "never ran" or answer == "died"] == []
    assert answers[-1] == "found"
