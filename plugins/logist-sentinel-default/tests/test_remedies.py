from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from logist_sentinel_default.plugin import logist_sentinels

from logist_core.api import Action, Level, Observation, Sentinel
from logist_core.testing.observations import INTERVENTIONS, VITALS, Look, Phase, World, simulate

pytestmark = pytest.mark.fast

WORK = Phase(name="work", seconds=60, news_every_s=2, cpu=0.5)
HANG = Phase(name="hang", seconds=600)
SPIN = Phase(name="spin", seconds=600, redraw_bytes_s=400)
STORM = Phase(name="storm", seconds=600, retry_every_s=1, net_bytes_s=300)
EVERYTHING = (Action.UNSTICK, Action.INTERRUPT, Action.RESUME)


def sentinel(**settings: Any) -> Sentinel:
    (record,) = logist_sentinels()
    return record.factory(settings)


def live(*phases: Phase, remedies: tuple[Action, ...] | None = None, **settings: Any) -> list[Look]:
    world = World(phases=(WORK, *phases), known=VITALS, remedies=remedies)
    return simulate(sentinel(**settings), world, period_s=5.0)


def acts(looks: list[Look]) -> list[tuple[float, str]]:
    return [(look.at_s, look.verdict.action.value) for look in looks if look.verdict.action is not Action.NONE]


def test_a_hang_is_resumed_twice_and_then_stopped() -> None:
    assert acts(live(HANG))[:3] == [(180.0, "resume"), (240.0, "resume"), (300.0, "stop")]


def test_a_key_that_frees_the_agent_is_tried_first_and_leaves_one_intervention_for_the_resume() -> None:
    for phase in (HANG, SPIN):
        tried = acts(live(phase, remedies=EVERYTHING))
        assert [action for _, action in tried][:3] == ["unstick", "resume", "stop"]


def test_with_more_interventions_the_ladder_has_all_its_rungs() -> None:
    tried = acts(live(HANG, remedies=EVERYTHING, max_interventions=3))
    assert [action for _, action in tried][:4] == ["unstick", "interrupt", "resume", "stop"]


def test_an_agent_that_the_key_frees_goes_on_and_nothing_more_happens() -> None:
    freed = Phase(name="freed", seconds=600, news_every_s=2)
    looks = live(replace(HANG, seconds=130), freed, remedies=EVERYTHING)
    assert acts(looks) == [(180.0, "unstick")]
    assert looks[-1].verdict.level is Level.ACTIVE


def test_after_the_key_freed_it_once_a_second_hang_is_resumed() -> None:
    freed = Phase(name="freed", seconds=60, news_every_s=2)
    looks = live(replace(HANG, seconds=130), freed, replace(HANG, seconds=150), remedies=EVERYTHING)
    assert [action for _, action in acts(looks)] == ["unstick", "resume"]


def test_what_cannot_be_carried_out_is_not_asked_for() -> None:
    assert [action for _, action in acts(live(HANG, remedies=()))][:1] == ["stop"]
    assert [action for _, action in acts(live(HANG, remedies=(Action.UNSTICK,)))][:3] == ["unstick", "stop", "stop"]


def test_no_intervention_left_means_stop() -> None:
    assert acts(live(HANG, max_interventions=0))[0] == (180.0, "stop")


def test_the_policy_stop_ends_the_first_hang() -> None:
    assert acts(live(HANG, on_stall="stop"))[0] == (180.0, "stop")


def test_the_policy_notify_tells_once_and_does_nothing() -> None:
    assert acts(live(HANG, on_stall="notify")) == [(180.0, "notify")]


def test_a_storm_is_interrupted_before_it_is_stopped_and_never_resumed() -> None:
    tried = [action for _, action in acts(live(STORM, remedies=EVERYTHING))]
    assert tried[:3] == ["notify", "interrupt", "stop"]
    assert "resume" not in tried


def test_a_cool_down_is_kept_and_said() -> None:
    looks = live(HANG, cooldown_s=200.0)
    assert acts(looks)[:2] == [(180.0, "resume"), (380.0, "resume")]
    waiting = next(look for look in looks if look.at_s == 200.0)
    assert "resume follows in 180.0 s, after the cool-down" in waiting.verdict.evidence


def test_the_cool_down_goes_on_in_the_next_attempt() -> None:
    policy = sentinel(cooldown_s=300.0)
    world = World(phases=(WORK, HANG))
    state, acted = policy.initial(), []
    for attempt in (1, 2):
        for now in range(0, 300, 5):
            state, verdict = policy.step(state, replace(world.observe(float(now)), attempt=attempt))
            if verdict.action in INTERVENTIONS:
                acted.append((attempt, now, verdict.action))
            if verdict.action is Action.RESUME and attempt == 1:
                break
    assert acted[0] == (1, 180, Action.RESUME)
    # The first attempt was given up at 180 s; 300 s later is 300 s into the second.
    assert len(acted) == 1


def test_somebody_is_told_again_in_a_new_episode() -> None:
    looks = live(replace(HANG, seconds=200), WORK, replace(HANG, seconds=200), on_stall="notify")
    assert [action for _, action in acts(looks)] == ["notify", "notify"]


def test_observe_says_what_act_would_do_and_does_nothing() -> None:
    looks = live(HANG, mode="observe")
    assert acts(looks) == [(180.0, "notify")]
    would = [line for look in looks for line in look.verdict.evidence if "would" in line]
    assert would == ["mode observe: would resume now", "mode observe: would stop now"] or would == [
        "mode observe: would resume now"
    ]
    acting = live(HANG)
    same = [(a.verdict.level, a.verdict.cause) for a in looks]
    assert same == [(b.verdict.level, b.verdict.cause) for b in acting]


def test_off_says_nothing_and_remembers_nothing() -> None:
    policy = sentinel(mode="off")
    for look in live(HANG, mode="off"):
        assert (look.verdict.level, look.verdict.action) == (Level.ACTIVE, Action.NONE)
    assert policy.step({}, World(phases=(HANG,)).observe(500.0))[0] == {}


def test_a_stop_that_is_under_way_is_left_alone() -> None:
    policy, state = sentinel(), {}
    for now in range(0, 400, 5):
        seen: Observation = replace(World(phases=(WORK, HANG)).observe(float(now)), cancelling=True)
        state, verdict = policy.step(state, seen)
        assert verdict.action is Action.NONE
    assert verdict.level is Level.STALLED


def test_it_asks_to_be_shown_more_when_it_matters() -> None:
    looks = simulate(sentinel(), World(phases=(WORK, HANG)), until=lambda look: look.verdict.action is Action.RESUME)
    wishes = {look.at_s: look.verdict.look_again_s for look in looks}
    assert wishes[0.0] == 5.0
    assert max(wish for wish in wishes.values() if wish is not None) == 15.0
    # It used its CPU until 60 s: the stall is found at the very second.
    assert looks[-1].at_s == pytest.approx(60.0 + 120.0)
