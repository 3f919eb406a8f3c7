"""Simulated lives of agents under a clock that is only a number: nobody healthy is touched, every hang is found."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logist_sentinel_default.plugin import logist_sentinels

from logist_core.api import Action, Claim, Level, Sentinel
from logist_core.testing.observations import INTERVENTIONS, VITALS, Look, Phase, World, simulate

pytestmark = pytest.mark.fast

STALL_S = 24.0
TOOL_S = 120.0
#: LOGIST_HISTORIES=2000 for thousands of histories a property: minutes.
HISTORIES = int(os.environ.get("LOGIST_HISTORIES", "30"))
thoroughly = settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sentinel(**given_settings: object) -> Sentinel:
    (record,) = logist_sentinels()
    base = {"stall_s": STALL_S, "tool_stall_s": TOOL_S, "buffered_stall_s": 360.0, "no_progress_s": 720.0}
    return record.factory({**base, **given_settings})


def seconds(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_nan=False).map(lambda value: round(value, 3))


lasting = seconds(0.5, 4 * STALL_S)
little_cpu = seconds(0.0, 0.02)

WORKING = st.builds(
    Phase,
    name=st.just("works"),
    seconds=lasting,
    news_every_s=seconds(0.05, STALL_S / 6),
    cpu=seconds(0.0, 2.0),
    io_bytes_s=seconds(0.0, 1e5),
)
SLOW_STREAM = st.builds(
    Phase,
    name=st.just("streams slowly"),
    seconds=lasting,
    news_every_s=seconds(STALL_S / 6, STALL_S * 0.9),
    cpu=little_cpu,
)
THINKING = st.builds(Phase, name=st.just("thinks"), seconds=lasting, net_bytes_s=seconds(2.0, 2000.0), cpu=little_cpu)
THINKING_BEHIND_A_SPINNER = st.builds(
    Phase,
    name=st.just("thinks behind a spinner"),
    seconds=lasting,
    net_bytes_s=seconds(2.0, 2000.0),
    redraw_bytes_s=seconds(50.0, 5000.0),
    cpu=seconds(0.0, 0.2),
)
BUILDING = st.builds(
    Phase, name=st.just("builds"), seconds=lasting, cpu=seconds(0.1, 16.0), io_bytes_s=seconds(0.0, 1e6)
)
DOWNLOADING = st.builds(
    Phase, name=st.just("downloads"), seconds=lasting, net_bytes_s=seconds(100.0, 1e7), cpu=little_cpu
)
COPYING = st.builds(Phase, name=st.just("copies"), seconds=lasting, io_bytes_s=seconds(100.0, 1e7), cpu=little_cpu)
FORKING = st.builds(
    Phase, name=st.just("forks"), seconds=lasting, tree_every_s=seconds(0.1, STALL_S / 2), cpu=little_cpu
)
IN_A_TOOL = st.builds(Phase, name=st.just("runs a tool"), seconds=seconds(0.5, TOOL_S), tool=st.just(True))
IN_A_LONG_TOOL = st.builds(
    Phase,
    name=st.just("runs a tool with a time-out of its own"),
    seconds=seconds(0.5, 20 * STALL_S),
    tool=st.just(True),
    tool_budget_s=st.just(20 * STALL_S),
)
ASKING = st.builds(
    Phase,
    name=st.just("asks"),
    seconds=lasting,
    claim=st.sampled_from((Claim.PERMISSION_PROMPT, Claim.WAITING_INPUT, Claim.UPDATE_PROMPT)),
    redraw_bytes_s=st.sampled_from((0.0, 200.0)),
)
READING = st.builds(
    Phase,
    name=st.just("reads its input"),
    seconds=lasting,
    blocked_on=st.sampled_from(("tty_read", "stdin_read")),
)
ASKING_FOR_A_PASSWORD = st.builds(
    Phase, name=st.just("asks for a password"), seconds=lasting, tty_mode=st.just("password")
)
LIMITED = st.builds(
    Phase,
    name=st.just("is limited"),
    seconds=lasting,
    claim=st.sampled_from((Claim.RATE_LIMITED, Claim.OVERLOADED, Claim.NETWORK_DOWN, Claim.AUTH_FAILED)),
    retry_every_s=st.none() | seconds(STALL_S / 10, STALL_S),
)
SUSPENDED = st.builds(
    Phase,
    name=st.just("stands still with the machine"),
    seconds=seconds(STALL_S, 100 * STALL_S),
    asleep=st.just(True),
    asleep_counts=st.booleans(),
)
POLLING = st.builds(
    Phase,
    name=st.just("polls"),
    seconds=lasting,
    news_every_s=seconds(0.5, STALL_S / 6),
    step_every_s=seconds(0.5, STALL_S / 6),
    steps=st.sampled_from((("look",), ("look", "wait"))),
    failing=st.just(False),
    cpu=little_cpu,
)
TRYING = st.builds(
    Phase,
    name=st.just("tries a few times"),
    seconds=seconds(0.5, STALL_S),
    news_every_s=st.just(1.0),
    step_every_s=seconds(0.5, STALL_S / 6),
    cpu=little_cpu,
)
REPEATING_ITSELF = st.builds(
    Phase,
    name=st.just("prints the same errors and works on"),
    seconds=lasting,
    step_every_s=seconds(0.05, STALL_S / 6),
    source=st.just("output"),
    redraw_bytes_s=st.just(200.0),
    cpu=seconds(0.3, 2.0),
)
STARVED = st.builds(
    Phase,
    name=st.just("works on a machine that has no time for it"),
    seconds=lasting,
    redraw_bytes_s=st.sampled_from((0.0, 50.0)),
    cpu=little_cpu,
    running=st.just(True),
)
PAUSED = st.builds(Phase, name=st.just("is stopped by somebody"), seconds=lasting, stopped=st.just(True))

VISIBLE = st.one_of(
    WORKING,
    SLOW_STREAM,
    THINKING,
    THINKING_BEHIND_A_SPINNER,
    BUILDING,
    DOWNLOADING,
    COPYING,
    FORKING,
    POLLING,
    TRYING,
    REPEATING_ITSELF,
)
EXCUSED = st.one_of(
    STARVED, IN_A_TOOL, IN_A_LONG_TOOL, ASKING, READING, ASKING_FOR_A_PASSWORD, LIMITED, SUSPENDED, PAUSED
)
HEALTHY = st.lists(VISIBLE | EXCUSED, min_size=1, max_size=7).map(tuple)

HANGS = {
    "silent_hang": st.builds(
        Phase,
        name=st.just("hangs"),
        seconds=st.just(3 * STALL_S),
        blocked_on=st.sampled_from((None, "futex", "network")),
    ),
    "animated": st.builds(
        Phase,
        name=st.just("hangs"),
        seconds=st.just(3 * STALL_S),
        redraw_bytes_s=seconds(50.0, 5000.0),
        cpu=seconds(0.0, 0.2),
        tty_mode=st.just("raw"),
    ),
    "retry_storm": st.builds(
        Phase,
        name=st.just("hangs"),
        seconds=st.just(3 * STALL_S),
        retry_every_s=seconds(STALL_S / 2000, STALL_S / 40),
        net_bytes_s=seconds(0.0, 2000.0),
        cpu=seconds(0.0, 1.0),
    ),
    "runaway": st.builds(
        Phase,
        name=st.just("hangs"),
        seconds=st.just(3 * STALL_S),
        redraw_bytes_s=seconds(4e6, 1e9),
        cpu=seconds(0.0, 1.0),
    ),
    "stopped": st.builds(Phase, name=st.just("hangs"), seconds=st.just(3 * STALL_S), stopped=st.just(True)),
    "not_exiting": st.builds(
        Phase, name=st.just("hangs"), seconds=st.just(3 * STALL_S), claim=st.just(Claim.COMPLETED)
    ),
    "hung_child": st.builds(
        Phase, name=st.just("hangs"), seconds=st.just(3 * STALL_S), awaits_child=st.just(True), cpu=little_cpu
    ),
    "deadlock": st.builds(Phase, name=st.just("hangs"), seconds=st.just(3 * STALL_S), deadlocked=st.just(True)),
    "zombie_leader": st.builds(Phase, name=st.just("hangs"), seconds=st.just(3 * STALL_S), zombie=st.just(True)),
    "looping": st.builds(
        Phase,
        name=st.just("hangs"),
        seconds=st.just(3 * STALL_S),
        news_every_s=st.just(0.05),
        step_every_s=seconds(0.05, STALL_S / 120),
        cpu=seconds(0.0, 1.0),
    ),
}


HEALS_S = 2.5 * STALL_S


def touched(looks: list[Look]) -> list[tuple[float, str, Action]]:
    return [
        (look.at_s, look.verdict.cause, look.verdict.action) for look in looks if look.verdict.action in INTERVENTIONS
    ]


def found(look: Look) -> bool:
    return look.verdict.level is Level.STALLED


@thoroughly
@given(phases=HEALTHY, remedies=st.none() | st.just((Action.UNSTICK, Action.INTERRUPT, Action.RESUME)))
def test_a_healthy_agent_is_never_touched(phases: tuple[Phase, ...], remedies: tuple[Action, ...] | None) -> None:
    assert touched(simulate(sentinel(), World(phases=phases, remedies=remedies))) == []


@thoroughly
@given(phases=HEALTHY, period_s=st.sampled_from((STALL_S / 24, STALL_S / 4, STALL_S, 3 * STALL_S)))
def test_a_healthy_agent_is_never_touched_by_a_supervisor_with_a_rhythm_of_its_own(
    phases: tuple[Phase, ...], period_s: float
) -> None:
    assert touched(simulate(sentinel(), World(phases=phases), period_s=period_s)) == []


@thoroughly
@given(
    phases=HEALTHY,
    known=st.sets(st.sampled_from(sorted(VITALS - {"cpu"}))) | st.just({"cpu"}),
)
def test_what_cannot_be_seen_confirms_no_hang(phases: tuple[Phase, ...], known: set[str]) -> None:
    world = World(phases=phases, known=frozenset(known))
    assert touched(simulate(sentinel(blind_stall_s=0.0), world, period_s=STALL_S / 8)) == []


@thoroughly
@given(phases=st.lists(VISIBLE.map(lambda phase: replace(phase, news_every_s=None)) | SUSPENDED, min_size=1).map(tuple))
def test_an_agent_that_prints_nothing_until_its_end_is_never_touched_while_it_lives(phases: tuple[Phase, ...]) -> None:
    assert touched(simulate(sentinel(), World(phases=phases, buffered=True), period_s=STALL_S / 4)) == []


@pytest.mark.parametrize("cause", HANGS)
@thoroughly
@given(data=st.data(), before=st.lists(VISIBLE | EXCUSED, max_size=4).map(tuple))
def test_every_hang_is_found_within_the_stall_time_and_one_sampling_period(
    cause: str, data: st.DataObject, before: tuple[Phase, ...]
) -> None:
    hang = data.draw(HANGS[cause])
    world = World(phases=(*before, hang))
    onset_s = world.begin_s("hangs")
    looks = simulate(sentinel(), world, until=lambda look: look.at_s >= onset_s and found(look))
    last = looks[-1]
    assert found(last), "never found"
    assert last.verdict.cause == cause
    assert touched(looks[:-1]) == []
    longest_period_s = STALL_S / 4
    assert last.at_s <= onset_s + STALL_S + longest_period_s + 1e-6


@thoroughly
@given(phases=HEALTHY, heals_s=seconds(1.0, 4 * STALL_S))
def test_an_agent_that_heals_its_streams_within_its_time_is_never_touched(
    phases: tuple[Phase, ...], heals_s: float
) -> None:
    frozen = Phase(name="waits for its own time-out", seconds=max(heals_s, STALL_S * 0.95))
    again = Phase(name="goes on", seconds=STALL_S, news_every_s=1.0, cpu=0.2)
    world = World(phases=(*phases, again, frozen, again), heals_s=heals_s)
    assert touched(simulate(sentinel(), world)) == []


@thoroughly
@given(before=st.lists(VISIBLE | EXCUSED, max_size=4).map(tuple))
def test_an_agent_that_does_not_heal_in_its_time_is_found_after_it(before: tuple[Phase, ...]) -> None:
    world = World(phases=(*before, Phase(name="hangs", seconds=6 * STALL_S)), heals_s=HEALS_S)
    onset_s = world.begin_s("hangs")
    looks = simulate(sentinel(), world, until=lambda look: look.at_s >= onset_s and found(look))
    assert found(looks[-1])
    assert touched(looks[:-1]) == []
    assert looks[-1].at_s - onset_s <= HEALS_S + STALL_S / 24 + STALL_S / 4 + 1e-6
