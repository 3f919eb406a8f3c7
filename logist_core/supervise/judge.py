"""What follows an ended attempt. Pure; the one place where exit status, outcome and intents become a lifecycle.

Order of what counts: a person's stop, an attempt that never ran, a time-out, one that was lost, the sentinel's act, the
agent plugin's judgement, and only then the bare exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from logist_core.types._json import JSON
from logist_core.types.job import Lifecycle, Outcome, Result
from logist_core.types.launch import ExitStatus

#: Back-off between attempts where no time is known: 30 s doubling to 10 min.
BACKOFF_FIRST_S = 30.0
BACKOFF_MOST_S = 600.0
#: So many attempts in a row that end by asking for another one are a loop, not patience.
MOST_CONTINUATIONS = 50


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
    """

    cancel: str | None = None
    cancelled_by: str | None = None
    timed_out: bool = False
    sentinel: tuple[str, str] | None = None
    lost: str | None = None
    continuations: int = 0


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
            return Next("job.waiting", {"not_before": now, "delay_s": 0.0, "reason": reason, "resume": True})
        return _finish(Lifecycle.FAILED, Result.FAILED.value, f"ended by the sentinel: {reason}; {how}")
    if outcome is not None:
        return _by_outcome(outcome, why, how, now)
    if exit.code == 0:
        return _finish(Lifecycle.SUCCEEDED, Result.SUCCEEDED.value, how)
    return _finish(Lifecycle.FAILED, Result.FAILED.value, how)


def _by_outcome(outcome: Outcome, why: Circumstances, how: str, now: float) -> Next:
    reason = outcome.reason or how
    if outcome.hold:
        return Next("job.held", {"reason": reason})
    if outcome.then is not None:
        if why.continuations >= MOST_CONTINUATIONS:
            return _finish(Lifecycle.FAILED, Result.FAILED.value, f"gave up after {why.continuations} tries: {reason}")
        # A reset is a time of day; a back-off is a length of time, whatever the clock is set to meanwhile.
        delay_s = None if outcome.then.at is not None else backoff_s(why.continuations)
        return Next(
            "job.waiting",
            {
                "not_before": outcome.then.at if delay_s is None else now + delay_s,
                "delay_s": delay_s,
                "reason": outcome.then.reason or reason,
                "resume": outcome.then.same_session,
            },
        )
    if outcome.result is Result.SUCCEEDED:
        return _finish(Lifecycle.SUCCEEDED, outcome.result.value, reason)
    return _finish(Lifecycle.FAILED, outcome.result.value, reason)


def backoff_s(times: int) -> float:
    """Return how long to wait, in seconds, after `times` fruitless attempts in a row."""
    return min(BACKOFF_FIRST_S * 2.0 ** min(times, 16), BACKOFF_MOST_S)


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
