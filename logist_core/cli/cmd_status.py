"""`logist status`."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import json_option, last_job_argument
from logist_core.errors import LogistError

if TYPE_CHECKING:
    from logist_core.cli.show import Log
    from logist_core.types.job import JobStatus


@click.command("status")
@last_job_argument
@json_option
@click.pass_obj
def command(app: App, job: str, as_json: bool) -> None:
    """Show how a job stands, and the evidence for it.

    Without JOB: the job that was created last. Where the supervisor has died, it is started first, so that the
    answer is about now.
    """
    from logist_core.cli import output

    store = app.store
    job_id = store.resolve(job)
    status = fresh_status(app, job_id)
    if as_json:
        output.json_line(status.to_json())
        return
    from logist_core.cli.show import block

    try:
        spec = store.spec(job_id)
    except LogistError as error:
        output.note(error.message, "yellow")
        spec = None
    colour = output.wants_colour(sys.stdout)
    now = time.time()
    shared = None
    if status.limit is not None:
        from logist_core.cli.limited import limit_line

        shared = limit_line(status, store.statuses(problems=[]), now)
    output.line(block(status, now=now, spec=spec, logs=_logs(app, status), colour=colour, shared=shared))


def fresh_status(app: App, job_id: str) -> JobStatus:
    """Return the status of a job after a living supervisor has had a look at it.

    A supervisor that can't be started is said so on stderr; the records are shown as they are.
    """
    from logist_core.cli import output
    from logist_core.cli.supervision import ensure, has_work

    status = app.store.status(job_id)
    if not has_work([status]):
        return status
    try:
        # It is ready once it has taken stock of all jobs, so what it knows is on disk when this returns.
        ensure(app.home)
    except (LogistError, OSError) as error:
        output.note(f"no supervisor: {error}; this is what the records say", "yellow")
    return app.store.status(job_id)


def _logs(app: App, status: JobStatus) -> list[Log]:
    from logist_core.cli.show import Log
    from logist_core.jobs.holes import hole_of, why_unbounded

    if not status.attempt:
        return []
    directory = app.store.attempt_dir(status.id, status.attempt)
    found = []
    for stream in ("out", "err"):
        path = str(directory / f"{stream}.log")
        try:
            size = os.stat(path).st_size
            hole = hole_of(path, size)
            found.append(Log(path, size, hole.size_bytes if hole else 0, why_unbounded(path)))
        except OSError:
            if stream == "out":
                found.append(Log(path, None))
    return found
