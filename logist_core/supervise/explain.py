"""Why a job stands where it stands: what was read, what was overruled, what the sentinel said, did, and will do.

Invariant: it reads, and runs nothing but the sentinel policy and the arbitration, which are pure; so a job is the same
after it was explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from logist_core.sentinel.guard import Guard
from logist_core.sentinel.recording import Begin, Look, recorded
from logist_core.types._json import JSON, plain, rebuilt
from logist_core.types.job import JobEvent
from logist_core.types.signals import Activity, Signal
from logist_core.types.watch import Action, Verdict

if TYPE_CHECKING:
    from logist_core.protocols import Sentinel

#: The sentinel is asked so often, at the most, what it would do if nothing moved any more.
_MOST_STEPS = 2_000
_HORIZON_S = 24 * 3600.0
_MOST_OVERRULED = 10
_MOST_ACTS = 20


@dataclass(frozen=True, slots=True)
class Overruled:
    """A claim that doesn't speak, and why."""

    signal: Signal
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What the sentinel will say or do if nothing moves any more.

    Attributes:
        at: Unix time, seconds.
        level, cause, action: As in `Verdict`.
    """

    at: float
    level: str
    cause: str
    action: str


def overruled(record: JSON, activity: Activity, now: float, *, ended: bool) -> list[Overruled]:
    """Return the last claims that don't speak, newest first.

    Args:
        record: An observer's checkpoint.
        activity: The one that speaks.
        now: Unix time, seconds.
        ended: The attempt has ended.
    """
    from logist_core.observe.arbitrate import arbitrate, expiry

    found: dict[tuple[str, str], Overruled] = {}
    signals = record.get("signals") if isinstance(record, dict) else None
    for item in reversed(signals or []):
        signal: Signal = rebuilt(Signal, item)
        if signal.claim is None or (signal.claim.value, signal.rule) in found:
            continue
        if (signal.claim.value, signal.rule) == (activity.state, activity.rule):
            continue
        ends = expiry(signal)
        if ends is not None and ends <= now and not ended:
            why = f"its lease ended {now - ends:.0f} s ago"
        elif arbitrate((signal,), now, ended=ended).state == "unknown":
            why = "not believed: by itself it is too weak, or not yet confirmed"
        elif signal.source.value != activity.source:
            why = f"{activity.source or 'another source'} is the stronger evidence, or newer"
        else:
            why = "an older claim of the same source"
        found[signal.claim.value, signal.rule] = Overruled(signal, why)
        if len(found) == _MOST_OVERRULED:
            break
    return list(found.values())


def acts(events: Sequence[JobEvent]) -> list[dict[str, JSON]]:
    """Return what the sentinel did, oldest first, each with the evidence that was journalled before it."""
    done: list[dict[str, JSON]] = []
    evidence: JSON = []
    for event in events:
        if event.kind == "sentinel.verdict":
            evidence = event.data.get("evidence") or []
        elif event.kind == "sentinel.acted":
            action, cause = event.data.get("action"), event.data.get("cause")
            done.append({"at": event.at, "action": action, "cause": cause, "evidence": list(evidence)})
    return done[-_MOST_ACTS:]


def last_look(directory: Path) -> Look | None:
    """Return the sentinel's last look at the attempt in `directory`."""
    return next((entry for entry in reversed(list(recorded(directory))) if isinstance(entry, Look)), None)


def ahead(directory: Path, sentinel: Sentinel) -> list[Ahead]:
    """Return what `sentinel` will say and do about a running attempt if nothing moves any more, in order."""
    guard: Guard | None = None
    look: Look | None = None
    vitals = None
    for entry in recorded(directory):
        if isinstance(entry, Begin):
            guard = Guard(sentinel, entry.state or None)
        elif isinstance(entry, Look) and guard is not None:
            look = entry
            vitals = entry.seen.vitals or vitals
            guard.step(entry.seen)
            if not entry.carried_out:
                guard.take_back()
    if guard is None or look is None:
        return []
    seen = replace(look.seen, vitals=vitals)
    last, verdict = (look.verdict.level, look.verdict.cause), look.verdict
    coming: list[Ahead] = []
    for _ in range(_MOST_STEPS):
        step_s = _pause_s(verdict)
        seen = replace(seen, now_s=seen.now_s + step_s, wall=seen.wall + step_s, period_s=step_s)
        verdict = guard.step(seen)
        if (verdict.level, verdict.cause) != last or verdict.action is not Action.NONE:
            coming.append(
                Ahead(at=seen.wall, level=verdict.level.value, cause=verdict.cause, action=verdict.action.value)
            )
        last = (verdict.level, verdict.cause)
        if verdict.action not in (Action.NONE, Action.NOTIFY):
            seen = replace(seen, interventions=seen.interventions + 1)
        if verdict.action in (Action.STOP, Action.RESUME) or seen.now_s - look.seen.now_s > _HORIZON_S:
            break
    return coming


def _pause_s(verdict: Verdict) -> float:
    return min(max(verdict.look_again_s or 5.0, 0.25), 60.0)


def as_json(items: Sequence[Overruled]) -> list[JSON]:
    """Return overruled claims as JSON."""
    return [{**plain(item.signal), "why": item.why} for item in items]
