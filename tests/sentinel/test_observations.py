from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings

from logist_core.testing.observations import (
    Phase,
    World,
    histories,
    observed_s,
    silence_after,
    stretched,
)
from logist_core.types.watch import Observation

pytestmark = pytest.mark.fast


@settings(max_examples=60)
@given(history=histories())
def test_drawn_histories_keep_the_promises_of_an_observation(history: list[Observation]) -> None:
    for before, after in pairwise(history):
        assert after.attempt >= before.attempt
        if after.attempt != before.attempt:
            continue
        assert after.now_s >= before.now_s
        assert after.output_bytes >= before.output_bytes
        assert after.progress >= before.progress
        assert 0 <= after.progress_s <= after.now_s
        if after.progress != before.progress:
            assert before.now_s <= after.progress_s
        for name in ("cpu_s", "io_bytes", "net_bytes"):
            earlier, later = getattr(before.vitals, name, None), getattr(after.vitals, name, None)
            assert earlier is None or later is None or later >= earlier


@settings(max_examples=60)
@given(history=histories())
def test_stretching_by_a_power_of_two_and_back_changes_nothing(history: list[Observation]) -> None:
    assert [stretched(stretched(seen, 8.0), 0.125) for seen in history] == history


def test_a_simulated_agent_is_seen_as_it_lives() -> None:
    world = World(
        phases=(
            Phase(name="work", seconds=10, news_every_s=2, cpu=0.5, io_bytes_s=10),
            Phase(name="retry", seconds=10, retry_every_s=4, net_bytes_s=100, tree_every_s=5),
            Phase(name="sleep", seconds=1000, asleep=True),
            Phase(name="tool", seconds=10, tool=True, tool_budget_s=7.0),
        )
    )
    assert world.seconds == 1030
    assert world.begin_s("sleep") == 20
    with pytest.raises(LookupError):
        world.begin_s("dance")
    at_work = world.observe(5.0)
    assert (at_work.progress, at_work.progress_s, at_work.output_bytes) == (3, 4.0, 240)
    assert at_work.vitals is not None
    assert (at_work.vitals.cpu_s, at_work.vitals.io_bytes) == (2.5, 290)
    retrying = world.observe(19.0)
    assert (retrying.retries, retrying.open_tools) == (3, ())
    assert world.awake_at(500.0) == 1020.0
    in_a_tool = world.observe(1021.0)
    assert (in_a_tool.now_s, in_a_tool.open_tools[0].since_s) == (21.0, 20.0)


def test_a_world_without_vitals_has_none() -> None:
    assert World(phases=(Phase(name="work", seconds=1),), known=frozenset()).observe(0.5).vitals is None


def test_lived_seconds_are_summed_over_attempts() -> None:
    history = [Observation(now_s=now, wall=0.0, attempt=attempt) for attempt, now in ((1, 2.0), (1, 5.0), (2, 1.0))]
    assert observed_s(history) == [2.0, 5.0, 6.0]
    assert observed_s([]) == []


def test_silence_moves_nothing_but_the_clocks() -> None:
    last = Observation(now_s=3.0, wall=100.0, progress=4)
    assert [(seen.now_s, seen.wall, seen.progress) for seen in silence_after(last, period_s=2.0, looks=2)] == [
        (5.0, 102.0, 4),
        (7.0, 104.0, 4),
    ]
