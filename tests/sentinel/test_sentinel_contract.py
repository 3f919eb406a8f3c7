"""The kit itself: each of its properties fails a sentinel that breaks just that promise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import Phase, settings

from logist_core.protocols import Sentinel
from logist_core.testing.sentinel_contract import SentinelContract
from logist_core.types.watch import Action, Level, Observation, Verdict

STALLED = Verdict(level=Level.STALLED, cause="silence", evidence=("60 s",))
CALM = Verdict(level=Level.ACTIVE)


class Simple:
    """Stalled after `stall_s` without progress; `verdict` may spoil that."""

    def __init__(
        self,
        spoil: Callable[[dict[str, Any], Observation, Verdict], Verdict] = lambda memory, seen, verdict: verdict,
        stall_s: float = 60.0,
        **settings: float,
    ) -> None:
        self.spoil, self.stall_s, self.in_force = spoil, stall_s, settings

    def initial(self) -> dict[str, Any]:
        return {}

    def settings(self) -> dict[str, Any]:
        return {"stall_s": self.stall_s, **self.in_force}

    def step(self, state: Mapping[str, Any], observation: Observation) -> tuple[dict[str, Any], Verdict]:
        memory = {"looks": state.get("looks", 0) + 1}
        silent = observation.now_s - observation.progress_s >= self.stall_s
        return memory, self.spoil(memory, observation, STALLED if silent else CALM)


class SimpleContract(SentinelContract):
    def scaled(self, sentinel: Sentinel, factor: float) -> Sentinel:
        assert isinstance(sentinel, Simple)
        return Simple(sentinel.spoil, sentinel.stall_s * factor, **sentinel.in_force)


class TestSimple(SimpleContract):
    @pytest.fixture
    def sentinel(self) -> Simple:
        return Simple(grace_s=30.0, cooldown_s=10.0)

    def scaled(self, sentinel: Sentinel, factor: float) -> Sentinel:
        assert isinstance(sentinel, Simple)
        scaled = {name: value * factor for name, value in sentinel.in_force.items()}
        return Simple(sentinel.spoil, sentinel.stall_s * factor, **scaled)


def act(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    return Verdict(level=Level.STALLED, cause="x", evidence=("y",), action=Action.STOP)


def tell(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    return Verdict(level=Level.STALLED, cause="x", evidence=("y",), action=Action.NOTIFY)


def flicker(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    return STALLED if memory["looks"] % 2 else CALM


def remember_a_set(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    memory["set"] = {1}
    return verdict


def remember_an_integer_key(memory: dict[Any, Any], seen: Observation, verdict: Verdict) -> Verdict:
    memory[1] = 2
    return verdict


def say_nothing(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    return Verdict(level=Level.SUSPECT)


def ask_the_clock(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    return Verdict(level=verdict.level, cause=verdict.cause, evidence=(*verdict.evidence, str(time.monotonic())))


def open_a_file(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    with open("/dev/null", encoding="utf-8"):
        return verdict


def hide_a_duration(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
    return STALLED if seen.now_s >= 7.0 else CALM


def count_calls() -> Callable[[dict[str, Any], Observation, Verdict], Verdict]:
    calls: list[int] = []

    def spoil(memory: dict[str, Any], seen: Observation, verdict: Verdict) -> Verdict:
        calls.append(1)
        return Verdict(level=Level.ACTIVE, evidence=(str(len(calls)),))

    return spoil


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Simple(remember_a_set), "test_each_step_returns_json_state_and_a_well_formed_verdict"),
        (Simple(remember_an_integer_key), "test_each_step_returns_json_state_and_a_well_formed_verdict"),
        (Simple(say_nothing), "test_each_step_returns_json_state_and_a_well_formed_verdict"),
        (Simple(remember_a_set), "test_the_guard_finds_no_fault_with_it"),
        (Simple(count_calls()), "test_a_step_changes_nothing_and_depends_on_its_arguments_alone"),
        (Simple(count_calls()), "test_replaying_a_stored_history_gives_the_same_verdicts"),
        (Simple(flicker), "test_more_silence_never_lowers_the_level"),
        (Simple(act), "test_it_keeps_out_of_the_way_of_a_stop_that_was_asked_for"),
        (Simple(act), "test_a_repeated_observation_is_no_news"),
        (Simple(act, cooldown_s=10.0), "test_two_interventions_are_a_cool_down_apart"),
        (Simple(act, grace_s=10.0), "test_there_is_no_verdict_within_the_grace_at_the_start"),
        (Simple(tell), "test_somebody_is_told_at_most_once_of_a_cause_in_an_episode"),
        (Simple(hide_a_duration), "test_stretching_time_and_thresholds_together_changes_nothing"),
        (Simple(act), "test_an_agent_that_works_is_left_alone"),
        (Simple(stall_s=1e9), "test_a_silent_hang_is_found"),
    ],
)
def test_a_broken_promise_fails_its_property(broken: Simple, test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function = getattr(SentinelContract, test)
    in_force = getattr(function, "_hypothesis_internal_use_settings", None)
    if in_force is not None:
        # Nobody reads these counterexamples: making them small would take minutes.
        hasty = settings(in_force, phases=(Phase.generate,), report_multiple_bugs=False, database=None)
        monkeypatch.setattr(function, "_hypothesis_internal_use_settings", hasty)
    # TypeError: what isn't JSON can't be stored in the first place.
    with pytest.raises((AssertionError, TypeError)):
        getattr(SimpleContract(), test)(sentinel=broken)


@pytest.mark.parametrize("broken", [Simple(ask_the_clock), Simple(open_a_file)])
def test_a_look_at_the_world_fails_the_contract(broken: Simple, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError):
        SimpleContract().test_it_uses_no_clock_no_chance_and_no_files(broken, monkeypatch)


def test_a_contract_without_a_sentinel_says_what_is_missing() -> None:
    fixture = SentinelContract.__dict__["sentinel"]
    make = getattr(fixture, "_fixture_function", None) or fixture.__wrapped__
    with pytest.raises(NotImplementedError, match="provides the fixture"):
        make(SentinelContract())


def test_without_a_scaled_form_the_property_is_skipped() -> None:
    contract = SentinelContract()
    with pytest.raises(pytest.skip.Exception, match="no scaled form"):
        contract.test_stretching_time_and_thresholds_together_changes_nothing(sentinel=Simple())
