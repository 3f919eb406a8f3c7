"""How limits that jobs share read for a person: one line for each. Pure.

Invariant: a limit of one job alone is not among them; that job's own line says it.
"""

from __future__ import annotations

from collections.abc import Iterable

from logist_core.cli.formats import moment, plural
from logist_core.cli.text import one_line
from logist_core.types.job import JobStatus, Lifecycle, Limit

_PARKED = (Lifecycle.WAITING, Lifecycle.HELD)


def limit_lines(statuses: Iterable[JobStatus], now: float) -> list[str]:
    """Return `limited until 14:05 (claude, account anthropic:key-3f9a1c07): usage limit; 7 jobs wait` and its like."""
    parked: dict[tuple[str, str], list[JobStatus]] = {}
    for status in statuses:
        if status.lifecycle in _PARKED and status.limit is not None and status.limit.scope != "job":
            parked.setdefault((status.limit.scope, status.limit.name), []).append(status)
    return [_line(jobs, now) for _, jobs in sorted(parked.items())]


def limit_line(status: JobStatus, everybody: Iterable[JobStatus], now: float) -> str | None:
    """Return the line of the limit that one job waits for, or None where it shares none."""
    if status.limit is None:
        return None
    mine = (status.limit.scope, status.limit.name)
    same = [other for other in everybody if other.limit is not None and (other.limit.scope, other.limit.name) == mine]
    return next(iter(limit_lines(same, now)), None)


def _line(jobs: list[JobStatus], now: float) -> str:
    from logist_core.supervise.limits import WORDS

    limits: list[Limit] = [job.limit for job in jobs if job.limit is not None]
    newest = max(limits, key=lambda limit: limit.seen_at)
    agents = ", ".join(sorted({one_line(job.agent, 16) for job in jobs}))
    whose = "account" if newest.scope == "credential" else "provider"
    what = one_line(WORDS.get(newest.claim, newest.claim), 40)
    verb = "waits" if len(jobs) == 1 else "wait"
    if newest.until is None:
        head, tail = "held", f"{plural(len(jobs), 'job')} {verb} for a person: logist resume {newest.seen_by}"
    else:
        head, tail = f"limited until {moment(newest.until, now)}", f"{plural(len(jobs), 'job')} {verb}"
    return f"{head} ({agents}, {whose} {one_line(newest.name, 60)}): {what}; {tail}"
