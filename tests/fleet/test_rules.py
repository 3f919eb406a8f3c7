"""The rules of shared limits and budgets, without processes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.api import (
    AttemptStatus,
    Budget,
    Claim,
    Continuation,
    ExitStatus,
    JobEvent,
    JobStatus,
    Lifecycle,
    Limit,
    OnBudget,
    Outcome,
    Result,
    Signal,
    Source,
    Usage,
)
from logist_core.observe.usage import Meter
from logist_core.supervise.budgets import used_up
from logist_core.supervise.fleet import Fleet
from logist_core.supervise.judge import CRASH_LOOP_S, Circumstances, judge
from logist_core.supervise.limits import USUAL_PACE, limit_of, place

pytestmark = pytest.mark.fast

ACCOUNT = "anthropic:key-00000000"
LIMITED = Limit(claim="rate_limited", scope="credential", name=ACCOUNT, until=1100.0, seen_at=1000.0, seen_by="first")


class World:
    """A fleet with a clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fleet = Fleet(USUAL_PACE, lambda: self.now)

    def note(self, name: str, lifecycle: Lifecycle, **fields: object) -> JobStatus:
        job = JobStatus(
            id=name, name=None, agent="a", runtime="r", lifecycle=lifecycle, provider="anthropic", credential=ACCOUNT
        )
        job = replace(job, **fields)  # type: ignore[arg-type]
        self.fleet.note(job)
        return job

    def runs(self, name: str, since: float, tokens: int | None = None, state: str = "working") -> JobStatus:
        attempt = AttemptStatus(number=1, state="running", nonce="", started_at=since, usage=Usage(tokens_out=tokens))
        job = self.note(name, Lifecycle.RUNNING, attempts=(attempt,), attempt=1)
        return replace(job, activity=replace(job.activity, state=state))


def test_who_has_not_met_the_limit_is_parked_with_a_place_of_its_own() -> None:
    world = World()
    world.note("first", Lifecycle.WAITING, limit=LIMITED, not_before=1100.5)
    places = []
    for n in range(5):
        job = world.note(f"job{n}", Lifecycle.QUEUED)
        gate = world.fleet.ask(job, "anthropic", ACCOUNT)
        assert gate is not None and gate.park and gate.until is not None and gate.limit == LIMITED
        places.append(gate.until)
        world.note(f"job{n}", Lifecycle.WAITING, limit=LIMITED, not_before=gate.until)
    assert places == sorted(set(places))
    assert min(places) >= 1100.0
    assert world.fleet.waiting(LIMITED) == 6


def test_another_account_is_not_concerned() -> None:
    world = World()
    world.note("first", Lifecycle.WAITING, limit=LIMITED, not_before=1100.5)
    assert world.fleet.ask(world.note("other", Lifecycle.QUEUED), "anthropic", "anthropic:key-ffffffff") is None


def test_one_job_tries_when_the_time_has_come_and_the_others_follow_when_it_was_answered() -> None:
    world = World()
    parked = [world.note(f"job{n}", Lifecycle.WAITING, limit=LIMITED, not_before=1100.0 + n) for n in range(3)]
    world.now = 1110.0
    assert world.fleet.ask(parked[0], "anthropic", ACCOUNT) is None
    assert world.fleet.ask(parked[1], "anthropic", ACCOUNT) is not None
    assert world.fleet.known(parked[2]) is not None
    assert world.fleet.proven(world.runs("job0", 1110.0)) == []
    assert world.fleet.proven(world.runs("job0", 1110.0, tokens=9, state="failed")) == []
    assert world.fleet.proven(world.runs("job0", 1110.0, tokens=9)) == ["job1", "job2"]
    world.now += USUAL_PACE.start_gap_s
    assert world.fleet.ask(parked[1], "anthropic", ACCOUNT) is None


def test_an_attempt_from_before_the_limit_proves_nothing() -> None:
    world = World()
    world.note("first", Lifecycle.WAITING, limit=LIMITED, not_before=1100.0)
    assert world.fleet.proven(world.runs("old", 900.0, tokens=9)) == []


def test_a_limit_that_was_met_again_counts_from_then_and_moves_who_waited_for_the_first() -> None:
    world = World()
    parked = world.note("job1", Lifecycle.WAITING, limit=LIMITED, not_before=1100.0)
    again = replace(LIMITED, seen_at=1101.0, until=1300.0, times=2)
    world.now = 1101.0
    world.note("job0", Lifecycle.WAITING, limit=again, not_before=1300.0)
    gate = world.fleet.known(parked)
    assert gate is not None and gate.park and gate.until is not None and gate.until >= 1300.0
    assert world.fleet.times("job0", "rate_limited", "anthropic", ACCOUNT) == 2


def test_a_refused_login_holds_all_until_a_person_lifts_it_for_one() -> None:
    world = World()
    refused = replace(LIMITED, claim="auth_failed", until=None)
    world.note("first", Lifecycle.HELD, limit=refused)
    other = world.note("other", Lifecycle.QUEUED)
    gate = world.fleet.ask(other, "anthropic", ACCOUNT)
    assert gate is not None and gate.park and gate.until is None
    world.note("other", Lifecycle.HELD, limit=refused)
    lifted = world.note("first", Lifecycle.QUEUED, limit=replace(refused, lifted=True))
    assert world.fleet.ask(lifted, "anthropic", ACCOUNT) is None
    assert world.fleet.proven(world.runs("first", 1005.0, tokens=1)) == ["other"]


