from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from logist_core.sentinel import Guard
from logist_core.sentinel.guard import FAULT_CAUSE
from logist_core.types.watch import Action, Level, Observation, Verdict

SEEN = Observation(now_s=1.0, wall=0.0)
WELL = Verdict(level=Level.QUIET, evidence=("last news 3 s ago",))


class Scripted:
    """A sentinel whose step is a function."""

    def __init__(self, step: Callable[..., Any], initial: Callable[[], Any] = dict) -> None:
        self._step, self._initial = step, initial

    def initial(self) -> Any:
        return self._initial()

    def settings(self) -> dict[str, Any]:
        return {}

    def step(self, state: Any, observation: Observation) -> Any:
        return self._step(state, observation)


def counting(state: dict[str, Any], observation: Observation) -> tuple[dict[str, Any], Verdict]:
    return {"count": state.get("count", 0) + 1}, WELL


def raising(error: BaseException) -> Callable[..., Any]:
    def step(state: object, observation: object) -> None:
        raise error

    return step


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


def test_a_sentinel_that_works_is_passed_through_and_its_state_kept() -> None:
    guard = Guard(Scripted(counting))
    assert [guard.step(SEEN), guard.step(SEEN)] == [WELL, WELL]
    assert guard.state == {"count": 2}
    assert guard.fault is None


def test_a_guard_goes_on_from_stored_state() -> None:
    guard = Guard(Scripted(counting), {"count": 7})
    guard.step(SEEN)
    assert guard.state == {"count": 8}


def test_the_state_handed_out_is_the_callers_own() -> None:
    guard = Guard(Scripted(counting))
    guard.step(SEEN)
    guard.state["count"] = 99
    assert guard.state == {"count": 1}


def test_a_sentinel_cannot_change_the_kept_state_behind_the_guard() -> None:
    kept: list[dict[str, Any]] = []

    def step(state: dict[str, Any], observation: Observation) -> tuple[dict[str, Any], Verdict]:
        kept.append(state)
        for old in kept:
            old["poison"] = True
        return {"count": len(kept)}, WELL

    guard = Guard(Scripted(step))
    guard.step(SEEN)
    guard.step(SEEN)
    assert guard.state == {"count": 2}


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (raising(ValueError("no")), "ValueError: no"),
        (raising(SystemExit(1)), "SystemExit: 1"),
        (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raising(UnprintableError()), "UnprintableError"),
        (raising(RuntimeError("\x1b[31mred\nlines")), "RuntimeError:  [31mred lines"),
        (lambda state, seen: None, "NoneType, not (state, verdict)"),
        (lambda state, seen: ({}, WELL, 1), "tuple, not (state, verdict)"),
        (lambda state, seen: ([], WELL), "list as its state"),
        (lambda state, seen: ({"at": {1, 2}}, WELL), "isn't JSON"),
        (lambda state, seen: ({"at": float("nan")}, WELL), "isn't JSON"),
        (lambda state, seen: ({"much": "x" * 300_000}, WELL), "300012 characters"),
        (lambda state, seen: ({}, "stalled"), "str, not a Verdict"),
        (lambda state, seen: ({}, Verdict(level="stalled")), "level is str"),  # type: ignore[arg-type]
        (lambda state, seen: ({}, Verdict(level=Level.QUIET, action="stop")), "action is str"),  # type: ignore[arg-type]
        (lambda state, seen: ({}, Verdict(level=Level.QUIET, cause=None)), "cause is NoneType"),  # type: ignore[arg-type]
        (lambda state, seen: ({}, Verdict(level=Level.QUIET, evidence="text")), "evidence is str"),  # type: ignore[arg-type]
        (lambda state, seen: ({}, Verdict(level=Level.QUIET, evidence=(1,))), "evidence isn't all text"),  # type: ignore[arg-type]
        (lambda state, seen: ({}, Verdict(level=Level.QUIET, look_again_s=float("nan"))), "look_again_s is nan"),
        (lambda state, seen: ({}, Verdict(level=Level.QUIET, look_again_s=True)), "look_again_s is True"),
    ],
)
def test_a_broken_sentinel_is_switched_off_and_the_fault_says_why(step: Callable[..., Any], said: str) -> None:
    guard = Guard(Scripted(step))
    verdict = guard.step(SEEN)
    assert guard.fault is not None
    assert said in guard.fault
    assert guard.fault.isprintable()
    assert (verdict.level, verdict.cause, verdict.action) == (Level.ACTIVE, FAULT_CAUSE, Action.NONE)
    assert verdict.evidence == (guard.fault,)


