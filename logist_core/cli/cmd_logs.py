"""`logist logs`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import DURATION, last_job_argument
from logist_core.errors import JobNotFound, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from logist_core.cli.printers import RawPrinter, TextPrinter
    from logist_core.types.job import JobStatus


@click.command("logs")
@last_job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends, across its attempts.")
@click.option("-n", "--lines", metavar="N", type=click.IntRange(min=0), help="Begin N lines before the end.")
@click.option("--stream", type=click.Choice(["out", "err"]), help="Only this stream (default: both).")
@click.option(
    "--since",
    metavar="DURATION",
    type=DURATION,
    help="Begin about so long ago (5m, 2h): at the last place whose time is known, so rather earlier than later.",
)
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="Another attempt than the last.")
@click.option("--raw", is_flag=True, help="The exact bytes: escape sequences are live, secrets are not redacted.")
@click.pass_obj
def command(
    app: App,
    *,
    job: str,
    follow: bool,
    lines: int | None,
    stream: str | None,
    since: float | None,
    attempt: int | None,
    raw: bool,
) -> None:
    """Print a job's output.

    Its standard output goes to stdout, its standard error to stderr. Escape sequences are taken out (colours stay on
    a terminal), and values of the job's secrets are replaced by [redacted] while they are known.
    """
    if lines is not None and since is not None:
        raise UsageError("--lines and --since both say where to begin", hint="leave one of them out")
    store = app.store
    job_id = store.resolve(job)
    status = store.status(job_id)
    number = _attempt(status, attempt)
    streams = (stream,) if stream else ("out", "err")
    offsets: dict[str, int] = {}
    if number:
        directory = store.attempt_dir(job_id, number)
        if lines is not None:
            from logist_core.cli.logfile import offset_of_last_lines

            offsets = {name: offset_of_last_lines(directory / f"{name}.log", lines) for name in streams}
        elif since is not None:
            offsets = _offsets_since(app, status, directory, number=number, streams=streams, cutoff=time.time() - since)
    elif not follow:
        from logist_core.cli.output import note

        note(f"job {job_id} is {status.lifecycle.value}: there is no output yet")
    events = store.events(job_id)
    printer = _printer(app, job_id, raw)
    if follow and (attempt is None or attempt == status.attempt):
        from logist_core.cli.tracking import Tracker

        with Tracker(
            app.home,
            store,
            job_id,
            streams=streams,
            attempt=number or None,
            offsets=offsets,
            after_seq=events[-1].seq if events else 0,
        ) as tracker:
            for item in tracker.until_ended():
                printer.take(item)
    else:
        from logist_core.cli.follow import read_output

        for item in read_output(store, job_id, streams=streams, attempt=number or None, offsets=offsets):
            printer.take(item)
    printer.finish()


def _attempt(status: JobStatus, wanted: int | None) -> int:
    if wanted is None:
        return status.attempt
    if wanted > status.attempt:
        raise JobNotFound(
            f"job {status.id} has no attempt {wanted}; there have been {status.attempt}",
            hint=f"logist status {status.id}",
        )
    return wanted


def _offsets_since(
    app: App, status: JobStatus, directory: Path, *, number: int, streams: Iterable[str], cutoff: float
) -> dict[str, int]:
    from logist_core.cli.logfile import offset_since

    events = app.store.events(status.id)
    return {name: offset_since(directory, name, number, events, cutoff) for name in streams}


def _printer(app: App, job_id: str, raw: bool) -> RawPrinter | TextPrinter:
    from logist_core.cli.printers import RawPrinter, TextPrinter

    if raw:
        return RawPrinter()
    from logist_core.cli.secrets import secret_values

    return TextPrinter(secret_values(app.store, job_id))
