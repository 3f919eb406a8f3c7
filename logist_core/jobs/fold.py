"""The state machine: a job's status is what its journal adds up to.

Invariants: pure, deterministic and total: for any event there is a next status or an `IllegalTransition`, and nothing
else; every prefix of a legal history is one. Kinds that this version doesn't know change nothing, so that a newer
version may write them. Which event is legal when stands in one table, `logist_core.jobs.transitions`.

What the fields of a status mean:

`lifecycle`
    `queued` until the first attempt starts, then what the last event says. It stays `starting` or `running` between
    the end of an attempt and the decision what follows, which are written as one group.
`outcome`
    None until the job has ended, and again after a requeue. Else the `outcome` of `job.finished`, or the lifecycle
    where that names none.
`reason`
    Why the job stands where it stands: from the last `job.held`, `job.waiting` or `job.finished`. None again when the
    job is released, requeued, or starts an attempt.
`exit`
    How the last *ended* attempt exited; None while none has ended, or where that attempt was lost or never ran. It
    stays while the next attempt runs.
`attempt`, `attempts`
    The number of the last attempt, 0 before the first; all of them, oldest first.
`pid`
    The leader's, only while the last attempt is `running`. That attempt's own record keeps it.
`started_at`
    When the first attempt started: as its runtime said in `attempt.running`, and until then when it was launched.
`ended_at`
    None until the job has ended. The end of its last attempt where an exit was recorded; else when it was finished.
`activity`
    By the output of the last attempt. Unknown when an attempt starts; kept, as last evidence, when it has ended.
`conditions`
    Sorted. `cancelling` while `cancel` is set; it can't be raised by hand. `orphaned`, `unresponsive`,
    `log_unbounded`, `stalled` and `suspect` need a running attempt and go with it; all others last until they are
    cleared or an attempt starts.
`cancel`
    What `job.cancel_requested` asked for: `kill` overrides `stop`, `stop` doesn't take back `kill`. None again when
    the job has ended, or when a person requeues it while it waits or is held. A requeue that is *decided at the end
    of an attempt* doesn't take the wish back: the job is then queued, can't start, and is to be finished.
`not_before`
    Only while `waiting`.
`resume`, `resume_prompt`
    From the last `job.waiting` or `job.requeued`, until an attempt runs (one that never started took nothing up) or
    the job ends.
`session_id`
    The last one seen, across attempts.
`provider`, `credential`
    From the last `attempt.starting`, `job.waiting` or `job.held` that names them.
`limit`
    From the last `job.waiting` or `job.held`, until the next attempt starts or the job ends; `lifted` once a person, or
    an observed success, let the job go on.
`usage`
    The sum over all attempts; of each attempt the last `usage.reported`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType

from logist_core.errors import CorruptRecord, IllegalTransition
from logist_core.jobs.ids import is_id
from logist_core.jobs.transitions import BY_KIND_AND_PHASE, FIELDS, SETTLING, Phase
from logist_core.types._json import JSON
from logist_core.types.job import AttemptStatus, Exit, JobEvent, JobStatus, Lifecycle, Limit, Usage
from logist_core.types.signals import UNKNOWN_ACTIVITY, Activity

CANCELLING = "cancelling"
#: Conditions of a running attempt; they go with it.
ATTEMPT_CONDITIONS = frozenset({"orphaned", "unresponsive", "stalled", "suspect", "log_unbounded"})

_LIMIT_FIELDS = tuple(field.name for field in fields(Limit))
_USAGE_FIELDS = tuple(field.name for field in fields(Usage))

_PHASE_OF_ENDED_ATTEMPT = {
    "exited": Phase.EXITED,
    "failed_to_start": Phase.UNSTARTED,
    "lost": Phase.VANISHED,
}


def fold(events: Iterable[JobEvent]) -> JobStatus:
    """Return the status that `events` add up to.

    Raises:
        IllegalTransition: They aren't a legal history; the message names the event.
        CorruptRecord: There are none.
    """
    status: JobStatus | None = None
    for event in events:
        status = apply(status, event)
    if status is None:
        raise CorruptRecord("the journal holds no event")
    return status


def apply(status: JobStatus | None, event: JobEvent) -> JobStatus:
    """Return the status after `event`; None is the status before the first.

    Raises:
        IllegalTransition: The event isn't legal now, or its data lack something.
    """
    phase = phase_of(status)
    data = event.data
    if event.kind not in FIELDS:
        if status is None:
            raise IllegalTransition(f"event {event.seq} is {event.kind!a}, and the first one must be 'job.created'")
        return status
    lifecycle = data.get("lifecycle")
    rows = BY_KIND_AND_PHASE[event.kind, phase]
    if not rows:
        raise IllegalTransition(_refusal(status, phase, event), hint=_advice(phase, event.kind))
    _check_fields(event)
    if rows[0].lifecycles and not any(lifecycle in row.lifecycles for row in rows):
        raise IllegalTransition(f"{_name(status)} can't become {lifecycle} while it is {phase.value}")
    if rows[0].unless_cancelled and status is not None and status.cancel is not None:
        raise IllegalTransition(f"{_name(status)} was asked to {status.cancel}: it can't start")
    if status is None:
        return _created(event)
    handler = _HANDLERS.get(event.kind)
    return status if handler is None else handler(status, event, phase)


def phase_of(status: JobStatus | None) -> Phase:
    """Return the phase of a job, by its status."""
    if status is None:
        return Phase.NEW
    lifecycle = status.lifecycle
    if lifecycle is Lifecycle.LOST:
        return Phase.UPGRADING if status.attempts and status.attempts[-1].state == "exited" else Phase.LOST
    if lifecycle.ended:
        return Phase.ENDED
    if lifecycle in (Lifecycle.STARTING, Lifecycle.RUNNING) and status.attempts:
        ended = _PHASE_OF_ENDED_ATTEMPT.get(status.attempts[-1].state)
        if ended is not None:
            return ended
    return Phase(lifecycle.value)


def is_settling(status: JobStatus) -> bool:
    """Say whether it is still open what follows from an attempt's end; no group of events may stop there."""
    return phase_of(status) in SETTLING


