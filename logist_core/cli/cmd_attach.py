"""`logist attach`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.params import last_job_argument
from logist_core.errors import UsageError


@click.command("attach")
@last_job_argument
@click.option("--read-only", is_flag=True, help="Look on; type nothing into the job.")
@click.pass_context
def command(ctx: click.Context, job: str, read_only: bool) -> None:
    """Take part in a running job's terminal.

    What you type goes to the job, Ctrl-C included; Ctrl-Q or Ctrl-B d detaches and leaves it running. Several
    terminals may be attached at once. Of a job without a terminal (--no-pty) the output is shown.
    """
    from logist_core.cli.again import last_seq
    from logist_core.cli.cmd_status import fresh_status
    from logist_core.cli.foreground import on_terminal, stay_with

    app: App = ctx.obj
    job_id = app.store.resolve(job)
    status = fresh_status(app, job_id)
    if status.lifecycle.ended:
        raise UsageError(f"job {job_id} has ended: {status.lifecycle.value}", hint=f"logist logs {job_id}")
    if not on_terminal():
        raise UsageError("attaching needs a terminal", hint=f"logist logs -f {job_id}")
    ctx.exit(stay_with(app, job_id, after_seq=last_seq(app, job_id), owner=False, read_only=read_only))
