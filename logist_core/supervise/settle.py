"""Settles an ended attempt: the output read, the outcome judged, everything written in one transaction.

Invariants: an attempt's end and what follows from it are in the journal together, or neither is; settling twice is
the same as once; and however much was printed, and goes on being printed by what the attempt left behind, the end is
written down soon: of output that is still unread then, the last part counts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from logist_core.supervise.budgets import used_up
from logist_core.supervise.judge import Circumstances, judge
from logist_core.supervise.limits import USUAL_PACE
from logist_core.types._json import JSON, plain
from logist_core.types.job import JobEvent, JobSpec, JobStatus, Lifecycle, Outcome, Result, Usage
from logist_core.types.launch import ExitStatus, Probe, ProbeState
from logist_core.types.signals import UNKNOWN_ACTIVITY, Claim, Signal

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.jobs.transaction import Transaction
    from logist_core.observe.observer import Observer
    from logist_core.protocols import Agent
    from logist_core.supervise.fleet import Fleet
    from logist_core.supervise.redact import Secrets

#: Conditions by which the supervisor remembers, across its own death, why it is ending an attempt.
TIMING_OUT = "timing_out"
OVER_BUDGET = "over_budget"
SENTINEL_STOP = "sentinel_stop"
SENTINEL_RESUME = "sentinel_resume"
#: Unread output of which nothing is left out when an attempt has ended; of more, so much of the end is read. It holds
#: the longest line that is kept, for the last event of a run says how it went.
LAST_BYTES = 16 << 20
#: The same for a terminal, whose bytes have to be shown before they can be read.
LAST_TERMINAL_BYTES = 1 << 20
_BYTES_AT_ONCE = 1 << 20
_FRESH_STARTS = frozenset({"job.created", "job.requeued"})
_INTENTS = frozenset({TIMING_OUT, OVER_BUDGET, SENTINEL_STOP, SENTINEL_RESUME})


@dataclass(frozen=True, slots=True)
class Settled:
    """The status after settling, and the fault of an agent plugin that could not judge, if any."""

    status: JobStatus
    fault: str | None = None


def settle(
    store: JobStore,
    spec: JobSpec,
    probe: Probe,
    agent: Agent | None,
    observer: Observer | None,
    *,
    writer: str,
    secrets: Secrets,
    fleet: Fleet | None = None,
) -> Settled:
    """Write down how the current attempt ended and what follows.

    Args:
        store: The jobs.
        spec: The job.
        probe: EXITED or GONE.
        agent: Judges the end; None: the exit code does.
        observer: Has read, or will now read, the attempt's output to its end; None: there is none to read.
        writer: For the journal.
        fleet: What is known of limits; None: nothing.
        secrets: Of the attempt; what the agent says of its end is written down without them.
    """
    assert probe.state in (ProbeState.EXITED, ProbeState.GONE), probe
    now = time.time()
    unread_bytes = 0 if observer is None else _read_to_the_end(observer, now)
    exit = probe.exit
    signals = observer.signals() if observer is not None else ()
    outcome, fault = _outcome(agent, exit, signals)
    done = _outcome_when_done(agent, exit, signals)
    with store.transaction(spec.id, writer, scrub=secrets.scrub) as tx:
        status = tx.status
        if status.lifecycle not in (Lifecycle.STARTING, Lifecycle.RUNNING):
            return Settled(status)
        events = store.events(spec.id)
        _append_end(tx, status.attempt, exit, probe, unread_bytes)
        _append_findings(tx, observer, now)
        why = _circumstances(status, events, probe, spec, outcome, fleet, now)
        why = replace(why, over_budget=why.over_budget or used_up(spec.budget, tx.status, events))
        if done is not None and why.sentinel is not None and why.sentinel[0] == "stop":
            outcome, why = replace(done, reason=f"{done.reason}; {why.sentinel[1]}"), replace(why, sentinel=None)
        for condition in sorted(_INTENTS & set(tx.status.conditions)):
            tx.append("condition.cleared", condition=condition)
        if fault is not None:
            tx.append("plugin.fault", kind="agent", name=spec.agent, dist=None, version=None, reason=fault)
        following = judge(exit, outcome, why, now=now)
        tx.append(following.kind, **following.data)
        if following.kind == "job.held":
            ask_a_person(tx)
        return Settled(tx.status, fault)


def _read_to_the_end(observer: Observer, now: float) -> int:
    """Read what is left, within bounds; return how many bytes were left out."""
    unread_bytes = observer.skip_to_last(LAST_BYTES, LAST_TERMINAL_BYTES)
    for _ in range(4 * LAST_BYTES // _BYTES_AT_ONCE):  # each of two logs, twice: it may be growing still
        observer.feed(now, _BYTES_AT_ONCE)
        if observer.caught_up:
            break
    observer.finish(now)
    return unread_bytes


def ask_a_person(tx: Transaction) -> None:
    """Say once, for all jobs that it concerns, that a person has to do something."""
    limit, reason = tx.status.limit, tx.status.reason
    if limit is None:
        tx.append("person.asked", text=reason or "a person has to do something")
    else:
        tx.append("person.asked", claim=limit.claim, scope=limit.scope, name=limit.name, text=reason or limit.claim)


def _append_end(tx: Transaction, attempt: int, exit: ExitStatus | None, probe: Probe, unread_bytes: int) -> None:
    if exit is None:
        tx.append("attempt.lost", attempt=attempt, reason=probe.detail or "gone without a trace")
    elif exit.exec_error is not None:
        tx.append("attempt.failed_to_start", attempt=attempt, error=exit.exec_error)
    else:
        tx.append(
            "attempt.exited",
            attempt=attempt,
            code=exit.code,
            signal=exit.signal,
            ended_at=exit.ended_at,
            source=exit.source,
            survivors=list(exit.survivors),
            **({"unread_bytes": unread_bytes} if unread_bytes else {}),
        )


def _append_findings(tx: Transaction, observer: Observer | None, now: float) -> None:
    if observer is None:
        return
    if observer.session_id is not None and observer.session_id != tx.status.session_id:
        tx.append("session.seen", session_id=observer.session_id)
    report_usage(tx, observer.usage)
    activity = observer.activity(now)
    if activity not in (UNKNOWN_ACTIVITY, tx.status.activity):
        tx.append("activity.changed", **plain(activity))


def report_usage(tx: Transaction, usage: Usage) -> None:
    """Write down what the last attempt has used, where that is news."""
    if tx.status.attempts and usage not in (Usage(), tx.status.attempts[-1].usage):
        tx.append("usage.reported", attempt=tx.status.attempt, **plain(usage))


def _outcome_when_done(agent: Agent | None, exit: ExitStatus | None, signals: Sequence[Signal]) -> Outcome | None:
    """Return the success that an attempt had reported before it was ended; None: it had not.

    An agent that says that it is done and then doesn't exit is ended by the sentinel: its work is none the worse.
    """
    at = next((i for i, s in enumerate(signals) if s.final and s.claim is Claim.COMPLETED), None)
    if at is None or exit is None:
        return None
    outcome, _ = _outcome(agent, ExitStatus(code=0, source="sentinel"), signals[: at + 1])
    return outcome if outcome is not None and outcome.result is Result.SUCCEEDED else None


def _outcome(
    agent: Agent | None, exit: ExitStatus | None, signals: Sequence[Signal]
) -> tuple[Outcome | None, str | None]:
    if agent is None or exit is None or exit.exec_error is not None:
        return None, None
    try:
        outcome = agent.outcome(exit, signals)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the exit code then decides, and we say so
        return None, f"outcome: {type(error).__name__}: {error}"
    if outcome is not None and not isinstance(outcome, Outcome):
        return None, f"outcome: returned {type(outcome).__name__}, not Outcome"
    return outcome, None


def _circumstances(
    status: JobStatus,
    events: Sequence[JobEvent],
    probe: Probe,
    spec: JobSpec,
    outcome: Outcome | None,
    fleet: Fleet | None,
    now: float,
) -> Circumstances:
    """Read from the journal what was decided about the current attempt, newest first."""
    cancelled_by: str | None = None
    intent: tuple[str, str] | None = None
    continuations = -1  # the present attempt is no continuation of itself
    crashes: list[float] = []
    over: str | None = None
    met: Mapping[str, JSON] | None = None
    in_this_attempt = True
    for event in reversed(events):
        if event.kind == "job.cancel_requested" and cancelled_by is None:
            cancelled_by = _text(event.data.get("by"))
        elif event.kind == "condition.raised" and in_this_attempt:
            name = event.data.get("condition")
            if name == OVER_BUDGET:
                over = over or _text(event.data.get("detail"))
            if intent is None and name in (SENTINEL_STOP, SENTINEL_RESUME) and name in status.conditions:
                action = "stop" if name == SENTINEL_STOP else "resume"
                intent = (action, _text(event.data.get("detail")) or "no reason recorded")
        elif event.kind == "attempt.starting":
            in_this_attempt = False
            continuations += 1
        elif event.kind in ("job.waiting", "job.held"):
            if event.data.get("claim") == Claim.CRASHED:
                crashes.append(event.at)
            met = met if met is not None else event.data.get("limit") or {}
        elif event.kind in _FRESH_STARTS:
            break
    return Circumstances(
        cancel=status.cancel,
        cancelled_by=cancelled_by if status.cancel is not None else None,
        timed_out=TIMING_OUT in status.conditions,
        sentinel=intent,
        lost=probe.detail or None,
        continuations=max(continuations, 0),
        job_id=status.id,
        provider=status.provider,
        credential=status.credential,
        times=_times(status, outcome, met or {}, fleet, now),
        crashes=tuple(crashes),
        max_restarts=spec.max_restarts,
        over_budget=over,
        stopped_for_budget=OVER_BUDGET in status.conditions,
        on_budget=spec.budget.on_budget,
        pace=USUAL_PACE if fleet is None else fleet.pace,
    )


def _times(status: JobStatus, outcome: Outcome | None, met: Mapping[str, JSON], fleet: Fleet | None, now: float) -> int:
    """Return how often in a row the outcome's claim was met before: as far as others know, and as the job itself does.

    The job's own journal counts where the fleet's memory has died with a supervisor.
    """
    if outcome is None or outcome.claim is None:
        return 0
    claim = outcome.claim.value
    known = fleet.times(status.id, claim, status.provider, status.credential) if fleet is not None else 0
    pace = USUAL_PACE if fleet is None else fleet.pace
    began = status.attempts[-1].started_at if status.attempts else None
    worked = began is not None and now - began >= pace.proven_s
    own = met.get("times") if met.get("claim") == claim and not worked else None
    return max(known, own) if isinstance(own, int) else known


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
