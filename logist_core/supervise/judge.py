"""What follows an ended attempt. Pure; the one place where exit status, outcome and intents become a lifecycle.

Order of what counts: a person's stop, an attempt that never ran, a time-out, one that was lost, the sentinel's act, the
agent plugin's judgement, and only then the bare exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from logist_core.supervise.limits import USUAL_PACE, Pace, limit_of, place
from logist_core.types._json import JSON, plain
from logist_core.types.job import Lifecycle, Limit, OnBudget, Outcome, Result
from logist_core.types.launch import ExitStatus
from logist_core.types.signals import Claim

#: So many attempts in a row that end by asking for another one are a loop, not patience.
MOST_CONTINUATIONS = 50
#: Crashes within so many seconds count as in a row; one more than `max_restarts` of them is a loop.
CRASH_LOOP_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What was decided about the attempt before it ended; all of it is read from the journal.

    Attributes:
        cancel: `stop` or `kill` where somebody asked, else None.
        cancelled_by: Who asked.
        timed_out: The time limit had run out.
        sentinel: (action, reason) of the sentinel's last act that ends attempts: `stop` or `resume`.
        lost: Why a lost attempt is lost, in the runtime's words.
        continuations: How many attempts in a row ended by asking for another one.
        job_id: The job.
        provider, credential: Of the attempt; see `LaunchSpec`.
        times: How often in a row those who share its account or provider have met the outcome's claim before.
        crashes: Unix times, seconds, of the crashes before this one, since a person last let the job go on.
        max_restarts: See `JobSpec`.
        over_budget: What is used up, in one line, where the budget is.
        stopped_for_budget: That is why the attempt was asked to end.
        on_budget: See `Budget`.
        pace: How patient to be.
    """

    cancel: str | None = None
    cancelled_by: str | None = None
    timed_out: bool = False
    sentinel: tuple[str, str] | None = None
    lost: str | None = None
    continuations: int = 0
    job_id: str = ""
    provider: str | None = None
    credential: str | None = None
    times: int = 0
    crashes: tuple[float, ...] = ()
    max_restarts: int = 0
    over_budget: str | None = None
    stopped_for_budget: bool = False
    on_budget: OnBudget = OnBudget.PAUSE
    pace: Pace = USUAL_PACE


@dataclass(frozen=True, slots=True)
class Next:
    """The journal event that follows the attempt's end: its kind and data."""

    kind: str
    data: Mapping[str, JSON]


def judge(exit: ExitStatus | None, outcome: Outcome | None, why: Circumstances, *, now: float) -> Next:
    """Return what becomes of the job.

    Args:
        exit: None: the attempt is lost, how it ended can't be known.
        outcome: The agent plugin's judgement, or None.
        why: See `Circumstances`.
        now: Unix time, seconds.
    """
    how = describe(exit)
    if why.cancel is not None:
        by = f" by {why.cancelled_by}" if why.cancelled_by else ""
        verb = "killed" if why.cancel == "kill" else "stopped"
        return _finish(Lifecycle.CANCELLED, "cancelled", f"{verb}{by}; {how}")
    if exit is not None and exit.exec_error is not None:
        return _finish(Lifecycle.FAILED_TO_START, "failed_to_start", exit.exec_error)
    if why.timed_out:
        return _finish(Lifecycle.TIMED_OUT, "timed_out", f"the time limit ran out; {how}")
    if exit is None:
        return _finish(Lifecycle.LOST, "lost", why.lost or how)
    if why.sentinel is not None:
        action, reason = why.sentinel
        if action == "resume" and why.continuations < MOST_CONTINUATIONS:
            return _again({"not_before": now, "delay_s": 0.0, "reason": reason, "resume": True}, why)
        return _finish(Lifecycle.FAILED, Result.FAILED.value, f"ended by the sentinel: {reason}; {how}")
    if why.stopped_for_budget and (outcome is None or outcome.result is not Result.SUCCEEDED):
        return _budget_is_used_up(why.over_budget or "the budget is used up", why)
    if outcome is not None:
        return _by_outcome(outcome, why, how, now)
    if exit.code == 0:
        return _finish(Lifecycle.SUCCEEDED, Result.SUCCEEDED.value, how)
    return _finish(Lifecycle.FAILED, Result.FAILED.value, how)


