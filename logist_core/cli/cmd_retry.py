"""`logist retry`."""

from __future__ import annotations

import os

import click

from logist_core.cli.app import App
from logist_core.cli.params import job_argument


@click.command("retry")
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Stay with it as `logist run` does.")
@click.pass_context
def command(ctx: click.Context, job: str, follow: bool) -> None:
    """Run an ended job again, from the beginning.

    The same task, in a further attempt of the same job, with the environment of this shell. See also: logist resume.
    """
    from logist_core.cli.again import go_on, last_seq
    from logist_core.cli.supervision import me
    from logist_core.supervise import control

    app: App = ctx.obj
    job_id = app.store.resolve(job)
    after_seq = last_seq(app, job_id)
    control.retry(app.store, job_id, by=me(), environment=dict(os.environ))
    ctx.exit(go_on(app, job_id, after_seq=after_seq, follow=follow))
