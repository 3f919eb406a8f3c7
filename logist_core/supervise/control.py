"""What users ask of existing jobs: intents in the journal, carried out by the supervisor; and input, sent at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from logist_core.errors import LogistError, Unsupported, UsageError
from logist_core.supervise.planfile import load_plan
from logist_core.supervise.plugins import Plugins
from logist_core.supervise.reconcile import handle_of
from logist_core.types.job import JobStatus, Lifecycle
from logist_core.types.launch import KILL_NOW, StopLadder

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.protocols import AttachChannel, Runtime
    from logist_core.registry import Registry
    from logist_core.types.launch import RuntimeHandle

_NOT_STARTED = (Lifecycle.QUEUED, Lifecycle.WAITING, Lifecycle.HELD)


def stop(store: JobStore, job_id: str, *, mode: str, by: str, grace_s: float | None = None) -> JobStatus:
    """Ask for the job's end. A job without a running attempt ends at once, the others through the supervisor.

    Args:
        store: The jobs.
        job_id: The job.
        mode: `stop` (the agent's ladder) or `kill` (the whole tree, at once).
        by: Who asks.
        grace_s: Seconds of grace for each step of the ladder; None: the agent's own.

    Raises:
        UsageError: The job has ended already.
    """
    assert mode in ("stop", "kill"), mode
    with store.transaction(job_id, "cli") as tx:
        status = tx.status
        if status.lifecycle.ended:
            raise UsageError(f"job {job_id} has ended already: {status.lifecycle.value}")
        if status.cancel is None or (status.cancel == "stop" and mode == "kill"):
            tx.append("job.cancel_requested", by=by, mode=mode, grace_s=grace_s)
        if status.lifecycle in _NOT_STARTED:
            tx.append("job.finished", lifecycle="cancelled", outcome="cancelled", reason=f"stopped by {by}")
        status = tx.status
    if status.lifecycle.ended:
        store.drop_environment(job_id)
    return status


def end_now(
    store: JobStore, registry: Registry, job_id: str, *, mode: str, by: str, grace_s: float | None = None
) -> JobStatus:
    """End the running attempt from here, and write the wish down after that: for a home that takes no more records.

    The job's lock is held meanwhile, so that no supervisor settles the end before the journal says whose wish it was.
    An attempt that has ended has given its reserve of space back, which is what the journal then needs.

    Raises:
        UsageError: No attempt is running.
        LogistError: The attempt can't be ended; or it was, and that can't be written down, as the message then says.
    """
    ended = False
    try:
        with store.transaction(job_id, "cli") as tx:
            runtime, handle = running_attempt(store, registry, job_id)
            ladder = KILL_NOW
            if mode == "stop":
                ladder = load_plan(str(store.attempt_dir(job_id, tx.status.attempt))).stop
                if grace_s is not None:
                    ladder = StopLadder(steps=tuple(replace(step, grace_s=grace_s) for step in ladder.steps))
            runtime.stop(handle, ladder)
            ended = True
            if tx.status.cancel is None or (tx.status.cancel == "stop" and mode == "kill"):
                tx.append("job.cancel_requested", by=by, mode=mode, grace_s=grace_s)
            return tx.status
    except LogistError as error:
        if ended:
            raise LogistError(
                f"job {job_id} was ended, but it can't be written down that you asked for it: {error.message}",
                hint=error.hint,
            ) from error
        raise


def retry(store: JobStore, job_id: str, *, by: str, environment: Mapping[str, str]) -> JobStatus:
    """Put an ended job back into the queue for a fresh attempt, with this shell's environment.

    Raises:
        UsageError: The job hasn't ended.
    """
    return _requeue(store, job_id, by=by, resume=False, prompt=None, environment=environment)


def resume(store: JobStore, job_id: str, *, by: str, prompt: str | None, environment: Mapping[str, str]) -> JobStatus:
    """Let a job go on with its last session: an ended one in a new attempt, a held or waiting one now.

    Raises:
        UsageError: The job is queued, starting or running.
    """
    return _requeue(store, job_id, by=by, resume=True, prompt=prompt, environment=environment)


def _requeue(
    store: JobStore, job_id: str, *, by: str, resume: bool, prompt: str | None, environment: Mapping[str, str]
) -> JobStatus:
    store.spec(job_id)  # a job whose spec can't be read can't run again: say so before anything is written
    with store.transaction(job_id, "cli") as tx:
        lifecycle = tx.status.lifecycle
        if not (lifecycle.ended or lifecycle in (Lifecycle.HELD, Lifecycle.WAITING)):
            raise UsageError(
                f"job {job_id} is {lifecycle.value}; only a job that has ended, is held or waits can go on",
                hint=f"logist stop {job_id}",
            )
        store.store_environment(job_id, environment)
        tx.append("job.requeued", by=by, resume=resume and bool(tx.status.attempts), prompt=prompt)
        return tx.status


def running_attempt(store: JobStore, registry: Registry, job_id: str) -> tuple[Runtime, RuntimeHandle]:
    """Return the runtime and handle of a job's running attempt.

    Raises:
        UsageError: It isn't running.
    """
    status = store.status(job_id)
    handle = handle_of(status)
    if status.lifecycle is not Lifecycle.RUNNING or handle is None:
        raise UsageError(
            f"job {job_id} is {status.lifecycle.value}, not running",
            hint=f"logist logs {job_id}" if status.attempts else f"logist status {job_id}",
        )
    return Plugins(registry).runtime(store.spec(job_id)), handle


def send(store: JobStore, registry: Registry, job_id: str, data: bytes, *, by: str) -> None:
    """Write `data` to the running attempt's input. The journal records who and how much, not what.

    Raises:
        UsageError: The job isn't running.
        Unsupported: The attempt has no input.
    """
    runtime, handle = running_attempt(store, registry, job_id)
    if not runtime.caps.stdin:
        raise Unsupported(f"the runtime of job {job_id} can't pass on input")
    runtime.write(handle, data)
    with store.transaction(job_id, "cli") as tx:
        tx.append("input.sent", by=by, bytes=len(data))


def open_channel(
    store: JobStore, registry: Registry, job_id: str, *, cols: int, rows: int, read_only: bool
) -> AttachChannel:
    """Open a viewer's channel to the running attempt.

    Raises:
        UsageError: The job isn't running.
        Unsupported: The runtime can't be attached to.
    """
    runtime, handle = running_attempt(store, registry, job_id)
    if not runtime.caps.attach:
        raise Unsupported(f"the runtime of job {job_id} can't be attached to", hint=f"logist logs -f {job_id}")
    return runtime.attach(handle, cols=cols, rows=rows, read_only=read_only)
