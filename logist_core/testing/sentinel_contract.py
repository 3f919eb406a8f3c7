"""What every sentinel policy must hold to: subclass `SentinelContract` in a plugin's tests.

class TestMine(SentinelContract):
    @pytest.fixture
    def sentinel(self):
        return MySentinel({"stall_s": 60.0})

    def scaled(self, sentinel, factor):
        return MySentinel({"stall_s": 60.0 * factor})
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logist_core.protocols import Sentinel
from logist_core.sentinel import Guard
from logist_core.testing.observations import (
    INTERVENTIONS,
    Phase,
    World,
    histories,
    judge_all,
    observed_s,
    silence_after,
    simulate,
    stretched,
)
from logist_core.types.watch import Action, Level, Observation, Verdict

_CALM = (Level.ACTIVE, Level.QUIET)
_LADDER = list(Level)

# A sentinel is pure, so that one of them serves all examples of a property.
_property = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


class SentinelContract:
    """Properties of a policy, over any history that the contract of `Observation` allows.

    Attributes:
        hang_found_within_s: A silent hang with all signs of life known must be called so within this time.
    """

    hang_found_within_s: float = 3600.0

    @pytest.fixture
    def sentinel(self) -> Sentinel:
        """Return the policy under test. Its `settings()` may have `grace_s` and `cooldown_s`, which then hold."""
        raise NotImplementedError("a subclass of SentinelContract provides the fixture `sentinel`")

    def scaled(self, sentinel: Sentinel, factor: float) -> Sentinel | None:
        """Return the policy with all its durations multiplied by `factor`; None: it has no such form."""
        return None

    def test_it_is_a_sentinel_whose_initial_state_and_settings_are_json(self, sentinel: Sentinel) -> None:
        """All three of its methods are there, and what they return can be stored."""
        assert isinstance(sentinel, Sentinel)
        for stored in (sentinel.initial(), sentinel.settings()):
            assert isinstance(stored, Mapping)
            assert json.loads(json.dumps(dict(stored), allow_nan=False)) == dict(stored)

    @_property
    @given(history=histories())
    def test_each_step_returns_json_state_and_a_well_formed_verdict(
        self, sentinel: Sentinel, history: list[Observation]
    ) -> None:
        """Core stores the state and shows the verdict."""
        state = sentinel.initial()
        for seen in history:
            state, verdict = sentinel.step(state, seen)
            assert isinstance(state, Mapping)
            assert json.loads(json.dumps(dict(state), allow_nan=False)) == dict(state)
            assert isinstance(verdict, Verdict)
            assert isinstance(verdict.level, Level)
            assert isinstance(verdict.action, Action)
            assert all(isinstance(line, str) for line in verdict.evidence)
            assert verdict.look_again_s is None or verdict.look_again_s > 0
            if verdict.level in (Level.SUSPECT, Level.STALLED):
                assert verdict.cause
                assert verdict.evidence

    @_property
    @given(history=histories())
    def test_a_step_changes_nothing_and_depends_on_its_arguments_alone(
        self, sentinel: Sentinel, history: list[Observation]
    ) -> None:
        """The same state and observation give the same answer, whatever was judged in between."""
        state = sentinel.initial()
        taken = []
        for seen in history:
            before = copy.deepcopy(dict(state))
            answer = sentinel.step(state, seen)
            assert dict(state) == before
            taken.append((before, seen, copy.deepcopy((dict(answer[0]), answer[1]))))
            state = answer[0]
        for before, seen, (after, verdict) in reversed(taken):
            again, said = sentinel.step(before, seen)
            assert (dict(again), said) == (after, verdict)

    @_property
    @given(history=histories())
    def test_replaying_a_stored_history_gives_the_same_verdicts(
        self, sentinel: Sentinel, history: list[Observation]
    ) -> None:
        """A supervisor's death between any two steps costs nothing."""
        verdicts, state = judge_all(sentinel, history)
        replayed, restored = judge_all(sentinel, history, through_json=True)
        assert replayed == verdicts
        assert dict(restored) == dict(state)

    @_property
    @given(history=histories())
    def test_the_guard_finds_no_fault_with_it(self, sentinel: Sentinel, history: list[Observation]) -> None:
        """What core checks on every step of a running job holds."""
        guard = Guard(sentinel)
        for seen in history:
            guard.step(seen)
            assert guard.fault is None

    @_property
    @given(
        history=histories(max_looks=15),
        period_s=st.sampled_from((0.5, 2.0, 5.0, 16.0)),
        looks=st.integers(2, 120),
    )
    def test_more_silence_never_lowers_the_level(
        self, sentinel: Sentinel, history: list[Observation], period_s: float, looks: int
    ) -> None:
        """While nothing moves but the clocks, the verdict only climbs."""
        silence = list(silence_after(history[-1], period_s=period_s, looks=looks))
        verdicts, _ = judge_all(sentinel, [*history, *silence])
        levels = [_LADDER.index(verdict.level) for verdict in verdicts[len(history) - 1 :]]
        assert levels == sorted(levels)

    @_property
    @given(history=histories())
    def test_it_keeps_out_of_the_way_of_a_stop_that_was_asked_for(
        self, sentinel: Sentinel, history: list[Observation]
    ) -> None:
        """Two remedies at once are worse than none."""
        verdicts, _ = judge_all(sentinel, history)
        for seen, verdict in zip(history, verdicts, strict=True):
            if seen.cancelling:
                assert verdict.action not in INTERVENTIONS

    @_property
    @given(history=histories())
    def test_there_is_no_verdict_within_the_grace_at_the_start(
        self, sentinel: Sentinel, history: list[Observation]
    ) -> None:
        """Starting up takes its time."""
        grace_s = sentinel.settings().get("grace_s")
        if grace_s is None:
            pytest.skip("this sentinel has no setting grace_s")
        verdicts, _ = judge_all(sentinel, history)
        for seen, verdict in zip(history, verdicts, strict=True):
            if seen.now_s < grace_s * (1 - 1e-6):
                assert (verdict.level, verdict.cause, verdict.action) == (Level.ACTIVE, "", Action.NONE)

    @_property
    @given(history=histories())
    def test_two_interventions_are_a_cool_down_apart(self, sentinel: Sentinel, history: list[Observation]) -> None:
        """A remedy gets the time to work, also over the end of an attempt."""
        cooldown_s = sentinel.settings().get("cooldown_s")
        if cooldown_s is None:
            pytest.skip("this sentinel has no setting cooldown_s")
        verdicts, _ = judge_all(sentinel, history)
        acted = [
            at_s for at_s, verdict in zip(observed_s(history), verdicts, strict=True) if verdict.action in INTERVENTIONS
        ]
        assert all(later - earlier >= cooldown_s * (1 - 1e-6) for earlier, later in pairwise(acted))

    @_property
    @given(history=histories())
    def test_somebody_is_told_at_most_once_of_a_cause_in_an_episode(
        self, sentinel: Sentinel, history: list[Observation]
    ) -> None:
        """An episode goes from one calm verdict, or the start of an attempt, to the next."""
        verdicts, _ = judge_all(sentinel, history)
        told: set[str] = set()
        attempt = 0
        for seen, verdict in zip(history, verdicts, strict=True):
            if verdict.level in _CALM or seen.attempt != attempt:
                told, attempt = set(), seen.attempt
            if verdict.action is Action.NOTIFY:
                assert verdict.cause not in told
                told.add(verdict.cause)

    @_property
    @given(history=histories(), exponent=st.integers(-4, 12))
    def test_stretching_time_and_thresholds_together_changes_nothing(
        self, sentinel: Sentinel, history: list[Observation], exponent: int
    ) -> None:
        """There is no hidden duration. Powers of two, so that floats stretch exactly."""
        factor = 2.0**exponent
        slow = self.scaled(sentinel, factor)
        if slow is None:
            pytest.skip("this sentinel has no scaled form")
        verdicts, _ = judge_all(sentinel, history)
        stretched_verdicts, _ = judge_all(slow, [stretched(seen, factor) for seen in history])
        assert [(v.level, v.cause, v.action) for v in stretched_verdicts] == [
            (v.level, v.cause, v.action) for v in verdicts
        ]

    @_property
    @given(history=histories(), where=st.integers(0, 1000))
    def test_a_repeated_observation_is_no_news(
        self, sentinel: Sentinel, history: list[Observation], where: int
    ) -> None:
        """Looking twice at the same moment doesn't change the level, nor ask for a remedy twice."""
        at = where % len(history)
        state = sentinel.initial()
        for seen in history[: at + 1]:
            state, verdict = sentinel.step(state, seen)
        _, again = sentinel.step(state, history[at])
        assert again.level == verdict.level or again.level in _CALM
        assert again.action is Action.NONE or again.action is not verdict.action

    def test_it_uses_no_clock_no_chance_and_no_files(self, sentinel: Sentinel, monkeypatch: pytest.MonkeyPatch) -> None:
        """All it knows comes with the observation."""
        world = World(phases=(Phase(name="work", seconds=60, news_every_s=1), Phase(name="hang", seconds=4000)))
        simulate(sentinel, world, period_s=10.0)  # whatever is imported on the way is imported now
        with monkeypatch.context() as patched, _outside_world() as touched:
            for name in ("time.time", "time.monotonic", "time.perf_counter", "time.sleep", "random.random"):
                patched.setattr(name, _forbidden(name))
            simulate(sentinel, world, period_s=10.0)
        assert touched == []

    def test_an_agent_that_works_is_left_alone(self, sentinel: Sentinel) -> None:
        """News every second, CPU, network: nothing to say."""
        busy = Phase(name="work", seconds=900, news_every_s=1, cpu=0.5, io_bytes_s=1000, net_bytes_s=500)
        looks = simulate(sentinel, World(phases=(busy,)), period_s=5.0)
        assert {look.verdict.action for look in looks} == {Action.NONE}
        assert {look.verdict.level for look in looks} <= set(_CALM)

    def test_a_silent_hang_is_found(self, sentinel: Sentinel) -> None:
        """No output, no CPU, no I/O, no network, no tool call, no known wait."""
        phases = (
            Phase(name="work", seconds=60, news_every_s=1, cpu=0.5),
            Phase(name="hang", seconds=self.hang_found_within_s),
        )
        looks = simulate(sentinel, World(phases=phases), period_s=5.0)
        assert Level.STALLED in {look.verdict.level for look in looks}


def _forbidden(name: str) -> object:
    def refuse(*args: object) -> None:
        raise AssertionError(f"a sentinel must not call {name}")

    return refuse


_WATCHED = ("open", "os.", "socket.", "subprocess.")
_touched: list[list[str]] = []
_hooked: list[bool] = []


@contextmanager
def _outside_world() -> Iterator[list[str]]:
    """Collect the names of audit events of files, sockets and processes; a hook can't be taken out, only silenced."""
    if not _hooked:
        sys.addaudithook(_note)
        _hooked.append(True)
    found: list[str] = []
    _touched.append(found)
    try:
        yield found
    finally:
        _touched.remove(found)


def _note(event: str, arguments: object) -> None:
    if _touched and event.startswith(_WATCHED):
        for found in _touched:
            found.append(event)
