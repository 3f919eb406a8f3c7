"""`logist supervise`."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import json_option
from logist_core.errors import JobNotFound, LogistError, UsageError

if TYPE_CHECKING:
    from logist_core.jobs.home import Home
    from logist_core.supervise.limits import Pace
    from logist_core.supervise.singleton import SupervisorRecord

#: How long `--stop` waits for the supervisor to leave, in seconds.
STOP_WAIT_S = 15.0


@click.command("supervise")
@click.option(
    "--max-jobs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Jobs at once (default: as configured, else one a core).",
)
@click.option("--status", "show", is_flag=True, help="Say whether a supervisor lives.")
@click.option("--stop", is_flag=True, help="Let the supervisor leave. Jobs run on; the next command starts another.")
@click.option("--on-demand", is_flag=True, hidden=True, help="Started by a command: leave when there is no work.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, max_jobs: int | None, show: bool, stop: bool, on_demand: bool, as_json: bool
) -> None:
    """Run, look at or stop the supervisor of this home.

    There is seldom a need: every command starts one where there is work. Run it yourself under a service manager, or
    to have another limit of jobs at once.
    """
    app: App = ctx.obj
    if show and stop:
        raise UsageError("--status and --stop exclude each other", hint="logist supervise --status")
    if show:
        _show(app, as_json)
    elif stop:
        _stop(app.home)
    else:
        from logist_core.supervise import daemon

        home = app.make_home()
        ctx.exit(
            daemon.run(
                home,
                max_jobs=max_jobs or _configured(app),
                on_demand=on_demand,
                pace=_pace(app),
                interventions_per_hour=int(app.config.get("interventions_per_hour")),
            )
        )


def _pace(app: App) -> Pace:
    from dataclasses import fields

    from logist_core.supervise.limits import USUAL_PACE, Pace

    names = {field.name for field in fields(Pace)} - {"proven_s"}
    return Pace(**{name: float(app.config.get(f"limits.{name}")) for name in names}, proven_s=USUAL_PACE.proven_s)


def _configured(app: App) -> int | None:
    value = app.config.get("max_jobs")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _show(app: App, as_json: bool) -> None:
    from logist_core.cli import output
    from logist_core.cli.formats import duration
    from logist_core.types._json import plain

    alive, record = _info(app)
    if as_json:
        output.json_line({"schema": 1, "alive": alive, "supervisor": plain(record) if alive else None})
    elif alive and record is not None:
        ran = duration(time.time() - record.started_at)
        output.line(f"supervisor pid {record.pid}, up {ran}, at most {record.max_jobs} at once, {record.version}")
    else:
        output.line("a supervisor is starting" if alive else "no supervisor; the next command with work starts one")


def _info(app: App) -> tuple[bool, SupervisorRecord | None]:
    from logist_core.supervise.client import supervisor_info

    try:
        info = supervisor_info(app.home)
    except JobNotFound:
        return False, None  # without a home there is nothing to supervise
    return info.alive, info.record


def _stop(home: Home) -> None:
    from logist_core.cli import output
    from logist_core.supervise.singleton import is_held, read_record

    record = read_record(home.path)
    if not is_held(home.path) or record is None:
        output.note("no supervisor lives")
        return
    _terminate(record)
    deadline = time.monotonic() + STOP_WAIT_S
    while is_held(home.path):
        if time.monotonic() > deadline:
            raise LogistError(f"supervisor pid {record.pid} did not leave within {STOP_WAIT_S:g} s")
        time.sleep(0.02)
    output.note(f"supervisor pid {record.pid} has left; jobs run on")


def _terminate(record: SupervisorRecord) -> None:
    """Send SIGTERM to that very process, never to one that got its pid later."""
    from logist_core import platform

    stranger = LogistError(
        f"pid {record.pid} is not the supervisor that wrote the record", hint="logist supervise --status"
    )
    try:
        # The handle first, then the identity: what the handle stands for can't change any more.
        handle = os.pidfd_open(record.pid) if hasattr(os, "pidfd_open") else -1
        try:
            if record.boot_id != platform.boot_id() or record.start != platform.process_start(record.pid):
                raise stranger
            if handle >= 0:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
            else:
                os.kill(record.pid, signal.SIGTERM)  # macOS: untested
        finally:
            if handle >= 0:
                os.close(handle)
    except ProcessLookupError:
        return  # it left in this moment
