"""What `logist stop` and `logist kill` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logist_core.errors import ExitCode, LogistError, is_passing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logist_core.cli.app import App


def end_jobs(app: App, refs: Sequence[str], *, mode: str, grace_s: float | None, wait: bool) -> int:
    """Ask for the end of jobs; return the exit code.

    All references are resolved first, so that a typing error in one of them ends none.

    Raises:
        LogistError: The first failure, after all jobs have been asked.
    """
    from logist_core.cli import output
    from logist_core.cli.supervision import me
    from logist_core.supervise import client, control
    from logist_core.types.job import Lifecycle

    job_ids = list(dict.fromkeys(app.store.resolve(ref) for ref in refs))
    failure: LogistError | None = None
    asked = []
    for job_id in job_ids:
        try:
            try:
                status = control.stop(app.store, job_id, mode=mode, by=me(), grace_s=grace_s)
            except LogistError as error:
                if not is_passing(error) or app.store.status(job_id).lifecycle is not Lifecycle.RUNNING:
                    raise
                # A full disk takes no wish. It must not keep the job alive, which may be what fills it.
                status = control.end_now(app.store, app.registry, job_id, mode=mode, by=me(), grace_s=grace_s)
        except LogistError as error:
            failure = failure or error
            continue
        asked.append(job_id)
        if not status.lifecycle.ended:
            client.notify(app.home, job_id)
            output.note(f"{job_id}: asked to stop" if mode == "stop" else f"{job_id}: is being killed")
        else:
            output.note(f"{job_id}: {status.lifecycle.value}")
    if wait and asked:
        from logist_core.cli.waiting import wait_for

        for status in wait_for(app, asked, lambda status: status.lifecycle.ended, None).statuses:
            output.note(f"{status.id}: {status.lifecycle.value}")
    if failure is not None:
        raise failure
    return ExitCode.OK
