"""`logist sentinel`."""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from logist_core.cli.app import App
from logist_core.cli.params import DURATION, json_option
from logist_core.errors import LogistError


@click.group("sentinel")
def command() -> None:
    """Say what the sentinel has found and done."""


@command.command("report")
@click.option("--since", metavar="DURATION", type=DURATION, help="Only jobs created within so long (24h).")
@json_option
@click.pass_obj
def report(app: App, since: float | None, as_json: bool) -> None:
    """Count verdicts, acts, and acts that would have been needless.

    In mode `observe` nothing is done, so it can be seen what came of a job that would have been acted on: one that
    later went on by itself would have been harmed.
    """
    from logist_core.cli import output
    from logist_core.supervise.replay import attempts_in
    from logist_core.supervise.reporting import Report

    found = Report()
    oldest = 0.0 if since is None else time.time() - since
    for status in app.store.statuses(problems=[]):
        if status.created_at < oldest:
            continue
        try:
            found.add(status, app.store.events(status.id), attempts_in(app.store.job_dir(status.id)))
        except (LogistError, OSError) as error:
            output.note(f"left out {status.id}: {error}", "yellow")
    if as_json:
        ended = {action: dict(counts) for action, counts in found.ended.items()}
        output.json_line(
            {
                "schema": 1,
                "jobs": found.jobs,
                "verdicts": dict(found.verdicts),
                "acts": dict(found.acts),
                "ended": ended,
                "would": dict(found.would),
                "needless": dict(found.needless),
            }
        )
        return
    _print(found.jobs, found.verdicts, found.acts, found.ended, found.would, found.needless)


def _print(
    jobs: int,
    verdicts: dict[str, int],
    acts: dict[str, int],
    ended: Mapping[str, Mapping[str, int]],
    would: dict[str, int],
    needless: dict[str, int],
) -> None:
    from logist_core.cli import output
    from logist_core.cli.formats import plural
    from logist_core.cli.text import one_line

    output.line(plural(jobs, "job"))
    for verdict, count in sorted(verdicts.items()):
        output.line(f"  verdict  {count:5}  {one_line(verdict, 80)}")
    for action, count in sorted(acts.items()):
        became = ", ".join(f"{number} {state}" for state, number in sorted(ended.get(action, {}).items()))
        output.line(f"  act      {count:5}  {one_line(action, 40)}" + (f"  ({became})" if became else ""))
    for action, count in sorted(would.items()):
        output.line(f"  would    {count:5}  {one_line(action, 40)}, {needless.get(action, 0)} of them needless")
