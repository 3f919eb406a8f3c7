"""`logist send`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.params import job_argument


@click.command("send")
@job_argument
@click.argument("text")
@click.option("--no-enter", is_flag=True, help="Don't press Enter after it.")
@click.pass_obj
def command(app: App, job: str, text: str, no_enter: bool) -> None:
    """Type a line into a running job.

    The job must have an input: a terminal (--pty), or a pipe that its agent keeps open. The journal notes who sent
    how many bytes, not what they were.
    """
    from logist_core.cli import output
    from logist_core.cli.formats import plural
    from logist_core.cli.supervision import me
    from logist_core.errors import UsageError
    from logist_core.supervise import control

    job_id = app.store.resolve(job)
    # What Enter sends: a terminal turns the carriage return into what its program expects.
    enter = b"" if no_enter else (b"\r" if _on_a_terminal(app, job_id) else b"\n")
    data = text.encode("utf-8", "surrogateescape") + enter
    if not data:
        raise UsageError("there is nothing to send", hint=f"logist send {job_id} TEXT")
    control.send(app.store, app.registry, job_id, data, by=me())
    output.note(f"{job_id}: sent {plural(len(data), 'byte')}")


def _on_a_terminal(app: App, job_id: str) -> bool:
    from logist_core.supervise.planfile import load_plan

    status = app.store.status(job_id)
    return bool(status.attempt) and load_plan(str(app.store.attempt_dir(job_id, status.attempt))).pty
