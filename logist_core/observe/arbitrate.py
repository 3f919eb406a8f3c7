"""Concludes what the agent is doing from everything that was claimed. A declared policy, as one pure function.

The policy, in the order in which it is applied:

1. *Age.* A claim is believed for its lease (`Signal.lease_s`, else `DEFAULT_LEASES_S`, else without limit). A claim
   of `rate_limited` with a reset time is believed until then. `working` from an event that opened a tool call is
   believed until the call is closed (or its own budget, doubled, is over).
2. *Admission.* Process and workspace facts can only say `working`: they acquit, they never convict or say "done".
   `completed`, `auth_failed`, `rate_limited`, `billing` and `failed` from text, screen or title have to stand for
   `CONFIRM_S` without newer evidence of work, or until the attempt has ended. `crashed` from text, screen or title
   is believed only once the attempt has ended.
3. *Cleared.* A signal whose `fields` hold `clears` withdraws the earlier claims of that rule: the prompt has left the
   screen, the question was answered. Newer `working` of the same or a stronger source withdraws prompts and
   problems; nothing withdraws a final event but a later event.
4. *Within a source* the newest claim speaks, except that a weak one (confidence under `WEAK`) doesn't replace a surer
   one that still stands.
5. *Between sources* the order is event, title, screen, text, exit, process, workspace. A mere `working` yields to
   anything newer from a weaker source: it is only a lease.
6. Nothing left: `unknown`. Silence, and text that nothing matches, are never `waiting_input` and never `completed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeGuard

from logist_core.types.signals import UNKNOWN_ACTIVITY, Activity, Claim, Signal, Source

#: A terminal claim that was read, not reported, has to stand for so long.
CONFIRM_S = 1.0
#: Confidence under which a claim doesn't replace a surer one.
WEAK = 0.6
#: With an open tool call and no budget of its own, `working` is believed for so long.
OPEN_TOOL_LEASE_S = 600.0

#: Seconds for which a claim without a lease of its own is believed; claims that aren't here, without limit.
DEFAULT_LEASES_S: Mapping[Claim, float] = MappingProxyType(
    {
        Claim.WORKING: 120.0,
        Claim.OVERLOADED: 300.0,
        Claim.NETWORK_DOWN: 300.0,
        Claim.RATE_LIMITED: 3_600.0,
        Claim.TOOL_ERROR: 30.0,
        Claim.HOOK_BLOCKED: 120.0,
    }
)

_ORDER = {source: rank for rank, source in enumerate(Source)}
_READ = frozenset({Source.TITLE, Source.SCREEN, Source.TEXT})
_FACTS = frozenset({Source.PROCESS, Source.WORKSPACE})
_CONFIRM = frozenset({Claim.COMPLETED, Claim.AUTH_FAILED, Claim.RATE_LIMITED, Claim.BILLING, Claim.FAILED})


def arbitrate(signals: Sequence[Signal], now: float, *, ended: bool = False) -> Activity:
    """Return what the agent is doing.

    Args:
        signals: Oldest first. Signals without a time count as read at `now`.
        now: Unix time, seconds.
        ended: The attempt has ended: nothing is awaited any more, and leases no longer run out.
    """
    standing = _standing(signals, now, ended)
    opinions = [_opinion(standing[source]) for source in sorted(standing, key=_ORDER.__getitem__)]
    chosen: tuple[int, Signal] | None = None
    for place, signal in opinions:
        if chosen is None or (chosen[1].claim is Claim.WORKING and place > chosen[0]):
            chosen = (place, signal)
    return UNKNOWN_ACTIVITY if chosen is None else _activity(chosen, signals, now, ended)


def next_change(signals: Sequence[Signal], now: float) -> float | None:
    """Return when `arbitrate` may answer otherwise though nothing new was read: a lease ends, a claim is confirmed.

    Returns:
        Unix time, seconds, later than `now`; None: never by itself.
    """
    closed = _closed_tools(signals)
    moments: list[float] = []
    for signal in signals:
        if signal.claim is None or signal.at is None:
            continue
        if (end := expiry(signal, closed)) is not None:
            moments.append(end)
        if _waits_for_confirmation(signal):
            moments.append(signal.at + CONFIRM_S)
    return min((moment for moment in moments if moment > now), default=None)


def expiry(signal: Signal, closed_tools: frozenset[str] = frozenset()) -> float | None:
    """Return when `signal` is no longer believed, Unix seconds; None: it is believed for as long as it stands."""
    if signal.claim is None or signal.at is None:
        return None
    tool = signal.fields.get("tool_open")
    if signal.claim is Claim.WORKING and isinstance(tool, str) and tool not in closed_tools:
        budget = signal.fields.get("tool_budget_s")
        return signal.at + (2.0 * budget if _is_number(budget) and budget > 0 else OPEN_TOOL_LEASE_S)
    resets_at = signal.fields.get("resets_at")
    if signal.claim is Claim.RATE_LIMITED and _is_number(resets_at):
        return max(float(resets_at), signal.at)
    lease = signal.lease_s if signal.lease_s is not None else DEFAULT_LEASES_S.get(signal.claim)
    if signal.final or lease is None:
        return None
    return signal.at + lease


def _standing(signals: Sequence[Signal], now: float, ended: bool) -> dict[Source, list[tuple[int, Signal]]]:
    """Return, by source, the claims that still stand, each with its place in `signals`, oldest first."""
    closed = _closed_tools(signals)
    standing: dict[Source, list[tuple[int, Signal]]] = {}
    cleared: set[str] = set()
    worked = len(_ORDER)  # rank of the strongest source with newer evidence of work
    finals = [place for place, s in enumerate(signals) if s.final and s.source is Source.EVENT and s.claim is not None]
    last_final = finals[-1] if finals else -1
    # Newest first: what clears is met before what it clears.
    for place in range(len(signals) - 1, -1, -1):
        signal = signals[place]
        clears = signal.fields.get("clears")
        if isinstance(clears, str):
            cleared.add(clears)
        if signal.claim is None:
            continue
        if place < last_final or (signal.source is not Source.EVENT and last_final >= 0):
            continue  # the run is over: the agent said so, and only an event can say otherwise
        if signal.source in _FACTS and signal.claim is not Claim.WORKING:
            continue
        rank = _ORDER[signal.source]
        withdrawn = signal.rule in cleared or (
            worked <= rank and not signal.final and signal.claim is not Claim.WORKING
        )
        if signal.claim is Claim.WORKING and signal.confidence >= WEAK:
            worked = min(worked, rank)  # also when it has left: what it withdrew doesn't come back
        if withdrawn:
            continue
        if not ended and _is_out_of_time(signal, closed, now):
            continue
        standing.setdefault(signal.source, []).append((place, signal))
    for claims in standing.values():
        claims.reverse()
    return standing


def _is_out_of_time(signal: Signal, closed: frozenset[str], now: float) -> bool:
    """Whether `signal` isn't believed any more, or not yet."""
    at = _at(signal, now)
    end = expiry(signal, closed)
    if end is not None and end <= now:
        return True
    if signal.source not in _READ:
        return False
    # One that seems to come from the future was read before the clock was set back: it isn't put off until then.
    return signal.claim is Claim.CRASHED or (_waits_for_confirmation(signal) and 0 <= now - at < CONFIRM_S)


