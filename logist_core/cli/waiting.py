"""Waits for several jobs at once, on events, and keeps them supervised meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logist_core.cli.changes import Changes, Deadline
from logist_core.cli.follow import JobFeed
from logist_core.cli.tracking import CHECK_S, Caretaker

if TYPE_CHECKING:
    from logist_core.cli.app import App
    from logist_core.types.job import JobStatus


@dataclass(frozen=True, slots=True)
class Waited:
    """How the wait went: a status of each job, in the order asked, and whether time ran out first."""

    statuses: tuple[JobStatus, ...]
    timed_out: bool


def wait_for(app: App, job_ids: Sequence[str], done: Callable[[JobStatus], bool], timeout_s: float | None) -> Waited:
    """Wait until `done` has held for every job, at the beginning or after any event since.

    What was true once counts, even if it no longer is: a state that comes and goes between two looks is in the
    journal. The status that is returned is the one for which it was true.
    """
    caretaker, deadline = Caretaker(app.home), Deadline(timeout_s)
    feeds = {job_id: _from_now_on(app, job_id) for job_id in job_ids}
    reached: dict[str, JobStatus] = {}
    with Changes() as changes:
        while True:
            pending = [job_id for job_id in feeds if job_id not in reached]
            new = sum(changes.watch(app.store.job_dir(job_id)) for job_id in pending) > 0
            for job_id in pending:
                if (status := _first(feeds[job_id], done)) is not None:
                    reached[job_id] = status
            left = [feeds[job_id].status for job_id in pending if job_id not in reached]
            if not left or deadline.passed:
                statuses = tuple(reached.get(job_id) or feeds[job_id].status for job_id in job_ids)
                return Waited(statuses, timed_out=bool(left))
            if not new:
                changes.wait(deadline.left(CHECK_S))
            caretaker.look(left)


def _from_now_on(app: App, job_id: str) -> JobFeed:
    events = app.store.events(job_id)
    return JobFeed(app.store, job_id, streams=(), after_seq=events[-1].seq if events else 0)


def _first(feed: JobFeed, done: Callable[[JobStatus], bool]) -> JobStatus | None:
    """Return the first status since the last call, or now, for which `done` holds."""
    for _ in feed.poll():
        if done(feed.status):
            return feed.status
    return feed.status if done(feed.status) else None
