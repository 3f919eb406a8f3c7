"""The truth table of the README, a line a test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from logist_sentinel_default.plugin import logist_sentinels

from logist_core.api import Action, Claim, Level, Observation, OpenTool, Sentinel, Verdict, Vitals
from logist_core.testing.observations import VITALS, Look, Phase, World, judge_all, simulate

pytestmark = pytest.mark.fast

WORK = Phase(name="work", seconds=60, news_every_s=2, cpu=0.5, io_bytes_s=500, net_bytes_s=200)


def sentinel(**settings: Any) -> Sentinel:
    (record,) = logist_sentinels()
    return record.factory(settings)


def live(
    *phases: Phase,
    known: frozenset[str] = VITALS,
    buffered: bool = False,
    heals_s: float | None = None,
    remedies: tuple[Action, ...] | None = None,
    **settings: Any,
) -> list[Look]:
    world = World(phases=(WORK, *phases), known=known, buffered=buffered, heals_s=heals_s, remedies=remedies)
    return simulate(sentinel(**settings), world, period_s=5.0)


def at(looks: list[Look], at_s: float) -> Verdict:
    return next(look.verdict for look in looks if look.at_s >= at_s)


def judged(looks: list[Look], at_s: float) -> tuple[Level, str]:
    verdict = at(looks, at_s)
    return verdict.level, verdict.cause


def actions(looks: list[Look]) -> list[tuple[float, Action]]:
    return [(look.at_s, look.verdict.action) for look in looks if look.verdict.action is not Action.NONE]


def test_news_keep_an_agent_active() -> None:
    assert judged(live(), 55.0) == (Level.ACTIVE, "")


def test_an_eighth_of_the_stall_time_in_silence_is_quiet() -> None:
    assert judged(live(Phase(name="hang", seconds=600)), 75.0) == (Level.QUIET, "")


def test_a_silent_hang_is_suspect_after_half_the_stall_time_and_stalled_after_all_of_it() -> None:
    looks = live(Phase(name="hang", seconds=600))
    assert judged(looks, 115.0) == (Level.QUIET, "")
    assert judged(looks, 120.0) == (Level.SUSPECT, "silent_hang")
    assert judged(looks, 175.0) == (Level.SUSPECT, "silent_hang")
    assert judged(looks, 180.0) == (Level.STALLED, "silent_hang")


def test_a_stall_time_of_three_seconds_is_kept_to_one_sampling_period() -> None:
    world = World(phases=(replace(WORK, seconds=1.3), Phase(name="hang", seconds=30)))
    for period_s in (None, 0.25, 0.75):
        looks = simulate(
            sentinel(stall_s=3.0),
            world,
            period_s=period_s,
            until=lambda look: look.verdict.action is Action.RESUME,
        )
        assert looks[-1].verdict.level is Level.STALLED
        assert looks[-1].at_s <= 1.3 + 3.0 + (period_s or 3.0 / 8) + 1e-9


def test_with_a_period_longer_than_the_stall_time_the_second_silent_look_decides() -> None:
    world = World(phases=(replace(WORK, seconds=1.3), Phase(name="hang", seconds=30)))
    looks = simulate(sentinel(stall_s=3.0), world, period_s=5.0)
    assert at(looks, 10.0).level is Level.SUSPECT
    assert at(looks, 15.0).level is Level.STALLED


def test_vitals_that_are_only_looked_at_in_silence_do_not_delay_the_verdict() -> None:
    world = World(phases=(replace(WORK, seconds=10.4), Phase(name="hang", seconds=30)))
    policy, state, verdicts, progress = sentinel(stall_s=3.0), {}, {}, -1
    for tick in range(40):
        seen = world.observe(tick * 0.75)
        if seen.progress != progress:
            seen = replace(seen, vitals=None)
        progress = seen.progress
        state, verdicts[seen.now_s] = policy.step(state, seen)
    first = min(now_s for now_s, verdict in verdicts.items() if verdict.level is Level.STALLED)
    assert first <= 10.4 + 3.0 + 0.75


def test_the_evidence_of_a_hang_has_figures_with_units_and_limits() -> None:
    verdict = at(live(Phase(name="hang", seconds=600, blocked_on="futex")), 180.0)
    said = "\n".join(verdict.evidence)
    for part in (
        "no news and no sign of life for 120.0 s (limit 120.0 s)",
        "CPU time of the tree +0.00 s in",
        "I/O of the tree +0 B in",
        "network bytes of the tree +0 B in",
        "blocked on futex",
        "looks in a row found nothing moved",
        "intervention 1 of 2",
    ):
        assert part in said


def test_a_spinner_over_a_silent_stream_is_animated() -> None:
    looks = live(Phase(name="spin", seconds=300, redraw_bytes_s=400, cpu=0.05, tty_mode="raw"))
    assert judged(looks, 185.0) == (Level.STALLED, "animated")
    assert "output without news in" in "\n".join(at(looks, 185.0).evidence)


def test_a_spinner_over_a_working_build_is_left_alone() -> None:
    looks = live(Phase(name="build", seconds=900, redraw_bytes_s=400, cpu=0.9))
    assert actions(looks) == []
    assert {look.verdict.level for look in looks} == {Level.ACTIVE}


def test_copying_behind_a_spinner_is_no_animation_though_the_spinner_writes_too() -> None:
    assert actions(live(Phase(name="copy", seconds=900, redraw_bytes_s=400, io_bytes_s=1e5))) == []


def test_a_ten_minute_compile_without_output_is_left_alone() -> None:
    assert actions(live(Phase(name="compile", seconds=600, cpu=1.0))) == []


def test_one_core_used_to_a_twentieth_is_not_idle() -> None:
    assert actions(live(Phase(name="throttled", seconds=600, cpu=0.05))) == []


def test_a_long_download_that_prints_nothing_is_left_alone() -> None:
    assert actions(live(Phase(name="download", seconds=1200, net_bytes_s=100))) == []


def test_a_tree_that_changes_is_left_alone() -> None:
    assert actions(live(Phase(name="forks", seconds=1200, tree_every_s=50))) == []


def test_a_number_of_processes_that_changes_is_life_where_the_tree_is_unknown() -> None:
    still = Vitals(cpu_s=1.0, io_bytes=5, net_bytes=5, processes=3)
    history = [
        Observation(now_s=float(now), wall=0.0, vitals=replace(still, processes=3 - (now // 50) % 2))
        for now in range(0, 600, 5)
    ]
    verdicts, _ = judge_all(sentinel(), history)
    assert {verdict.action for verdict in verdicts} == {Action.NONE}


def test_one_token_every_twenty_seconds_is_active() -> None:
    looks = live(Phase(name="slow", seconds=600, news_every_s=20))
    assert actions(looks) == []
    assert Level.SUSPECT not in {look.verdict.level for look in looks}


def test_an_open_tool_call_may_be_silent_for_its_assumed_budget_and_the_stall_time_after_it() -> None:
    looks = live(Phase(name="tool", seconds=1000, tool=True))
    assert judged(looks, 60 + 595) == (Level.QUIET, "")
    assert "tool call Bash open for" in at(looks, 60 + 300).evidence[0]
    assert at(looks, 60 + 600 + 115).level is Level.SUSPECT
    assert judged(looks, 60 + 600 + 125) == (Level.STALLED, "silent_hang")
    assert "tool call Bash" in "\n".join(at(looks, 60 + 600 + 125).evidence)


def test_a_tool_call_with_a_declared_time_out_may_use_it() -> None:
    assert actions(live(Phase(name="tool", seconds=3600, tool=True, tool_budget_s=3600))) == []


def test_the_most_patient_of_several_tool_calls_counts() -> None:
    tools = (OpenTool(id="a", name=None, since_s=0.0, budget_s=10.0), OpenTool(id="b", name=None, since_s=0.0))
    still = Vitals(cpu_s=1.0, io_bytes=5, net_bytes=5)
    history = [Observation(now_s=float(now), wall=0.0, vitals=still, open_tools=tools) for now in range(0, 600, 5)]
    verdicts, _ = judge_all(sentinel(), history)
    assert verdicts[-1].level is Level.QUIET
    assert "tool call b" in verdicts[-1].evidence[0]


@pytest.mark.parametrize(
    "claim",
    [
        Claim.WAITING_INPUT,
        Claim.PERMISSION_PROMPT,
        Claim.UPDATE_PROMPT,
        Claim.CONTEXT_EXHAUSTED,
        Claim.BUDGET_EXCEEDED,
    ],
)
def test_what_a_person_must_answer_is_told_at_once_and_never_a_stall(claim: Claim) -> None:
    looks = live(Phase(name="ask", seconds=5000, claim=claim))
    assert actions(looks) == [(60.0, Action.NOTIFY)]
    assert judged(looks, 5000.0) == (Level.AWAITING_INPUT, claim.value)


@pytest.mark.parametrize("claim", [Claim.RATE_LIMITED, Claim.OVERLOADED, Claim.NETWORK_DOWN])
def test_what_heals_by_itself_is_waited_out_without_a_word(claim: Claim) -> None:
    looks = live(Phase(name="limited", seconds=5000, claim=claim))
    assert actions(looks) == []
    assert judged(looks, 5000.0) == (Level.AWAITING_PROVIDER, claim.value)


@pytest.mark.parametrize("claim", [Claim.AUTH_FAILED, Claim.BILLING, Claim.MODEL_UNAVAILABLE])
def test_what_does_not_heal_is_told_once(claim: Claim) -> None:
    looks = live(Phase(name="refused", seconds=5000, claim=claim))
    assert actions(looks) == [(60.0, Action.NOTIFY)]
    assert at(looks, 5000.0).level is Level.AWAITING_PROVIDER


def test_after_a_wait_an_agent_has_the_whole_stall_time_again() -> None:
    looks = live(Phase(name="limited", seconds=600, claim=Claim.RATE_LIMITED), Phase(name="hang", seconds=300))
    assert at(looks, 660 + 100).level is Level.SUSPECT
    assert at(looks, 660 + 120).level is Level.STALLED


@pytest.mark.parametrize("sign", [{"blocked_on": "tty_read"}, {"blocked_on": "stdin_read"}, {"tty_mode": "password"}])
def test_a_silent_reader_waits_for_input_and_is_no_stall(sign: dict[str, str]) -> None:
    looks = live(Phase(name="read", seconds=3000, **sign))  # type: ignore[arg-type]
    assert judged(looks, 3000.0) == (Level.AWAITING_INPUT, "blocked_on_input")
    assert actions(looks) == [(120.0, Action.NOTIFY)]


def test_a_stop_by_a_signal_is_suspect_at_once_and_told_after_the_stall_time() -> None:
    looks = live(Phase(name="stop", seconds=3000, stopped=True))
    assert judged(looks, 65.0) == (Level.SUSPECT, "stopped")
    assert judged(looks, 3000.0) == (Level.STALLED, "stopped")
    assert actions(looks) == [(180.0, Action.NOTIFY)]


def test_a_stopped_agent_is_resumed_where_that_is_asked_for() -> None:
    looks = live(Phase(name="stop", seconds=150, stopped=True), on_stopped="resume")
    assert actions(looks)[0] == (180.0, Action.RESUME)


def test_an_agent_that_was_stopped_and_goes_on_is_given_time() -> None:
    looks = live(Phase(name="stop", seconds=3000, stopped=True), Phase(name="go on", seconds=100))
    assert at(looks, 3065.0).level is not Level.STALLED


def test_the_unknown_stop_state_is_the_last_known_one() -> None:
    stopped = Observation(now_s=20.0, wall=0.0, vitals=Vitals(stopped=True))
    verdicts, _ = judge_all(sentinel(), [stopped, replace(stopped, now_s=25.0, vitals=None)])
    assert [verdict.cause for verdict in verdicts] == ["stopped", "stopped"]


def test_a_retry_storm_is_told_and_then_stopped_though_its_requests_flow() -> None:
    looks = live(Phase(name="storm", seconds=300, retry_every_s=1, net_bytes_s=300, cpu=0.1))
    assert judged(looks, 125.0) == (Level.SUSPECT, "retry_storm")
    assert judged(looks, 185.0) == (Level.STALLED, "retry_storm")
    assert [action for _, action in actions(looks)][:2] == [Action.NOTIFY, Action.STOP]
    assert actions(looks)[1][0] <= 185.0
    assert "retries in the last" in at(looks, 185.0).evidence[0]


def test_a_polite_back_off_is_no_storm() -> None:
    assert actions(live(Phase(name="retry", seconds=3000, retry_every_s=20, net_bytes_s=20))) == []


def test_a_storm_that_is_over_is_remembered_but_not_acted_on() -> None:
    looks = live(
        Phase(name="storm", seconds=130, retry_every_s=1, net_bytes_s=300),
        Phase(name="think", seconds=600, net_bytes_s=300),
        on_stall="notify",
    )
    assert judged(looks, 780.0) == (Level.STALLED, "retry_storm")
    after = live(
        Phase(name="storm", seconds=100, retry_every_s=1, net_bytes_s=300),
        Phase(name="think", seconds=600, net_bytes_s=300),
    )
    assert [action for _, action in actions(after)] == [Action.NOTIFY]
    assert judged(after, 700.0) == (Level.SUSPECT, "retry_storm")


def test_an_overloaded_provider_gets_longer_to_end_a_storm() -> None:
    storm = Phase(name="storm", seconds=1200, retry_every_s=1, net_bytes_s=300, claim=Claim.OVERLOADED)
    looks = live(storm)
    assert judged(looks, 200.0) == (Level.AWAITING_PROVIDER, "retry_storm")
    assert judged(looks, 60 + 590.0)[0] is Level.AWAITING_PROVIDER
    assert judged(looks, 60 + 615.0) == (Level.STALLED, "retry_storm")
    assert [action for _, action in actions(looks)][:2] == [Action.NOTIFY, Action.STOP]


def test_a_storm_against_a_known_usage_limit_is_waited_out() -> None:
    storm = Phase(name="storm", seconds=3000, retry_every_s=1, net_bytes_s=300, claim=Claim.RATE_LIMITED)
    assert actions(live(storm)) == []


def test_a_storm_found_before_the_provider_was_blamed_stays_said() -> None:
    looks = live(
        Phase(name="storm", seconds=130, retry_every_s=1, net_bytes_s=300),
        Phase(name="blamed", seconds=30, retry_every_s=1, net_bytes_s=300, claim=Claim.OVERLOADED),
        Phase(name="calmer", seconds=300, net_bytes_s=300, claim=Claim.OVERLOADED),
        on_stall="notify",
    )
    assert judged(looks, 200.0) == (Level.STALLED, "retry_storm")
    assert judged(looks, 500.0) == (Level.STALLED, "retry_storm")


def test_a_flood_without_news_is_a_runaway() -> None:
    looks = live(Phase(name="flood", seconds=300, redraw_bytes_s=2e6, cpu=1.0))
    assert judged(looks, 185.0) == (Level.STALLED, "runaway")
    assert [action for _, action in actions(looks)][:2] == [Action.NOTIFY, Action.STOP]
    assert "B of output in the last" in at(looks, 185.0).evidence[0]


def test_an_agent_that_is_done_and_does_not_exit_is_ended_and_not_resumed() -> None:
    looks = live(Phase(name="linger", seconds=140, claim=Claim.COMPLETED))
    assert judged(looks, 75.0)[0] is Level.SUSPECT
    assert judged(looks, 80.0) == (Level.STALLED, "not_exiting")
    assert actions(looks)[0] == (80.0, Action.STOP)


def test_an_agent_that_is_done_and_sits_at_its_terminal_waits_for_input() -> None:
    looks = live(Phase(name="sit", seconds=3000, claim=Claim.COMPLETED, tty_mode="raw"))
    assert judged(looks, 3000.0) == (Level.AWAITING_INPUT, "finished")
    assert actions(looks) == [(120.0, Action.NOTIFY)]


@pytest.mark.parametrize("known", [set(), {"cpu"}, {"io", "net"}, {"tree", "stopped"}])
def test_without_enough_vitals_a_hang_is_only_told_until_the_blind_limit(known: set[str]) -> None:
    looks = live(Phase(name="hang", seconds=2000), known=frozenset(known))
    assert judged(looks, 60 + 1795.0) == (Level.SUSPECT, "silent_hang")
    assert [what for what in actions(looks) if what[0] < 60 + 1800] == [(180.0, Action.NOTIFY)]
    assert at(looks, 60 + 1800.0).action is Action.RESUME
    assert "without confirmation" in "\n".join(at(looks, 60 + 1800.0).evidence)


def test_a_blind_limit_of_zero_means_never() -> None:
    looks = live(Phase(name="hang", seconds=9000), known=frozenset(), blind_stall_s=0.0)
    assert [action for _, action in actions(looks)] == [Action.NOTIFY]


def test_vitals_that_come_late_confirm_only_from_then_on() -> None:
    hang = World(phases=(WORK, Phase(name="hang", seconds=600)))
    blind = World(phases=hang.phases, known=frozenset())
    history = [(blind if now < 200 else hang).observe(float(now)) for now in range(0, 400, 5)]
    verdicts, _ = judge_all(sentinel(), history)
    levels = {seen.now_s: verdict.level for seen, verdict in zip(history, verdicts, strict=True)}
    assert levels[255.0] is Level.SUSPECT
    assert levels[260.0] is Level.STALLED


def test_a_buffered_agent_has_no_output_deadline_while_it_lives() -> None:
    assert actions(live(Phase(name="one shot", seconds=9000, net_bytes_s=5), buffered=True)) == []


def test_a_buffered_agent_is_stalled_only_after_much_longer_and_all_vitals_still() -> None:
    hang = Phase(name="hang", seconds=2400)
    looks = live(hang, buffered=True)
    assert judged(looks, 60 + 895.0) == (Level.QUIET, "")
    assert at(looks, 60 + 900.0).level is Level.SUSPECT
    assert at(looks, 60 + 1800.0).level is Level.STALLED
    partly = live(hang, buffered=True, known=frozenset({"cpu", "io"}))
    assert [action for _, action in actions(partly)] == [Action.NOTIFY]


def test_life_without_news_for_very_long_is_told_and_never_acted_on() -> None:
    looks = live(Phase(name="churn", seconds=9000, cpu=0.5))
    assert actions(looks) == [(60 - 2 + 3600 + 2, Action.NOTIFY)]
    assert judged(looks, 9000.0) == (Level.SUSPECT, "no_progress")
    assert actions(live(Phase(name="churn", seconds=9000, cpu=0.5), no_progress_s=0.0)) == []


def test_a_suspended_machine_costs_nobody_anything() -> None:
    for counts in (False, True):
        looks = live(
            Phase(name="think", seconds=30, net_bytes_s=50),
            Phase(name="suspended", seconds=9000, asleep=True, asleep_counts=counts),
            Phase(name="think", seconds=100, net_bytes_s=50),
        )
        assert actions(looks) == []


def test_a_gap_in_which_nobody_looked_starts_the_silence_anew_and_says_so() -> None:
    looks = live(
        Phase(name="hang", seconds=100),
        Phase(name="suspended", seconds=9000, asleep=True, asleep_counts=True),
        Phase(name="hang on", seconds=300),
    )
    assert at(looks, 9160.0).level is Level.ACTIVE
    assert "nobody looked for" in at(looks, 9160.0).evidence[-1]
    assert at(looks, 9160.0 + 115).level is Level.SUSPECT
    assert at(looks, 9160.0 + 120).level is Level.STALLED


def test_a_stepped_wall_clock_neither_makes_a_hang_nor_hides_one() -> None:
    world = World(phases=(WORK, Phase(name="hang", seconds=300)))
    policy, state, levels = sentinel(), {}, {}
    for tick in range(70):
        seen = world.observe(tick * 5.0)
        step_s = 3600.0 if tick > 6 else 0.0
        # An observer that derives `progress_s` from the wall clock is off by the step.
        seen = replace(seen, wall=seen.wall + step_s, progress_s=max(0.0, seen.progress_s - step_s))
        state, verdict = policy.step(state, seen)
        levels[seen.now_s] = verdict.level
    assert {levels[now] for now in levels if now <= 60} == {Level.ACTIVE}
    assert levels[180.0] is Level.STALLED


def test_a_counter_that_falls_or_a_clock_that_runs_back_starts_anew() -> None:
    still = Vitals(cpu_s=5.0, io_bytes=100, net_bytes=100)
    history = [
        Observation(now_s=float(now), wall=0.0, progress=9, output_bytes=99, vitals=still) for now in range(0, 115, 5)
    ]
    last = history[-1]
    for odd in (
        replace(last, now_s=115.0, progress=1),
        replace(last, now_s=115.0, output_bytes=1),
        replace(last, now_s=115.0, vitals=replace(still, cpu_s=1.0)),
        replace(last, now_s=50.0),
    ):
        verdicts, _ = judge_all(sentinel(), [*history, odd])
        assert verdicts[-2].level is Level.SUSPECT
        assert verdicts[-1].level is Level.ACTIVE


def test_a_new_attempt_begins_with_a_clean_slate() -> None:
    hang = World(phases=(WORK, Phase(name="hang", seconds=300)))
    first = [hang.observe(float(now)) for now in range(0, 300, 5)]
    second = [replace(hang.observe(float(now)), attempt=2) for now in range(0, 60, 5)]
    verdicts, _ = judge_all(sentinel(), [*first, *second])
    assert verdicts[len(first) - 1].level is Level.STALLED
    assert {verdict.level for verdict in verdicts[len(first) :]} == {Level.ACTIVE}


def test_an_agent_that_frees_a_silent_stream_by_itself_is_given_the_time_for_it() -> None:
    looks = live(Phase(name="hang", seconds=600), heals_s=300.0)
    assert judged(looks, 60 + 150.0)[0] is Level.QUIET
    assert judged(looks, 60 + 155.0) == (Level.SUSPECT, "silent_hang")
    assert judged(looks, 60 + 300.0)[0] is Level.SUSPECT
    assert judged(looks, 60 + 305.0) == (Level.STALLED, "silent_hang")


def test_an_agent_that_heals_itself_within_the_stall_time_gets_no_more_of_it() -> None:
    looks = live(Phase(name="hang", seconds=600), heals_s=60.0)
    assert judged(looks, 60 + 120.0) == (Level.STALLED, "silent_hang")


@pytest.mark.parametrize(
    ("standing", "cause", "first"),
    [
        ({"awaits_child": True}, "hung_child", Action.INTERRUPT),
        ({"deadlocked": True}, "deadlock", Action.RESUME),
        ({"zombie": True}, "zombie_leader", Action.RESUME),
        ({"stopped_others": 2}, "stopped", Action.NOTIFY),
    ],
)
def test_a_silent_hang_has_the_name_of_where_the_tree_stands(
    standing: dict[str, Any], cause: str, first: Action
) -> None:
    possible = (Action.INTERRUPT, Action.RESUME)
    looks = live(Phase(name="hang", seconds=300, **standing), remedies=possible)
    assert judged(looks, 175.0) == (Level.SUSPECT, cause)
    assert judged(looks, 180.0) == (Level.STALLED, cause)
    acted = [action for _, action in actions(looks)]
    assert acted[0] is first
    assert (set(acted) == {Action.NOTIFY}) == (cause == "stopped")


def test_a_tree_that_is_ready_to_run_at_every_look_works_however_little_time_it_gets() -> None:
    starved = Phase(name="starved", seconds=600, redraw_bytes_s=50, cpu=0.01, running=True)
    assert actions(live(starved)) == []


def looping(**more: Any) -> Phase:
    return Phase(**{"name": "loop", "seconds": 3000, "news_every_s": 1, "step_every_s": 10.0, "cpu": 0.1, **more})


def test_the_same_error_four_times_is_a_loop_and_told_once() -> None:
    looks = live(looping(seconds=600))
    assert judged(looks, 60 + 25.0)[0] is Level.ACTIVE
    assert judged(looks, 60 + 30.0) == (Level.SUSPECT, "looping")
    assert actions(looks) == [(90.0, Action.NOTIFY)]
    assert "repeated: the same" in at(looks, 90.0).evidence


def test_two_steps_that_take_turns_three_times_are_a_loop() -> None:
    looks = live(looping(seconds=600, steps=("edit", "undo"), failing=False))
    assert judged(looks, 60 + 45.0)[0] is Level.ACTIVE
    assert judged(looks, 60 + 50.0) == (Level.SUSPECT, "looping")


def test_a_hundred_failing_steps_of_a_loop_end_it() -> None:
    looks = live(looping(), remedies=(Action.INTERRUPT, Action.RESUME))
    assert judged(looks, 60 + 985.0)[0] is Level.SUSPECT
    assert judged(looks, 60 + 990.0) == (Level.STALLED, "looping")
    assert [action for _, action in actions(looks)][:3] == [Action.NOTIFY, Action.INTERRUPT, Action.STOP]


def test_a_loop_of_steps_that_succeed_gets_five_times_as_many_for_it_may_poll() -> None:
    assert judged(live(looping(failing=False)), 3000.0)[0] is Level.SUSPECT
    quick = live(looping(failing=False, step_every_s=1.0))
    assert judged(quick, 60 + 500.0) == (Level.STALLED, "looping")


def test_a_loop_is_only_told_where_that_is_wished() -> None:
    assert {action for _, action in actions(live(looping(), on_loop="notify"))} == {Action.NOTIFY}
    assert {action for _, action in actions(live(looping(), loop_limit=0))} == {Action.NOTIFY}


def test_a_loop_goes_on_behind_an_open_tool_call() -> None:
    looks = live(looping(seconds=600, tool=True))
    assert judged(looks, 60 + 30.0) == (Level.SUSPECT, "looping")


def test_lines_of_output_that_repeat_are_a_loop_once_they_last_and_never_acted_on() -> None:
    looks = live(looping(news_every_s=None, redraw_bytes_s=50.0, source="output", step_every_s=1.0, cpu=0.5))
    assert judged(looks, 60 + 55.0)[0] is not Level.SUSPECT
    assert judged(looks, 60 + 65.0) == (Level.SUSPECT, "looping")
    assert [action for _, action in actions(looks)] == [Action.NOTIFY]


def test_a_step_that_differs_ends_the_loop() -> None:
    looks = live(looping(seconds=100), WORK)
    assert judged(looks, 60 + 95.0) == (Level.SUSPECT, "looping")
    assert judged(looks, 60 + 105.0) == (Level.ACTIVE, "")


def test_an_agent_that_loops_and_then_hangs_is_stalled() -> None:
    looks = live(looping(seconds=100), Phase(name="hang", seconds=300))
    assert judged(looks, 60 + 100 + 125.0) == (Level.STALLED, "silent_hang")
