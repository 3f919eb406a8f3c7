"""The state machine of a job as data: which event may come in which phase, with which fields, and what it means.

Invariant: `TRANSITIONS` is the only list of legal transitions. `fold` obeys it, and the reference prints it (`rows`).

A *phase* is finer than a lifecycle. Between the end of an attempt and what becomes of the job there is a moment in
which the lifecycle still reads `starting` or `running`; the journal never ends there, because both are written as one
group (`SETTLING`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from logist_core.types.job import Lifecycle


class Phase(StrEnum):
    """Where a job stands, as far as the legality of the next event goes; the values read well in a message."""

    NEW = "not created"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "settling after an exit"
    UNSTARTED = "settling after a failed start"
    VANISHED = "settling after a loss"
    WAITING = "waiting"
    HELD = "held"
    ENDED = "ended"
    LOST = "lost"  # ended, but late evidence of the exit may still come
    UPGRADING = "lost, its exit now known"


#: The phases that a group of events must not end in: what follows has to be decided in the same transaction.
SETTLING = frozenset({Phase.EXITED, Phase.UNSTARTED, Phase.VANISHED, Phase.UPGRADING})

_ACTIVE = frozenset({Phase.STARTING, Phase.RUNNING})
_SETTLED_ATTEMPT = frozenset({Phase.EXITED, Phase.UNSTARTED, Phase.VANISHED})
_IDLE = frozenset({Phase.QUEUED, Phase.WAITING, Phase.HELD})
_ENDED = frozenset({Phase.ENDED, Phase.LOST})
_CREATED = frozenset(Phase) - {Phase.NEW}

#: What a decision can make of an attempt that really exited.
_BY_EXIT = frozenset({Lifecycle.SUCCEEDED, Lifecycle.FAILED, Lifecycle.CANCELLED, Lifecycle.TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table: an event kind that is legal in some phases.

    Attributes:
        kind: The event's kind.
        sources: The phases in which it may come.
        target: The phase that it leads to; None: the phase stays.
        meaning: One line for the reference.
        lifecycles: For `job.finished`: which lifecycles it may declare, coming from `sources`.
        unless_cancelled: Illegal while somebody's wish to stop the job stands.
    """

    kind: str
    sources: frozenset[Phase]
    target: Phase | None
    meaning: str
    lifecycles: frozenset[Lifecycle] = frozenset()
    unless_cancelled: bool = False


TRANSITIONS: tuple[Transition, ...] = (
    Transition("job.created", frozenset({Phase.NEW}), Phase.QUEUED, "The job was asked for; always the first event."),
    Transition(
        "attempt.starting",
        frozenset({Phase.QUEUED, Phase.WAITING}),
        Phase.STARTING,
        "The next attempt is about to be launched; on disk before anything is started.",
        unless_cancelled=True,
    ),
    Transition("attempt.running", frozenset({Phase.STARTING}), Phase.RUNNING, "The agent's program executes."),
    Transition("attempt.failed_to_start", _ACTIVE, Phase.UNSTARTED, "The agent's program certainly never ran."),
    Transition("attempt.exited", _ACTIVE, Phase.EXITED, "The attempt ended, and how is known."),
    Transition("attempt.lost", _ACTIVE, Phase.VANISHED, "The attempt is gone, and how it ended can't be known."),
    Transition(
        "attempt.exited",
        frozenset({Phase.LOST}),
        Phase.UPGRADING,
        "Late evidence of how a lost attempt ended. One way only: nothing becomes lost that wasn't.",
    ),
    Transition(
        "job.finished",
        _IDLE,
        Phase.ENDED,
        "Nothing runs, and nothing will.",
        frozenset({Lifecycle.CANCELLED, Lifecycle.FAILED, Lifecycle.FAILED_TO_START}),
    ),
    Transition("job.finished", frozenset({Phase.EXITED}), Phase.ENDED, "The attempt's exit ends the job.", _BY_EXIT),
    Transition(
        "job.finished",
        frozenset({Phase.UNSTARTED}),
        Phase.ENDED,
        "The failed start ends the job.",
        frozenset({Lifecycle.FAILED_TO_START, Lifecycle.CANCELLED}),
    ),
    Transition(
        "job.finished",
        frozenset({Phase.VANISHED}),
        Phase.LOST,
        "The loss ends the job; without evidence of an exit there is no other name for it.",
        frozenset({Lifecycle.LOST}),
    ),
    Transition(
        "job.finished",
        frozenset({Phase.VANISHED}),
        Phase.ENDED,
        "Logist itself was ending the attempt, and it is surely gone.",
        frozenset({Lifecycle.CANCELLED, Lifecycle.TIMED_OUT}),
    ),
    Transition("job.finished", frozenset({Phase.UPGRADING}), Phase.ENDED, "The late evidence names the end.", _BY_EXIT),
    Transition(
        "job.waiting",
        _SETTLED_ATTEMPT | {Phase.QUEUED, Phase.WAITING},
        Phase.WAITING,
        "The next attempt starts by itself, not before a time.",
    ),
    Transition(
        "job.held",
        _SETTLED_ATTEMPT | {Phase.QUEUED, Phase.WAITING},
        Phase.HELD,
        "A person has to do something first.",
    ),
    Transition("job.released", frozenset({Phase.HELD}), Phase.QUEUED, "The person did."),
    Transition(
        "job.requeued",
        _SETTLED_ATTEMPT | _ENDED | {Phase.WAITING, Phase.HELD},
        Phase.QUEUED,
        "Another attempt was asked for; the only way back from an end.",
    ),
    Transition(
        "job.cancel_requested",
        _ACTIVE | _IDLE,
        None,
        "Somebody wants the job to end. A wish, carried out by the supervisor.",
    ),
    Transition(
        "activity.changed",
        _ACTIVE | _SETTLED_ATTEMPT | {Phase.UPGRADING},
        None,
        "The agent does something else now, by its output.",
    ),
    Transition("session.seen", _CREATED, None, "The id of the agent's conversation was read."),
    Transition("condition.raised", _CREATED, None, "A condition holds from now on."),
    Transition("condition.cleared", _CREATED, None, "A condition no longer holds."),
    Transition("usage.reported", _CREATED, None, "What the agent says that its attempt has used so far, all of it."),
    Transition("person.asked", _CREATED, None, "Somebody is told, once for all jobs that it concerns."),
    Transition("sentinel.verdict", _CREATED, None, "The sentinel's judgement changed, with its evidence."),
    Transition("sentinel.acted", _CREATED, None, "The supervisor did what the sentinel asked for."),
    Transition("input.sent", _CREATED, None, "Somebody wrote to the agent's input; its content isn't kept."),
    Transition("plugin.fault", _CREATED, None, "A plugin failed, and the job went on without it."),
)

