"""`logist kill`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.params import jobs_argument


@click.command("kill")
@jobs_argument
@click.option("--wait", is_flag=True, help="Return when they have ended.")
@click.pass_obj
def command(app: App, jobs: tuple[str, ...], wait: bool) -> None:
    """End jobs at once.

    The whole process tree is killed, without a polite word first.
    """
    from logist_core.cli.ending import end_jobs

    end_jobs(app, jobs, mode="kill", grace_s=None, wait=wait)
