"""What a user types to mean a job.

Invariant: a reference means one job or it is an error; it is never settled by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from logist_core.errors import JobNotFound
from logist_core.jobs.ids import shown
from logist_core.types.job import JobStatus

LAST = "@last"
_LISTED = 5


def resolve(ref: str, job_ids: Sequence[str], statuses: Callable[[], Iterable[JobStatus]]) -> str:
    """Return the id that `ref` means; see `JobStore.resolve`.

    Args:
        ref: An id, the beginning of one, a name, or `@last`.
        job_ids: All ids, oldest first.
        statuses: Called only where names matter: it reads every job.
    """
    if ref == LAST:
        if not job_ids:
            raise JobNotFound("there is no job yet", hint="logist run")
        return job_ids[-1]
    beginning = [job_id for job_id in job_ids if job_id.startswith(ref)] if ref else []
    if len(beginning) == 1:
        return beginning[0]
    known = list(statuses()) if ref else []
    named = [status for status in known if status.name == ref]
    if named:
        living = [status for status in named if not status.lifecycle.ended]
        return (living or named)[-1].id
    if beginning:
        listed = ", ".join(beginning[-_LISTED:])
        more = f" and {len(beginning) - _LISTED} more" if len(beginning) > _LISTED else ""
        raise JobNotFound(
            f"{shown(ref)} is the beginning of {len(beginning)} job ids: {listed}{more}", hint="logist ls"
        )
    raise JobNotFound(f"no job matches {shown(ref)}{_nearest(ref, known, job_ids)}", hint="logist ls")


def _nearest(ref: str, known: Iterable[JobStatus], job_ids: Iterable[str]) -> str:
    import difflib

    candidates = dict.fromkeys([*(status.name for status in known if status.name), *job_ids])
    near = difflib.get_close_matches(ref[:80], candidates, n=3)
    return f"; nearest: {', '.join(map(shown, near))}" if near else ""
