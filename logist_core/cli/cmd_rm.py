"""`logist rm`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import DURATION, complete_job
from logist_core.errors import LogistError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long `--force` waits for a job that it killed, in seconds.
KILL_WAIT_S = 30.0


@click.command("rm")
@click.argument("jobs", metavar="[JOB...]", nargs=-1, shell_complete=complete_job)
@click.option("--force", is_flag=True, help="Kill what still runs first; also remove a job with damaged records.")
@click.option("--ended", is_flag=True, help="All jobs that have ended.")
@click.option("--older", metavar="DURATION", type=DURATION, help="With --ended: only those that ended so long ago.")
@click.pass_obj
def command(app: App, jobs: tuple[str, ...], force: bool, ended: bool, older: float | None) -> None:
    """Remove ended jobs.

    Their records and logs are deleted for good. Prints the ids of what was removed.
    """
    from logist_core.cli import output

    if bool(jobs) == ended:
        raise UsageError("name the jobs to remove, or --ended for all that have ended", hint="logist rm --ended")
    if older is not None and not ended:
        raise UsageError("--older goes with --ended", hint="logist rm --ended --older 7d")
    if ended:
        job_ids: Sequence[str] = _ended(app, older)
    else:
        job_ids = list(dict.fromkeys(app.store.resolve(job) for job in jobs))
    failure: LogistError | None = None
    for job_id in job_ids:
        try:
            if force:
                _end(app, job_id)
            app.store.remove(job_id, force=force)
            output.line(job_id)
        except LogistError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    if ended and not job_ids:
        output.note("no job to remove")


def _ended(app: App, older_s: float | None) -> list[str]:
    ended = [status for status in app.store.statuses() if status.lifecycle.ended]
    if older_s is not None:
        latest = time.time() - older_s
        ended = [status for status in ended if (status.ended_at or status.created_at) <= latest]
    return [status.id for status in ended]


def _end(app: App, job_id: str) -> None:
    """Kill a job that has not ended, so that nothing runs on without a record."""
    from logist_core.cli.supervision import me
    from logist_core.cli.waiting import wait_for
    from logist_core.supervise import client, control

    try:
        if app.store.status(job_id).lifecycle.ended:
            return
    except LogistError:
        return  # its records can't be read: there is nobody to ask, and removing it is what --force is for
    if control.stop(app.store, job_id, mode="kill", by=me()).lifecycle.ended:
        return
    client.notify(app.home, job_id)
    if wait_for(app, [job_id], lambda status: status.lifecycle.ended, KILL_WAIT_S).timed_out:
        raise LogistError(
            f"job {job_id} did not end within {KILL_WAIT_S:g} s of being killed; it was not removed",
            hint=f"logist status {job_id}",
        )
