"""`logist agents`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.params import json_option


@click.command("agents")
@click.option("--no-check", is_flag=True, help="Read metadata alone; load nothing.")
@json_option
@click.pass_obj
def command(app: App, no_check: bool, as_json: bool) -> None:
    """List installed agents.

    The one that is used where a job names none is marked, with the reason.
    """
    from logist_core.cli.plugin_tables import list_kind

    list_kind(app.registry, app.config, "agent", as_json_text=as_json, checked=not no_check)
