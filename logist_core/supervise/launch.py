"""Starts one attempt: plan, intent on disk, runtime, result on disk. In that order, whatever dies.

Invariant: `attempt.starting`, with the attempt's nonce, is on disk before the runtime is asked; so after any crash
`Runtime.find` can tell whether that attempt ever ran, and no attempt runs twice.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logist_core import platform
from logist_core.errors import LaunchError, LogistError, RuntimeUnavailable, is_passing
from logist_core.protocols import AgentContext, Last
from logist_core.supervise.environment import attempt_environment
from logist_core.supervise.limits import described
from logist_core.supervise.planfile import save_plan
from logist_core.types._json import plain
from logist_core.types.job import JobSpec, JobStatus, Lifecycle
from logist_core.types.launch import AttemptKey, LaunchSpec, Probe, Respawn, RuntimeHandle, StartContext, Stdin

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.protocols import Runtime
    from logist_core.supervise.fleet import Fleet, Gate
    from logist_core.supervise.plugins import Plugins

WRITER = "supervisor"
_STARTABLE = (Lifecycle.QUEUED, Lifecycle.WAITING)
#: Between two tries of a start that the machine or the runtime refused: doubling.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 600.0
#: So many tries in a row, some two minutes, before what the machine refuses ends the job.
MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and whether it goes on with the last attempt's session."""

    launch: LaunchSpec
    resumed: bool


class NoEnvironment(LogistError):
    """The submitting shell's environment is gone, and ours doesn't hold the variables that the job was given."""

    kind = "needs_input"


def launch(
    store: JobStore, plugins: Plugins, job_id: str, respawn: Respawn | None, fleet: Fleet | None = None
) -> JobStatus:
    """Start the next attempt of an admitted job; return its status after that.

    A job whose account or provider `fleet` knows to be limited is parked instead, before it meets the limit, too.
    Blocks for as long as planning and starting take. A job that can't be started ends as `failed_to_start`; one
    whose runtime is unavailable for now goes back to waiting, and so does, a few times, one for which the machine has
    no space, memory or descriptors; one whose environment is lost is held.
    """
    status = store.status(job_id)
    if status.lifecycle not in _STARTABLE or status.cancel is not None:
        return status
    spec = store.spec(job_id)
    key = AttemptKey(job_id, status.attempt + 1, secrets.token_hex(16))
    directory = str(store.make_attempt_dir(job_id, key.attempt))
    try:
        inherited = _inherited(store, spec)
        planned = _plan(
            plugins, store, spec, status, AgentContext(environment=inherited, directory=directory, attempt=key.attempt)
        )
        runtime = plugins.runtime(spec)
        _check_abilities(runtime, spec, planned.launch)
        save_plan(directory, planned.launch)
    except NoEnvironment as error:
        with store.transaction(job_id, WRITER) as tx:
            tx.append("job.held", reason=error.message)
            return tx.status
    except LogistError as error:
        return _refused(store, spec, key, error)

    gate = fleet.ask(status, planned.launch.provider, planned.launch.credential) if fleet is not None else None
    if gate is not None:
        return _park(store, job_id, planned.launch, gate)
    with store.transaction(job_id, WRITER) as tx:
        if tx.status.lifecycle not in _STARTABLE or tx.status.cancel is not None:
            return tx.status
        tx.append(
            "attempt.starting",
            attempt=key.attempt,
            nonce=key.nonce,
            runtime=spec.runtime,
            resumed=planned.resumed,
            note=planned.launch.note,
            provider=planned.launch.provider,
            credential=planned.launch.credential,
        )
        if planned.launch.session_id is not None and planned.launch.session_id != tx.status.session_id:
            tx.append("session.seen", session_id=planned.launch.session_id)
    context = StartContext(
        directory=directory,
        environment=attempt_environment(inherited, spec, planned.launch),
        linger=spec.linger,
        respawn=respawn,
        max_log_bytes=spec.max_log_bytes,
    )
    try:
        secrets_of_all = tuple({*planned.launch.secrets, *spec.secrets})
        handle = runtime.start(dataclasses.replace(planned.launch, secrets=secrets_of_all), key, context)
    except (LaunchError, RuntimeUnavailable) as error:
        return _refused(store, spec, key, error)
    return record_running(store, job_id, key.attempt, handle, runtime.probe(handle), writer=WRITER)


def _park(store: JobStore, job_id: str, launch: LaunchSpec, gate: Gate) -> JobStatus:
    """Write down that the job waits for a limit that another one has met."""
    limit = gate.limit
    if limit is None or not gate.park:
        return store.status(job_id)  # its turn comes in a moment
    with store.transaction(job_id, WRITER) as tx:
        if tx.status.lifecycle in _STARTABLE and tx.status.cancel is None:
            why = {
                "reason": described(limit),
                "resume": tx.status.resume,
                "prompt": tx.status.resume_prompt,
                "limit": plain(limit),
                "provider": launch.provider,
                "credential": launch.credential,
            }
            if gate.until is None:
                tx.append("job.held", **why)
            else:
                tx.append("job.waiting", not_before=gate.until, **why)
        return tx.status


