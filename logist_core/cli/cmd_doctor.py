"""`logist doctor`."""

from __future__ import annotations

import sys

import click

from logist_core.cli.app import App
from logist_core.cli.params import complete_plugin, json_option
from logist_core.errors import ExitCode


@click.command("doctor")
@click.option("-a", "--agent", metavar="AGENT", shell_complete=complete_plugin("agent"), help="Is this one ready?")
@json_option
@click.pass_context
def command(ctx: click.Context, agent: str | None, as_json: bool) -> None:
    """Check that jobs can run here.

    Exit code 1: something that every job needs is broken. 7: a runtime, or the agent that was asked for, can't be
    used now.
    """
    from logist_core.cli import checks, output
    from logist_core.types._json import plain

    app: App = ctx.obj
    base = tuple(checks.base_checks(app))
    plugins = (*checks.runtime_checks(app), *checks.agent_checks(app, agent))
    code = ExitCode.OK
    if any(check.state is checks.State.FAIL for check in plugins):
        code = ExitCode.UNAVAILABLE
    if any(check.state is checks.State.FAIL for check in base):
        code = ExitCode.FAILURE
    if as_json:
        output.json_line({"schema": 1, "ok": code == ExitCode.OK, "checks": plain((*base, *plugins))})
    else:
        for check in (*base, *plugins):
            _print(check)
    ctx.exit(code)


def _print(check: object) -> None:
    from logist_core.cli import checks, output
    from logist_core.cli.text import one_line

    assert isinstance(check, checks.Check)
    style = {checks.State.OK: "green", checks.State.NOTE: "yellow", checks.State.FAIL: "red"}[check.state]
    mark = output.paint(f"{check.state.value:<4}", style, on=output.wants_colour(sys.stdout))
    output.line(f"{mark}  {one_line(check.name, 40):<18}  {one_line(check.detail, 400)}")
    if check.hint and check.state is not checks.State.OK:
        output.line(f"      {'':<18}  try: {one_line(check.hint, 300)}")
