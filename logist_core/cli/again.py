"""What `logist retry` and `logist resume` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logist_core.errors import ExitCode

if TYPE_CHECKING:
    from logist_core.cli.app import App


def last_seq(app: App, job_id: str) -> int:
    """Return the number of the last event in a job's journal."""
    events = app.store.events(job_id)
    return events[-1].seq if events else 0


def go_on(app: App, job_id: str, *, after_seq: int, follow: bool) -> int:
    """Have a requeued job started; stay with it if asked to. Return the exit code."""
    from logist_core.cli import output
    from logist_core.supervise import client

    client.notify(app.home, job_id)
    if follow:
        from logist_core.cli.foreground import stay_with

        return stay_with(app, job_id, after_seq=after_seq)
    status = app.store.status(job_id)
    output.note(f"{job_id}: {status.lifecycle.value}; watch it: logist logs -f {job_id}")
    return ExitCode.OK
