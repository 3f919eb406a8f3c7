"""What a job has used up of its budget. Pure; all of it is read from the journal.

Invariant: a budget counts from the last time that a person let the job go on, so that `logist resume` grants as much
again; figures that an agent doesn't report are never taken for 0 used, they are just not limited.
"""

from __future__ import annotations

from collections.abc import Sequence

from logist_core.types.job import AttemptStatus, Budget, JobEvent, JobStatus, Usage

_FRESH_STARTS = frozenset({"job.created", "job.requeued"})


def used_up(
    budget: Budget,
    status: JobStatus,
    events: Sequence[JobEvent],
    *,
    running: Usage | None = None,
    running_s: float = 0.0,
) -> str | None:
    """Say what is used up, in one line; None: nothing is.

    Interventions aren't among it: the sentinel's own loop counts these before each.

    Args:
        budget: The job's.
        status: The job's.
        events: Its journal.
        running: What the present attempt has used, where that is fresher than the journal.
        running_s: For how long it has run, seconds without suspended time.
    """
    if budget == Budget(interventions=budget.interventions, on_budget=budget.on_budget):
        return None
    first = _first_attempt(events)
    attempts = [attempt for attempt in status.attempts if attempt.number >= first]
    usages = [attempt.usage for attempt in attempts]
    if running is not None and usages:
        usages[-1] = running
    ran_s = sum(_ran_s(attempt) for attempt in attempts) + running_s
    tokens = _total(usages, "tokens_in", "tokens_out")
    for used, limit, what in (
        (_total(usages, "turns"), budget.turns, "turns"),
        (tokens, budget.tokens, "tokens"),
        (ran_s, budget.wall_s, "s of running"),
    ):
        if limit is not None and used >= limit:
            return f"the budget is used up: {used:,.0f} of {limit:,.0f} {what}"
    cost = _total(usages, "cost_usd")
    if budget.cost_usd is not None and cost >= budget.cost_usd:
        return f"the budget is used up: {cost:.2f} of {budget.cost_usd:.2f} US dollars"
    return None


def _first_attempt(events: Sequence[JobEvent]) -> int:
    """Return the number of the first attempt since a person let the job go on."""
    first = following = 1
    for event in events:
        if event.kind == "attempt.starting":
            following = event.data["attempt"] + 1
        elif event.kind in _FRESH_STARTS:
            first = following
    return first


def _ran_s(attempt: AttemptStatus) -> float:
    if attempt.started_at is None or attempt.ended_at is None:
        return 0.0
    return max(attempt.ended_at - attempt.started_at, 0.0)


def _total(usages: Sequence[Usage], *names: str) -> float:
    return sum(getattr(usage, name) or 0 for usage in usages for name in names)