#: Fields of an event's data, by kind: name -> type. A `?` marks one that may be null or left out. Types: `text`,
#: `int`, `number`, `bool`, `object`, `texts` and `ints` (lists), `texts_by_name` (an object of text), or the words that
#: are allowed, separated by `|`. Fields that aren't named here are kept and mean nothing to this version.
FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "job.created": {
            "id": "job id",
            "name": "text?",
            "agent": "text",
            "runtime": "text",
            "labels": "texts_by_name?",
            "priority": "int?",
            "after": "texts?",
            "created_at": "number?",
        },
        "job.held": {
            "reason": "text?",
            "resume": "bool?",
            "prompt": "text?",
            "provider": "text?",
            "credential": "text?",
            "limit": "object?",
        },
        "job.released": {},
        "job.waiting": {
            "not_before": "number?",
            "delay_s": "number?",
            "reason": "text?",
            "claim": "text?",
            "resume": "bool?",
            "prompt": "text?",
            "provider": "text?",
            "credential": "text?",
            "limit": "object?",
        },
        "job.requeued": {"by": "text?", "resume": "bool?", "prompt": "text?"},
        "job.cancel_requested": {"by": "text?", "mode": "stop|kill", "grace_s": "number?"},
        "job.finished": {
            "lifecycle": "succeeded|failed|cancelled|timed_out|failed_to_start|lost",
            "outcome": "text?",
            "reason": "text?",
        },
        "attempt.starting": {
            "attempt": "int",
            "nonce": "text",
            "runtime": "text?",
            "resumed": "bool?",
            "note": "text?",
            "provider": "text?",
            "credential": "text?",
        },
        "attempt.running": {
            "attempt": "int",
            "pid": "int?",
            "handle": "object?",
            "started_at": "number?",
            "awake_s": "number?",
        },
        "attempt.failed_to_start": {"attempt": "int", "error": "text?"},
        "attempt.exited": {
            "attempt": "int",
            "code": "int?",
            "signal": "int?",
            "ended_at": "number?",
            "source": "text?",
            "survivors": "ints?",
            "unread_bytes": "int?",
        },
        "attempt.lost": {"attempt": "int", "reason": "text?"},
        "activity.changed": {
            "state": "text",
            "since": "number?",
            "source": "text?",
            "rule": "text?",
            "stream": "text?",
            "offset": "int?",
            "text": "text?",
            "confidence": "number?",
            "expires": "number?",
        },
        "session.seen": {"session_id": "text"},
        "condition.raised": {"condition": "text", "detail": "text?"},
        "condition.cleared": {"condition": "text"},
        "usage.reported": {
            "attempt": "int",
            "turns": "int?",
            "tokens_in": "int?",
            "tokens_out": "int?",
            "cost_usd": "number?",
        },
        "person.asked": {"claim": "text?", "scope": "text?", "name": "text?", "text": "text"},
        "sentinel.verdict": {"level": "text?", "cause": "text?", "evidence": "texts?", "action": "text?"},
        "sentinel.acted": {"action": "text?", "cause": "text?", "result": "text?"},
        "input.sent": {"by": "text?", "bytes": "int?"},
        "plugin.fault": {"kind": "text?", "name": "text?", "dist": "text?", "version": "text?", "reason": "text?"},
    }
)

#: (kind, phase) -> the rows that allow it.
BY_KIND_AND_PHASE: Mapping[tuple[str, Phase], tuple[Transition, ...]] = MappingProxyType(
    {
        (kind, phase): tuple(row for row in TRANSITIONS if row.kind == kind and phase in row.sources)
        for kind in FIELDS
        for phase in Phase
    }
)


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield the table for the reference: kind, phases it may come in, phase it leads to, meaning."""
    for row in TRANSITIONS:
        if row.sources == _CREATED:
            sources = "any"
        else:
            sources = ", ".join(phase.value for phase in Phase if phase in row.sources)
        target = "(stays)" if row.target is None else row.target.value
        if row.lifecycles:
            target = ", ".join(lifecycle.value for lifecycle in Lifecycle if lifecycle in row.lifecycles)
        yield row.kind, sources, target, row.meaning
