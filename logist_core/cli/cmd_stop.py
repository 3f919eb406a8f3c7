"""`logist stop`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.params import DURATION, jobs_argument


@click.command("stop")
@jobs_argument
@click.option(
    "--grace",
    metavar="DURATION",
    type=DURATION,
    help="Time for each polite step before the kill (default: the agent's).",
)
@click.option("--wait", is_flag=True, help="Return when they have ended.")
@click.pass_obj
def command(app: App, jobs: tuple[str, ...], grace: float | None, wait: bool) -> None:
    """Ask jobs to stop.

    Each agent is asked in its own way first; what then still lives of its process tree is killed. A job that has not
    started yet is cancelled.
    """
    from logist_core.cli.ending import end_jobs

    end_jobs(app, jobs, mode="stop", grace_s=grace, wait=wait)
