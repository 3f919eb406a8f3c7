"""`logist ls`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.listing import ENDED_SHOWN, list_jobs
from logist_core.cli.params import json_option


@click.command("ls")
@click.option("-a", "--all", "show_all", is_flag=True, help=f"Show every job, not only the last {ENDED_SHOWN} ended.")
@click.option(
    "--state",
    "states",
    metavar="STATE",
    multiple=True,
    help="Only jobs in this lifecycle (running, failed ...), with this activity (rate_limited ...), or 'ended'.",
)
@click.option("--label", "labels", metavar="KEY[=VALUE]", multiple=True, help="Only jobs with this label.")
@click.option("-q", "--quiet", is_flag=True, help="Print ids alone.")
@json_option
@click.pass_obj
def command(
    app: App, *, show_all: bool, states: tuple[str, ...], labels: tuple[str, ...], quiet: bool, as_json: bool
) -> None:
    """List jobs.

    Newest first: all that have not ended, and the last ones that have. What is left out is counted on stderr.
    """
    list_jobs(app, show_all=show_all, states=states, labels=labels, quiet=quiet, as_json=as_json)