def _opinion(claims: list[tuple[int, Signal]]) -> tuple[int, Signal]:
    newest = claims[-1]
    if newest[1].confidence >= WEAK:
        return newest
    sure = [entry for entry in claims if entry[1].confidence >= WEAK and entry[1].claim is not Claim.WORKING]
    return sure[-1] if sure else newest


def _activity(chosen: tuple[int, Signal], signals: Sequence[Signal], now: float, ended: bool) -> Activity:
    place, signal = chosen
    since = _at(signal, now)
    # A look at a screen finds several claims at once: only a moment without this claim ends its run.
    moments = {_at(other, now) for other in signals[:place] if other.claim is signal.claim}
    for earlier in reversed(signals[:place]):
        if earlier.claim is signal.claim:
            since = min(since, _at(earlier, now))
        elif earlier.claim is not None and _at(earlier, now) not in moments and _at(earlier, now) < since:
            break
    assert signal.claim is not None
    return Activity(
        state=signal.claim.value,
        since=since,
        source=signal.source.value,
        rule=signal.rule,
        stream=signal.stream,
        offset=signal.offset,
        text=signal.text,
        confidence=signal.confidence,
        expires=None if ended else expiry(signal, _closed_tools(signals)),
    )


def _at(signal: Signal, now: float) -> float:
    return now if signal.at is None else signal.at


def _waits_for_confirmation(signal: Signal) -> bool:
    return signal.source in _READ and signal.claim in _CONFIRM


def _closed_tools(signals: Iterable[Signal]) -> frozenset[str]:
    return frozenset(s.fields["tool_closed"] for s in signals if isinstance(s.fields.get("tool_closed"), str))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