def _by_outcome(outcome: Outcome, why: Circumstances, how: str, now: float) -> Next:
    reason = outcome.reason or how
    limit = limit_of(
        outcome,
        why.job_id,
        provider=why.provider,
        credential=why.credential,
        times=why.times + 1,
        pace=why.pace,
        now=now,
    )
    if outcome.hold:
        return Next("job.held", {"reason": reason, "resume": True, "limit": _plain(limit)})
    if outcome.then is not None:
        if why.continuations >= MOST_CONTINUATIONS:
            return _finish(Lifecycle.FAILED, Result.FAILED.value, f"gave up after {why.continuations} tries: {reason}")
        # A reset is a time of day; a back-off is a length of time, whatever the clock is set to meanwhile.
        delay_s = None
        if limit is not None and limit.until is not None:
            at = place(limit, why.job_id, 0, why.pace)
        elif outcome.then.at is not None:
            at = outcome.then.at
        else:
            delay_s = why.pace.backoff_s(why.continuations + 1)
            at = now + delay_s
        again = {
            "not_before": at,
            "delay_s": delay_s,
            "reason": outcome.then.reason or reason,
            "resume": outcome.then.same_session,
            "claim": None if outcome.claim is None else outcome.claim.value,
            "limit": _plain(limit),
        }
        return _again(again, why)
    if outcome.claim is Claim.CRASHED and outcome.result is Result.FAILED and why.max_restarts > 0:
        return _after_a_crash(reason, why, now)
    if outcome.result is Result.SUCCEEDED:
        return _finish(Lifecycle.SUCCEEDED, outcome.result.value, reason)
    return _finish(Lifecycle.FAILED, outcome.result.value, reason)


def _after_a_crash(reason: str, why: Circumstances, now: float) -> Next:
    recent = sum(1 for at in why.crashes if now - at < CRASH_LOOP_S)
    if recent >= why.max_restarts:
        times = f"{recent + 1} times in {CRASH_LOOP_S / 60:g} minutes"
        return _finish(Lifecycle.FAILED, Result.FAILED.value, f"it crashed {times}, a loop: {reason}")
    delay_s = why.pace.backoff_s(recent + 1)
    again = {
        "not_before": now + delay_s,
        "delay_s": delay_s,
        "reason": f"{reason} (restart {recent + 1} of {why.max_restarts})",
        "resume": True,
        "claim": Claim.CRASHED.value,
    }
    return _again(again, why)


def _again(data: dict[str, JSON], why: Circumstances) -> Next:
    """Return the wait for another attempt, unless there is nothing left for one."""
    if why.over_budget is not None:
        return _budget_is_used_up(why.over_budget, why)
    return Next("job.waiting", {name: value for name, value in data.items() if value is not None})


def _budget_is_used_up(used: str, why: Circumstances) -> Next:
    if why.on_budget is OnBudget.STOP:
        return _finish(Lifecycle.FAILED, "budget_exceeded", used)
    advice = f"`logist resume {why.job_id}` grants as much again" if why.job_id else "resume it to grant as much again"
    return Next("job.held", {"reason": f"{used}: {advice}", "resume": True})


def _plain(limit: Limit | None) -> JSON:
    return None if limit is None else plain(limit)


def describe(exit: ExitStatus | None) -> str:
    """Say in a few words how an attempt ended."""
    if exit is None:
        return "it is gone, and nobody saw how it ended"
    if exit.exec_error is not None:
        return f"it never ran: {exit.exec_error}"
    if exit.signal is not None:
        return f"killed by signal {exit.signal}"
    return f"exit code {exit.code}"


def _finish(lifecycle: Lifecycle, outcome: str, reason: str) -> Next:
    return Next("job.finished", {"lifecycle": lifecycle.value, "outcome": outcome, "reason": reason})
