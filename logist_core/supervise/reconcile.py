"""Brings a job's journal in line with what its runtime says. Never starts work.

Called by the holder of the supervisor's lock only: a supervisor that takes stock, or `logist recover`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logist_core.errors import CorruptRecord, LogistError, PluginUnavailable
from logist_core.supervise.launch import fruitless, pause_s, record_running
from logist_core.supervise.planfile import PLAINEST, load_plan
from logist_core.supervise.redact import secrets_of
from logist_core.supervise.settle import settle
from logist_core.types._json import JSON
from logist_core.types.job import JobSpec, JobStatus, Lifecycle
from logist_core.types.launch import AttemptKey, LaunchSpec, Probe, ProbeState, RuntimeHandle

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.observe.observer import Observer
    from logist_core.protocols import Runtime
    from logist_core.supervise.fleet import Fleet
    from logist_core.supervise.plugins import Plugins

#: The observer's checkpoint in an attempt's directory.
OBSERVER_FILE = "observer.json"
#: Conditions that a probe raises and clears.
PROBED = frozenset(
    {"orphaned", "unresponsive", "unreachable", "unkillable", "runtime_missing", "rebooted", "log_unbounded"}
)
#: An attempt whose launcher died before anything ran goes back to the queue, so often in a row at the most.
MOST_REQUEUES = 3


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found.

    Attributes:
        status: The job's status after that.
        detail: One line for a person; "" where nothing was to be said.
        probe: The runtime's answer, where it was asked.
    """

    status: JobStatus
    detail: str = ""
    probe: Probe | None = None


def reconcile(
    store: JobStore,
    plugins: Plugins,
    job_id: str,
    *,
    writer: str,
    dry_run: bool = False,
    fleet: Fleet | None = None,
    settle_vanished: bool = True,
) -> Reconciled:
    """Settle what ended, adopt what runs, give back to the queue what never ran.

    Args:
        store: The jobs.
        plugins: For the job's runtime and agent.
        job_id: The job.
        writer: For the journal.
        dry_run: Ask the runtime, say what would be done, write nothing.
        fleet: What is known of limits; None: nothing.
        settle_vanished: Believe it when a running attempt is gone without a trace; else leave it as it is.
    """
    status = store.status(job_id)
    if status.lifecycle not in (Lifecycle.STARTING, Lifecycle.RUNNING):
        return Reconciled(status)
    spec = store.spec(job_id)
    try:
        runtime = plugins.runtime(spec)
    except PluginUnavailable as error:
        if not dry_run:
            status = set_conditions(store, job_id, {"runtime_missing": error.message}, writer=writer)
        return Reconciled(status, error.message)
    handle = handle_of(status) or _find(store, runtime, status)
    if handle is None:
        return _nothing_ran(store, status, writer, dry_run)
    probe = runtime.probe(handle)
    vanished = probe.state is ProbeState.GONE and status.lifecycle is Lifecycle.RUNNING
    if vanished and not settle_vanished and "rebooted" not in probe.conditions:
        return Reconciled(status, probe.detail or "gone without a trace", probe)
    if probe.state in (ProbeState.EXITED, ProbeState.GONE):
        if dry_run:
            return Reconciled(status, f"would settle: {probe.state.value}", probe)
        observer = open_observer(store, plugins, spec, status)
        secrets = secrets_of(store, spec, _plan_of(store, status))
        agent = plugins.agent_or_none(spec)
        settled = settle(store, spec, probe, agent, observer, writer=writer, secrets=secrets, fleet=fleet)
        return Reconciled(settled.status, settled.status.reason or "", probe)
    if dry_run:
        return Reconciled(status, f"still {probe.state.value}", probe)
    if status.lifecycle is Lifecycle.STARTING:
        status = record_running(store, job_id, status.attempt, handle, probe, writer=writer)
    status = set_conditions(store, job_id, dict.fromkeys(probe.conditions, probe.detail), writer=writer)
    return Reconciled(status, probe.detail or "still running", probe)


