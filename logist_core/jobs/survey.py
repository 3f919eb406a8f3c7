"""Looks at all jobs of a home without opening the files of those that ended long ago.

Invariant: what is said here is what the jobs' directories say; the index only makes it quicker (see `index`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from logist_core.errors import LogistError
from logist_core.jobs import index
from logist_core.types.job import JobStatus, Lifecycle

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore

Problems = list[tuple[str, LogistError]]


def living(store: JobStore, problems: Problems | None = None) -> Iterator[JobStatus]:
    """Yield the statuses of jobs that have not ended, oldest first; `problems` as in `JobStore.statuses`."""
    known = _index(store)
    for job_id in store.ids():
        if store.ended_by(known, job_id) is None:
            status = store.status_by(index.NOTHING, job_id, problems)
            if status is not None and not status.lifecycle.ended:
                yield status


def newest(store: JobStore, ended: int, problems: Problems | None = None) -> tuple[list[JobStatus], int]:
    """Return jobs, newest first, and how many were left out: all that have not ended, and the last of the others.

    Args:
        store: The jobs.
        ended: How many ended jobs to return.
        problems: As in `JobStore.statuses`.
    """
    known = _index(store)
    found: list[JobStatus] = []
    seen = 0
    for job_id in reversed(store.ids()):
        if seen >= ended and store.ended_by(known, job_id) is not None:
            seen += 1
            continue
        status = store.status_by(known, job_id, problems)
        if status is None:
            continue
        seen += status.lifecycle.ended
        if not status.lifecycle.ended or seen <= ended:
            found.append(status)
    return found, max(seen - ended, 0)


def ended(store: JobStore) -> dict[str, Lifecycle]:
    """Return how jobs ended, as far as the index knows; of any other job its status tells."""
    known = _index(store)
    found = ((job_id, store.ended_by(known, job_id)) for job_id in store.ids())
    return {job_id: lifecycle for job_id, lifecycle in found if lifecycle is not None}


def complete_index(store: JobStore, keep_going: Callable[[], bool] = lambda: True) -> int:
    """Note the ended jobs that the index doesn't know; return how many that were.

    An index most of which is about jobs that are gone is begun anew.

    Args:
        store: The jobs.
        keep_going: Asked before each job.
    """
    job_ids = store.ids()
    known = _index(store)
    if known.count > max(index.LEAST_TO_COMPACT, 2 * len(job_ids)):
        index.discard(os.fspath(store.home.path))
        known = index.NOTHING
    noted = 0
    for job_id in job_ids:
        if not keep_going():
            break
        if store.ended_by(known, job_id) is None:
            with suppress(LogistError):
                noted += store.note_if_ended(job_id)
    return noted


def _index(store: JobStore) -> index.Lines:
    return index.read(os.fspath(store.home.path))
