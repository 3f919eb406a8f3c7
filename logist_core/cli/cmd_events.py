"""`logist events`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import last_job_argument

if TYPE_CHECKING:
    from logist_core.types.job import JobEvent


#: Of use to programs, which read `--json`; to a person they only hide the rest of the line.
_FOR_PROGRAMS = frozenset({"handle", "nonce", "awake_s"})


@click.command("events")
@last_job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one event to a line (docs/reference/json.md).")
@click.pass_obj
def command(app: App, job: str, follow: bool, as_json: bool) -> None:
    """Print a job's journal.

    The journal is the only history of a job; everything that `logist status` says is derived from it.
    """
    from logist_core.cli.tracking import Tracker

    job_id = app.store.resolve(job)
    if not follow:
        for event in app.store.events(job_id):
            _print(event, as_json)
        return
    with Tracker(app.home, app.store, job_id, streams=()) as tracker:
        for item in tracker.until_ended():
            _print(item, as_json)  # type: ignore[arg-type]  # without streams there are events only


def _print(event: JobEvent, as_json: bool) -> None:
    from logist_core.cli import output
    from logist_core.cli.formats import clock
    from logist_core.cli.text import one_line

    if as_json:
        import json

        from logist_core.types._json import plain

        output.line(json.dumps({"schema": 1, **plain(event)}))
        return
    data = ", ".join(
        f"{key}={_value(value)}"
        for key, value in event.data.items()
        if value not in (None, "", [], {}) and key not in _FOR_PROGRAMS
    )
    colour = output.wants_colour(sys.stdout)
    head = output.paint(f"{clock(event.at)} {event.seq:>4}", "dim", on=colour)
    writer = output.paint(one_line(event.writer, 40), "dim", on=colour)
    output.line(f"{head}  {output.paint(one_line(event.kind, 60), 'bold', on=colour)}  {one_line(data, 400)}  {writer}")


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value)
