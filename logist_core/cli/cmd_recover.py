"""`logist recover`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.params import json_option


@click.command("recover")
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@json_option
@click.pass_obj
def command(app: App, dry_run: bool, as_json: bool) -> None:
    """Bring the records in line with what really runs.

    Settles jobs that ended unseen, finds those that go on, gives back to the queue what never ran. Never starts
    work. A supervisor does this by itself when it starts; afterwards one is started if there is work.
    """
    from logist_core.cli import output
    from logist_core.cli.formats import plural
    from logist_core.cli.supervision import ensure, has_work
    from logist_core.cli.text import one_line
    from logist_core.jobs.survey import living
    from logist_core.supervise.recover import recover
    from logist_core.types._json import plain

    reports = recover(app.store, app.registry, dry_run=dry_run)
    if as_json:
        output.json_line({"schema": 1, "dry_run": dry_run, "jobs": plain(tuple(reports))})
    else:
        for report in reports:
            states = report.before if report.before == report.after else f"{report.before} -> {report.after}"
            conditions = f" ({', '.join(report.conditions)})" if report.conditions else ""
            output.line(f"{report.id}  {states}{conditions}  {one_line(report.detail, 300)}".rstrip())
        output.note(f"{plural(len(reports), 'job')} looked at" + (", nothing was changed" if dry_run else ""))
    if not dry_run and has_work(living(app.store)):
        ensure(app.home, wait_s=0)