@given(st.integers(0, 50), st.floats(0.0, 1e6), st.text(min_size=1, max_size=20))
def test_no_place_is_before_the_reset_and_each_turn_is_later(ahead: int, wait_s: float, job: str) -> None:
    limit = replace(LIMITED, until=1000.0 + wait_s)
    assert limit.until is not None
    here, next_one = (place(limit, job, n, USUAL_PACE) for n in (ahead, ahead + 1))
    assert limit.until <= here <= next_one <= limit.until + USUAL_PACE.gap_s * (ahead + 2)


def test_an_overload_is_the_providers_and_doubles() -> None:
    outcome = Outcome(result=Result.FAILED, claim=Claim.OVERLOADED, then=Continuation(at=None, reason=""))
    waits = []
    for times in range(1, 8):
        limit = limit_of(outcome, "j", provider="p", credential=ACCOUNT, times=times, pace=USUAL_PACE, now=0.0)
        assert limit is not None and limit.until is not None
        assert (limit.scope, limit.name) == ("provider", "p")
        waits.append(limit.until)
    assert waits == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]


def test_without_an_account_a_limit_is_the_jobs_own() -> None:
    outcome = Outcome(result=Result.FAILED, claim=Claim.BILLING, hold=True)
    limit = limit_of(outcome, "j", provider=None, credential=None, times=1, pace=USUAL_PACE, now=0.0)
    assert limit is not None
    assert (limit.scope, limit.name, limit.until) == ("job", "j", None)


CRASH = Outcome(result=Result.FAILED, reason="crashed", claim=Claim.CRASHED)


def test_a_crash_is_followed_by_another_attempt_until_it_is_a_loop() -> None:
    exit = ExitStatus(signal=6)
    for crashes in range(4):
        why = Circumstances(crashes=(990.0,) * crashes, max_restarts=4)
        following = judge(exit, CRASH, why, now=1000.0)
        assert (following.kind, following.data["resume"]) == ("job.waiting", True)
        assert following.data["not_before"] == 1000.0 + USUAL_PACE.backoff_s(crashes + 1)
    loop = judge(exit, CRASH, Circumstances(crashes=(990.0,) * 4, max_restarts=4), now=1000.0)
    assert "crashed 5 times in 15 minutes" in str(loop.data["reason"])
    long_ago = Circumstances(crashes=(1000.0 - CRASH_LOOP_S,) * 9, max_restarts=4)
    assert judge(exit, CRASH, long_ago, now=1000.0).kind == "job.waiting"


def test_a_job_without_budget_left_is_held_instead_of_waiting_and_a_success_stands() -> None:
    later = Outcome(result=Result.FAILED, then=Continuation(at=5.0, reason="later"))
    held = judge(ExitStatus(code=1), later, Circumstances(over_budget="12 of 10 turns", job_id="j"), now=0.0)
    assert held.kind == "job.held"
    assert "logist resume j" in str(held.data["reason"])
    spent = Circumstances(over_budget="12 of 10 turns", stopped_for_budget=True, on_budget=OnBudget.STOP)
    assert judge(ExitStatus(signal=2), None, spent, now=0.0).data["outcome"] == "budget_exceeded"
    done = Outcome(result=Result.SUCCEEDED)
    assert judge(ExitStatus(code=0), done, spent, now=0.0).data["lifecycle"] == "succeeded"


def event(kind: str, **data: object) -> JobEvent:
    return JobEvent(seq=1, at=0.0, boot_s=0.0, boot_id="", writer="", kind=kind, data=data)


def test_a_budget_counts_all_attempts_since_a_person_let_the_job_go_on() -> None:
    def attempt(number: int) -> AttemptStatus:
        usage = Usage(turns=4, tokens_in=50, tokens_out=10, cost_usd=0.5)
        return AttemptStatus(number=number, state="exited", nonce="", started_at=0.0, ended_at=30.0, usage=usage)

    status = JobStatus(
        id="j", name=None, agent="a", runtime="r", lifecycle=Lifecycle.RUNNING, attempts=(attempt(1), attempt(2))
    )
    history = [event("job.created"), event("attempt.starting", attempt=1), event("attempt.starting", attempt=2)]
    again = [*history[:2], event("job.requeued"), history[2]]
    for budget in (Budget(turns=8), Budget(tokens=120), Budget(cost_usd=1.0), Budget(wall_s=60.0)):
        assert "used up" in str(used_up(budget, status, history))
        assert used_up(budget, status, again) is None
    assert used_up(Budget(), status, history) is None
    assert used_up(Budget(turns=9), status, history, running=Usage(turns=5)) is not None
    assert used_up(Budget(wall_s=70.0), status, history, running_s=10.0) is not None


def said(final: bool = False, **fields: object) -> Signal:
    return Signal(claim=None, source=Source.EVENT, rule="r", final=final, fields=fields)


def test_figures_add_up_and_a_final_event_has_the_last_word() -> None:
    meter = Meter()
    for signal in (said(tokens_out=5), said(tokens_out=7, cost_usd=0.25), said(turns=1), said(turns=2)):
        meter.add(signal)
    assert meter.used == Usage(turns=2, tokens_out=12, cost_usd=0.25)
    assert Meter({"turns": 2, "tokens_out": 12, "cost_usd": 0.25, "tokens_in": None}).used == meter.used
    meter.add(said(final=True, tokens_out=9, cost_usd=0.5))
    assert meter.used == Usage(turns=2, tokens_out=9, cost_usd=0.5)


@given(
    st.lists(st.dictionaries(st.sampled_from(["turns", "tokens_in", "cost_usd"]), st.none() | st.text() | st.floats()))
)
def test_no_figure_makes_counting_fail(lines: list[dict[str, object]]) -> None:
    meter = Meter()
    for fields in lines:
        meter.add(said(**fields))
    assert all(value is None or 0 <= value <= 1e15 for value in (meter.used.turns, meter.used.cost_usd))