def handle_of(status: JobStatus) -> RuntimeHandle | None:
    """Return the persisted handle of the current attempt, or None where the journal has none."""
    raw = status.attempts[-1].handle if status.attempts else None
    if raw is None:
        return None
    data: JSON = raw.get("data")
    return RuntimeHandle(
        runtime=str(raw.get("runtime")),
        version=int(raw.get("version") or 0),
        data=data if isinstance(data, dict) else {},
    )


def _find(store: JobStore, runtime: Runtime, status: JobStatus) -> RuntimeHandle | None:
    attempt = status.attempts[-1]
    key = AttemptKey(status.id, attempt.number, attempt.nonce)
    return runtime.find(key, str(store.attempt_dir(status.id, attempt.number)))


def _nothing_ran(store: JobStore, status: JobStatus, writer: str, dry_run: bool) -> Reconciled:
    detail = "the launcher died before the agent ran"
    if dry_run:
        return Reconciled(status, f"would go back to the queue: {detail}")
    with store.transaction(status.id, writer) as tx:
        if tx.status.lifecycle is Lifecycle.STARTING and tx.status.attempt == status.attempt:
            tx.append("attempt.failed_to_start", attempt=status.attempt, error=detail)
            in_a_row = fruitless(tx.status)
            if tx.status.cancel is not None:
                tx.append("job.finished", lifecycle="cancelled", outcome="cancelled", reason=detail)
            elif in_a_row > MOST_REQUEUES:
                tx.append("job.finished", lifecycle="failed_to_start", outcome="failed_to_start", reason=detail)
            else:
                # A launcher that died once is an accident; one that dies again may meet what passes.
                delay_s = pause_s(in_a_row) if in_a_row > 1 else 0.0
                due = time.time() + delay_s
                resume, prompt = tx.status.resume, tx.status.resume_prompt
                tx.append("job.waiting", not_before=due, delay_s=delay_s, reason=detail, resume=resume, prompt=prompt)
        return Reconciled(tx.status, detail)


def set_conditions(store: JobStore, job_id: str, found: Mapping[str, str], *, writer: str) -> JobStatus:
    """Make the probed conditions of a job equal to `found` (condition to detail); write only what changed."""
    status = store.status(job_id)
    if PROBED & set(status.conditions) == set(found):
        return status
    with store.transaction(job_id, writer) as tx:
        if tx.status.lifecycle.ended:
            return tx.status
        have = PROBED & set(tx.status.conditions)
        for name in sorted(set(found) - have):
            tx.append("condition.raised", condition=name, detail=found[name])
        for name in sorted(have - set(found)):
            tx.append("condition.cleared", condition=name)
        return tx.status


def _plan_of(store: JobStore, status: JobStatus) -> LaunchSpec:
    try:
        return load_plan(str(store.attempt_dir(status.id, status.attempt)))
    except CorruptRecord:  # not for one that can't be read now: the plan says what is secret
        return PLAINEST


def open_observer(store: JobStore, plugins: Plugins, spec: JobSpec, status: JobStatus) -> Observer | None:
    """Return an observer of the current attempt that goes on where the last one was, or None without a directory."""
    from logist_core.jobs.atomic import read_json
    from logist_core.observe.observer import Observer

    directory = store.attempt_dir(spec.id, status.attempt)
    if not directory.is_dir():
        return None
    plan = _plan_of(store, status)
    try:
        checkpoint = read_json(directory / OBSERVER_FILE)
    except LogistError:
        checkpoint = None  # a cache: what it held is read again from the logs
    return Observer(
        str(directory),
        agent=plugins.agent_or_none(spec),
        agent_name=spec.agent,
        output=plan.output,
        pty=plan.pty,
        cols=plan.cols,
        rows=plan.rows,
        matcher=plugins.dictionary(spec).for_agent(spec.agent, program=os.path.basename(plan.argv[0])),
        checkpoint=checkpoint,
    )
