"""Which jobs may start now. Pure: the queue is the set of job statuses, nothing else is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from logist_core.types.job import JobStatus, Lifecycle

_BY_THE_CLOCK: Mapping[str, float] = MappingProxyType({})
_OCCUPIES_A_SLOT = frozenset({Lifecycle.STARTING, Lifecycle.RUNNING})


@dataclass(frozen=True, slots=True)
class Admission:
    """What to do with the queue now.

    Attributes:
        start: Ids to start, in this order.
        refuse: Ids that can never start, with the reason: a job they follow didn't succeed.
        wake_at: Unix time, seconds, at which the next waiting job is due, or None.
    """

    start: tuple[str, ...]
    refuse: tuple[tuple[str, str], ...]
    wake_at: float | None


def admit(
    jobs: Iterable[JobStatus],
    *,
    max_jobs: int,
    now: float,
    known: Mapping[str, Lifecycle],
    waits_s: Mapping[str, float] = _BY_THE_CLOCK,
) -> Admission:
    """Return the jobs to start: higher priority first, then first come, first served.

    Args:
        jobs: All jobs that have not ended.
        max_jobs: How many may be starting or running at once.
        now: Unix time, seconds.
        waits_s: How much longer waiting jobs wait, seconds, where another clock than that of `not_before` says so.
        known: Lifecycle of every job that `after` may name; a job that is missing was removed and counts as done.
    """
    jobs = list(jobs)
    free = max_jobs - sum(1 for job in jobs if job.lifecycle in _OCCUPIES_A_SLOT)
    ready: list[JobStatus] = []
    refuse: list[tuple[str, str]] = []
    wake_at: float | None = None
    for job in jobs:
        if job.cancel is not None or job.lifecycle not in (Lifecycle.QUEUED, Lifecycle.WAITING):
            continue
        left_s = waits_s.get(job.id, (job.not_before or 0.0) - now)
        if job.lifecycle is Lifecycle.WAITING and left_s > 0:
            wake_at = now + left_s if wake_at is None else min(wake_at, now + left_s)
            continue
        failed = next((a for a in job.after if _spoils(known.get(a))), None)
        if failed is not None:
            state = known[failed].value
            refuse.append((job.id, f"job {failed}, which it comes after, ended as {state}"))
        elif all(known.get(a, Lifecycle.SUCCEEDED) is Lifecycle.SUCCEEDED for a in job.after):
            ready.append(job)
    ready.sort(key=in_queue)
    return Admission(tuple(job.id for job in ready[: max(free, 0)]), tuple(refuse), wake_at)


def in_queue(job: JobStatus) -> tuple[int, str]:
    """Return the sort key of a job in the queue: what starts first comes first."""
    return (-job.priority, job.id)


def _spoils(lifecycle: Lifecycle | None) -> bool:
    return lifecycle is not None and lifecycle.ended and lifecycle is not Lifecycle.SUCCEEDED