def test_a_sentinel_that_cannot_begin_is_switched_off() -> None:
    def initial() -> None:
        raise OSError("no")

    guard = Guard(Scripted(counting, initial))
    guard.step(SEEN)
    assert guard.fault is not None
    assert "OSError: no" in guard.fault


def test_a_sentinel_that_is_switched_off_is_not_called_again_and_its_last_state_stays() -> None:
    calls = []

    def step(state: dict[str, Any], observation: Observation) -> tuple[dict[str, Any], Verdict]:
        calls.append(observation)
        if len(calls) == 2:
            raise ValueError("later")
        return {"count": len(calls)}, WELL

    guard = Guard(Scripted(step))
    for _ in range(4):
        guard.step(SEEN)
    assert len(calls) == 2
    assert guard.state == {"count": 1}


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_sentinel_that_blocks_is_given_up_at_the_deadline_and_its_late_answer_dropped(
    release: threading.Event,
) -> None:
    returned = threading.Event()

    def step(state: dict[str, Any], observation: Observation) -> tuple[dict[str, Any], Verdict]:
        release.wait(30)
        returned.set()
        return {"late": True}, Verdict(level=Level.STALLED, cause="late", action=Action.STOP)

    guard = Guard(Scripted(step), deadline_s=0.05)
    began = time.monotonic()
    verdict = guard.step(SEEN)
    assert time.monotonic() - began < 20
    assert verdict.action is Action.NONE
    assert guard.fault == "the sentinel was switched off: no answer within 0.05 s"
    release.set()
    assert returned.wait(10)
    assert guard.step(SEEN).action is Action.NONE
    assert guard.state == {}


def test_other_jobs_sentinels_go_on_while_one_blocks(release: threading.Event) -> None:
    stuck = Guard(Scripted(lambda state, seen: release.wait(30)), deadline_s=0.05)
    stuck.step(SEEN)
    well = Guard(Scripted(counting))
    assert [well.step(SEEN) for _ in range(3)] == [WELL] * 3
    assert well.fault is None


def test_steps_do_not_pile_up_threads() -> None:
    guard = Guard(Scripted(counting))
    guard.step(SEEN)
    before = threading.active_count()
    for _ in range(50):
        guard.step(SEEN)
    assert threading.active_count() <= before + 1


def test_state_of_another_version_is_forgotten_rather_than_the_job_left_unwatched() -> None:
    def step(state: dict[str, Any], observation: Observation) -> tuple[dict[str, Any], Verdict]:
        if "old" in state:
            raise KeyError("new")
        return counting(state, observation)

    guard = Guard(Scripted(step), {"old": 1})
    assert guard.step(SEEN) == WELL
    assert guard.fault is None
    assert guard.state == {"count": 1}


def test_after_one_good_step_an_error_is_a_fault_though_the_state_was_restored() -> None:
    calls = []

    def step(state: dict[str, Any], observation: Observation) -> tuple[dict[str, Any], Verdict]:
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("now")
        return {}, WELL

    guard = Guard(Scripted(step), {"old": 1})
    guard.step(SEEN)
    guard.step(SEEN)
    assert guard.fault is not None


@pytest.mark.parametrize("stored", [{"at": {1}}, {"at": float("inf")}, "text", 3])
def test_stored_state_that_is_no_json_object_is_ignored(stored: Any) -> None:
    guard = Guard(Scripted(counting), stored)
    guard.step(SEEN)
    assert guard.state == {"count": 1}


def test_an_action_while_a_stop_is_under_way_is_dropped() -> None:
    acting = Verdict(level=Level.STALLED, cause="x", action=Action.STOP)
    guard = Guard(Scripted(lambda state, seen: ({}, acting)))
    assert guard.step(SEEN).action is Action.STOP
    assert guard.step(Observation(now_s=2.0, wall=0.0, cancelling=True)).action is Action.NONE
    assert guard.fault is None


def test_texts_of_a_verdict_are_bounded_and_harmless_to_a_terminal() -> None:
    hostile = Verdict(
        level=Level.SUSPECT,
        cause="x\x1b]0;owned\x07",
        evidence=("a\nb\u202e\ud800", "y" * 10_000, *("z",) * 100),
        look_again_s=-5,
    )
    guard = Guard(Scripted(lambda state, seen: ({}, hostile)))
    verdict = guard.step(SEEN)
    assert all(text.isprintable() for text in (verdict.cause, *verdict.evidence))
    assert len(verdict.evidence) == 20
    assert max(len(line) for line in verdict.evidence) == 500
    assert verdict.look_again_s == 0.0