def record_running(
    store: JobStore, job_id: str, number: int, handle: RuntimeHandle, probe: Probe, *, writer: str
) -> JobStatus:
    """Write down that attempt `number` runs, with the pid that `probe` gives. Harmless where that is known already."""
    with store.transaction(job_id, writer) as tx:
        if tx.status.lifecycle is Lifecycle.STARTING and tx.status.attempt == number:
            tx.append(
                "attempt.running",
                attempt=number,
                pid=probe.pid,
                handle=plain(handle),
                started_at=time.time(),
                awake_s=platform.awake_s(),
            )
        return tx.status


def _inherited(store: JobStore, spec: JobSpec) -> dict[str, str]:
    """Return the submitting shell's environment, from the vault; without a vault, our own where it will do."""
    kept = store.environment(spec.id)
    if kept is not None:
        return kept
    missing = [name for name in spec.secrets if name not in os.environ]
    if missing:
        raise NoEnvironment(
            f"the environment of the submitting shell is gone, and {', '.join(missing)} with it; "
            f"from a shell that has it: logist resume {spec.id}"
        )
    return dict(os.environ)


def _plan(plugins: Plugins, store: JobStore, spec: JobSpec, status: JobStatus, ctx: AgentContext) -> Planned:
    agent = plugins.agent(spec)
    try:
        last = next((a for a in reversed(status.attempts) if a.state != "failed_to_start"), None)
        if status.resume and last is not None:
            resumed = agent.resume(
                spec,
                ctx,
                Last(
                    attempt=last,
                    session_id=status.session_id,
                    directory=str(store.attempt_dir(spec.id, last.number)),
                    prompt=status.resume_prompt,
                    reason=status.reason,
                ),
            )
            if resumed is not None:
                return Planned(resumed, resumed=True)
        return Planned(agent.plan(spec, ctx), resumed=False)
    except LogistError:
        raise
    except Exception as error:
        raise LaunchError(f"the agent plugin {spec.agent} failed to plan: {type(error).__name__}: {error}") from error


def _check_abilities(runtime: Runtime, spec: JobSpec, launch: LaunchSpec) -> None:
    """Refuse a plan that the runtime can't carry out, now or later: waiting wouldn't help."""
    if launch.pty and not runtime.caps.pty:
        raise LaunchError(f"the runtime {spec.runtime} gives no terminal", hint="--no-pty, or another runtime")
    if launch.stdin is Stdin.OPEN and not launch.pty and not runtime.caps.stdin:
        raise LaunchError(f"the runtime {spec.runtime} can't pass on input", hint="another runtime")


def fruitless(status: JobStatus) -> int:
    """Return how many attempts in a row, the current one included where it failed so, never started."""
    count = 0
    for attempt in reversed(status.attempts):
        if attempt.state != "failed_to_start":
            break
        count += 1
    return count


def pause_s(tries: int) -> float:
    """Return how long to wait, in seconds, after `tries` starts in a row that came to nothing."""
    return float(min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_S))


def _refused(store: JobStore, spec: JobSpec, key: AttemptKey, error: LogistError) -> JobStatus:
    """Write down that the attempt never ran: the job waits for a better moment if there can be one, else it is over."""
    text = _one_line(error)
    with store.transaction(spec.id, WRITER) as tx:
        if tx.status.lifecycle in _STARTABLE:  # it failed before there was an intent: record the attempt all the same
            tx.append("attempt.starting", attempt=key.attempt, nonce=key.nonce, runtime=spec.runtime, resumed=False)
        if tx.status.lifecycle is Lifecycle.STARTING and tx.status.attempt == key.attempt:
            tx.append("attempt.failed_to_start", attempt=key.attempt, error=text)
            tries = fruitless(tx.status)
            if isinstance(error, RuntimeUnavailable) or (is_passing(error) and tries < MOST_TRIES):
                delay_s = pause_s(tries)
                due = time.time() + delay_s
                resume, prompt = tx.status.resume, tx.status.resume_prompt
                tx.append("job.waiting", not_before=due, delay_s=delay_s, reason=text, resume=resume, prompt=prompt)
            else:
                tx.append("job.finished", lifecycle="failed_to_start", outcome="failed_to_start", reason=text)
        return tx.status


def _one_line(error: LogistError) -> str:
    return f"{error.message}; try: {error.hint}" if error.hint else error.message
