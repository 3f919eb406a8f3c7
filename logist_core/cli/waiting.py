"""Waits for several jobs at once, on events, and keeps them supervised meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logist_core.cli.changes import Changes, Deadline
from logist_core.cli.tracking import CHECK_S, Caretaker

if TYPE_CHECKING:
    from logist_core.cli.app import App
    from logist_core.types.job import JobStatus


@dataclass(frozen=True, slots=True)
class Waited:
    """How the wait went: the last status of each job, in the order asked, and whether time ran out first."""

    statuses: tuple[JobStatus, ...]
    timed_out: bool


def wait_for(app: App, job_ids: Sequence[str], done: Callable[[JobStatus], bool], timeout_s: float | None) -> Waited:
    """Wait until `done` holds for every job.

    A state that comes and goes between two looks at the journal isn't missed as long as it is in the status for
    one of them; what was true once counts, even if it no longer is.
    """
    caretaker, deadline = Caretaker(app.home), Deadline(timeout_s)
    reached: dict[str, JobStatus] = {}
    with Changes() as changes:
        while True:
            open_ids = [job_id for job_id in job_ids if job_id not in reached]
            new = sum(changes.watch(app.store.job_dir(job_id)) for job_id in open_ids) > 0
            pending = []
            for job_id in open_ids:
                status = app.store.status(job_id)
                if done(status):
                    reached[job_id] = status
                else:
                    pending.append(status)
            if not pending or deadline.passed:
                by_id = {status.id: status for status in pending} | reached
                return Waited(tuple(by_id[job_id] for job_id in job_ids), timed_out=bool(pending))
            if not new:
                changes.wait(deadline.left(CHECK_S))
            caretaker.look(pending)