def _created(event: JobEvent) -> JobStatus:
    data = event.data
    created_at = data.get("created_at")
    return JobStatus(
        id=data["id"],
        name=data.get("name"),
        agent=data["agent"],
        runtime=data["runtime"],
        lifecycle=Lifecycle.QUEUED,
        created_at=event.at if created_at is None else created_at,
        labels=MappingProxyType(dict(data.get("labels") or {})),
        priority=data.get("priority") or 0,
        after=tuple(data.get("after") or ()),
    )


def _starting(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    number = event.data["attempt"]
    if number != status.attempt + 1:
        raise IllegalTransition(f"{_name(status)} can't start attempt {number}: the next one is {status.attempt + 1}")
    attempt = AttemptStatus(
        number=number,
        state="starting",
        nonce=event.data["nonce"],
        started_at=event.at,
        resumed=bool(event.data.get("resumed")),
    )
    return replace(
        status,
        lifecycle=Lifecycle.STARTING,
        attempt=number,
        attempts=(*status.attempts, attempt),
        started_at=event.at if not status.attempts else status.started_at,
        activity=UNKNOWN_ACTIVITY,
        conditions=(),
        reason=None,
        pid=None,
        not_before=None,
        limit=None,
        **_account(status, event),
    )


def _running(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    data = event.data
    before = _attempt_of(status, event)
    started_at = data.get("started_at")
    attempt = replace(
        before,
        state="running",
        pid=data.get("pid"),
        handle=data.get("handle"),
        started_at=before.started_at if started_at is None else started_at,
    )
    attempts = (*status.attempts[:-1], attempt)
    return replace(
        status,
        lifecycle=Lifecycle.RUNNING,
        attempts=attempts,
        pid=attempt.pid,
        started_at=attempts[0].started_at,
        resume=False,
        resume_prompt=None,
    )


def _failed_to_start(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    attempt = replace(
        _attempt_of(status, event), state="failed_to_start", ended_at=event.at, reason=event.data.get("error")
    )
    return _attempt_over(status, attempt)


def _exited(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    data = event.data
    code, signal = data.get("code"), data.get("signal")
    if (code is None) == (signal is None):
        raise IllegalTransition("attempt.exited needs either a code or a signal; an end without both is attempt.lost")
    ended_at = data.get("ended_at")
    attempt = replace(
        _attempt_of(status, event),
        state="exited",
        exit=Exit(code=code, signal=signal),
        ended_at=event.at if ended_at is None else ended_at,
        reason=None,
    )
    return _attempt_over(status, attempt)


def _lost(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    # When it ended isn't known either: `ended_at` stays None.
    return _attempt_over(status, replace(_attempt_of(status, event), state="lost", reason=event.data.get("reason")))


def _attempt_over(status: JobStatus, attempt: AttemptStatus) -> JobStatus:
    if attempt.state != "failed_to_start":  # it ran, even where nobody wrote that down
        status = replace(status, resume=False, resume_prompt=None)
    return replace(
        status,
        attempts=(*status.attempts[:-1], attempt),
        pid=None,
        exit=attempt.exit,
        conditions=tuple(name for name in status.conditions if name not in ATTEMPT_CONDITIONS),
    )


def _finished(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    data = event.data
    lifecycle = Lifecycle(data["lifecycle"])
    ended_at: float | None = event.at
    if phase in (Phase.EXITED, Phase.UPGRADING):
        ended_at = status.attempts[-1].ended_at
    return replace(
        status,
        lifecycle=lifecycle,
        outcome=data.get("outcome") or lifecycle.value,
        reason=data.get("reason"),
        ended_at=ended_at,
        cancel=None,
        conditions=_without(status.conditions, CANCELLING),
        not_before=None,
        resume=False,
        resume_prompt=None,
        limit=None,
    )


def _waiting(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    data = event.data
    return replace(
        status,
        lifecycle=Lifecycle.WAITING,
        not_before=data.get("not_before"),
        reason=data.get("reason"),
        resume=bool(data.get("resume")),
        resume_prompt=data.get("prompt"),
        limit=_limit(event),
        **_account(status, event),
    )


def _held(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    resume = event.data.get("resume")
    return replace(
        status,
        lifecycle=Lifecycle.HELD,
        reason=event.data.get("reason"),
        not_before=None,
        resume=status.resume if resume is None else resume,
        resume_prompt=event.data.get("prompt") or status.resume_prompt,
        limit=_limit(event),
        **_account(status, event),
    )


def _released(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    return replace(status, lifecycle=Lifecycle.QUEUED, reason=None, limit=_lifted(status.limit))


def _account(status: JobStatus, event: JobEvent) -> dict[str, JSON]:
    return {name: event.data.get(name) or getattr(status, name) for name in ("provider", "credential")}


def _limit(event: JobEvent) -> Limit | None:
    data = event.data.get("limit")
    if data is None:
        return None
    try:
        limit = Limit(**{name: data[name] for name in _LIMIT_FIELDS if name in data})
        sound = _is_of(limit.seen_at, "number") and (limit.until is None or _is_of(limit.until, "number"))
    except TypeError:
        sound = False
    if not sound or not all(_is_of(getattr(limit, name), "text") for name in ("claim", "scope", "name", "seen_by")):
        raise IllegalTransition(f"{event.kind}: the field 'limit' must be a limit")
    return limit


def _lifted(limit: Limit | None) -> Limit | None:
    return None if limit is None else replace(limit, lifted=True)


def _usage_reported(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    number = event.data["attempt"]
    usage = Usage(**{name: event.data.get(name) for name in _USAGE_FIELDS})
    attempts = tuple(replace(a, usage=usage) if a.number == number else a for a in status.attempts)
    return replace(status, attempts=attempts, usage=_sum(attempt.usage for attempt in attempts))


def _sum(usages: Iterable[Usage]) -> Usage:
    total: dict[str, float] = {}
    for usage in usages:
        for name in _USAGE_FIELDS:
            value = getattr(usage, name)
            if value is not None:
                total[name] = total.get(name, 0) + value
    return Usage(**total)  # type: ignore[arg-type]  # whole numbers add up to whole numbers


def _requeued(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    keeps_cancel = phase in SETTLING
    return replace(
        status,
        lifecycle=Lifecycle.QUEUED,
        outcome=None,
        reason=None,
        ended_at=None,
        not_before=None,
        cancel=status.cancel if keeps_cancel else None,
        conditions=status.conditions if keeps_cancel else _without(status.conditions, CANCELLING),
        resume=bool(event.data.get("resume")),
        resume_prompt=event.data.get("prompt"),
        limit=_lifted(status.limit),
    )


def _cancel_requested(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    mode = "kill" if status.cancel == "kill" else event.data["mode"]
    return replace(status, cancel=mode, conditions=_with(status.conditions, CANCELLING))


def _activity_changed(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    known = {name: event.data[name] for name in FIELDS["activity.changed"] if name in event.data}
    return replace(status, activity=Activity(**known))


def _session_seen(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    return replace(status, session_id=event.data["session_id"])


def _condition_raised(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    name = _condition(event)
    if name in ATTEMPT_CONDITIONS and phase not in (Phase.STARTING, Phase.RUNNING):
        raise IllegalTransition(f"{_name(status)} can't be {name}: it is {phase.value}")
    return replace(status, conditions=_with(status.conditions, name))


def _condition_cleared(status: JobStatus, event: JobEvent, phase: Phase) -> JobStatus:
    return replace(status, conditions=_without(status.conditions, _condition(event)))


def _condition(event: JobEvent) -> str:
    name: str = event.data["condition"]
    if name == CANCELLING:
        raise IllegalTransition(f"{event.kind}: {CANCELLING!r} follows from job.cancel_requested")
    return name


def _with(conditions: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(sorted({*conditions, name}))


def _without(conditions: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(other for other in conditions if other != name)


def _attempt_of(status: JobStatus, event: JobEvent) -> AttemptStatus:
    """Return the last attempt, which must be the one that the event is about."""
    number = event.data["attempt"]
    if number != status.attempt:
        raise IllegalTransition(
            f"{_name(status)}: {event.kind} is about attempt {number}, the last is {status.attempt}"
        )
    return status.attempts[-1]


_HANDLERS: Mapping[str, Callable[[JobStatus, JobEvent, Phase], JobStatus]] = MappingProxyType(
    {
        "attempt.starting": _starting,
        "attempt.running": _running,
        "attempt.failed_to_start": _failed_to_start,
        "attempt.exited": _exited,
        "attempt.lost": _lost,
        "job.finished": _finished,
        "job.waiting": _waiting,
        "job.held": _held,
        "job.released": _released,
        "job.requeued": _requeued,
        "job.cancel_requested": _cancel_requested,
        "activity.changed": _activity_changed,
        "session.seen": _session_seen,
        "usage.reported": _usage_reported,
        "condition.raised": _condition_raised,
        "condition.cleared": _condition_cleared,
    }
)


def _name(status: JobStatus | None) -> str:
    return "the job" if status is None else f"job {status.id}"


def _refusal(status: JobStatus | None, phase: Phase, event: JobEvent) -> str:
    if status is not None and status.lifecycle.ended:
        if event.kind == "job.cancel_requested":
            return f"{_name(status)} has already ended ({status.lifecycle.value}): there is nothing to stop"
        return f"{_name(status)} has ended ({status.lifecycle.value}): {event.kind} can't come any more"
    if event.kind == "job.requeued":
        return f"{_name(status)} is {phase.value}: another attempt can't be asked for now"
    return f"{_name(status)} is {phase.value}: {event.kind} can't come now"


def _advice(phase: Phase, kind: str) -> str | None:
    if kind == "job.requeued" and phase in (Phase.STARTING, Phase.RUNNING):
        return "logist wait JOB, or logist stop JOB"
    return None


def _check_fields(event: JobEvent) -> None:
    for name, kind in FIELDS[event.kind].items():
        value = event.data.get(name)
        if value is None:
            if not kind.endswith("?"):
                raise IllegalTransition(f"{event.kind}: the field {name!r} is missing")
        elif not _is_of(value, kind.removesuffix("?")):
            raise IllegalTransition(f"{event.kind}: the field {name!r} must be {kind.removesuffix('?')}")


def _is_of(value: JSON, kind: str) -> bool:
    check = _CHECKS.get(kind)
    return check(value) if check is not None else value in kind.split("|")


def _is_int(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_CHECKS: Mapping[str, Callable[[JSON], bool]] = MappingProxyType(
    {
        "text": lambda value: isinstance(value, str),
        "job id": lambda value: isinstance(value, str) and is_id(value),
        "int": _is_int,
        "number": lambda value: isinstance(value, float) or _is_int(value),
        "bool": lambda value: isinstance(value, bool),
        "object": lambda value: isinstance(value, Mapping),
        "texts": lambda value: isinstance(value, list | tuple) and all(isinstance(item, str) for item in value),
        "ints": lambda value: isinstance(value, list | tuple) and all(map(_is_int, value)),
        "texts_by_name": lambda value: (
            isinstance(value, Mapping) and all(isinstance(item, str) for pair in value.items() for item in pair)
        ),
    }
)
