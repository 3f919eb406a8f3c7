"""Makes signals of what was read: hits of rules, and what an agent plugin's parser returns.

Invariant: a signal that leaves this module is safe to print and to store: its text is sanitised and bounded, its
fields are plain, few and short, whoever made it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeGuard

from logist_core.observe.arbitrate import WEAK
from logist_core.observe.matcher import Hit
from logist_core.observe.text import sanitise
from logist_core.types._json import JSON
from logist_core.types.signals import Claim, Signal, Source
from logist_core.types.when import parse_seconds, parse_time

if TYPE_CHECKING:
    from logist_core.protocols import Agent

_RETRYING = frozenset({Claim.OVERLOADED, Claim.NETWORK_DOWN, Claim.RATE_LIMITED, Claim.AUTH_FAILED})
_MAX_FIELDS = 24
_MAX_SIGNALS_A_LINE = 32
#: One line may take a parser so long, seconds; the third slower one switches it off.
SLOW_PARSE_S = 0.25
_MAX_SLOW = 3


def signal_of(hit: Hit, *, source: Source, stream: str, now: float) -> Signal:
    """Return the signal that a rule's hit claims."""
    fields: dict[str, JSON] = {}
    for name, kind in hit.rule.fields.items():
        text = hit.captured.get(name)
        if text is not None and (value := _convert(text, kind, now)) is not None:
            fields[name] = value
    return Signal(
        claim=hit.rule.claim,
        source=source,
        rule=hit.rule_id,
        stream=stream,
        offset=hit.offset,
        text=sanitise(hit.text),
        confidence=hit.rule.confidence,
        at=now,
        lease_s=hit.rule.lease_s,
        final=hit.rule.final,
        fields=fields,
    )


def _convert(text: str, kind: str, now: float) -> JSON:
    try:
        match kind:
            case "int":
                return int(text.replace(",", "").replace("_", "")[:18])
            case "float":
                value = float(text.replace(",", "")[:40])
                return value if math.isfinite(value) else None
            case "seconds":
                return parse_seconds(text)
            case "time":
                return parse_time(text, now)
            case _:
                return sanitise(text, 200) or None
    except ValueError:
        return None


def in_screen_order(signals: Iterable[Signal]) -> list[Signal]:
    """Return what one look at a screen shows, weakest first: traces of work, composer, spinner, messages, dialogs.

    The order in which rows are arranged says nothing: a composer is shown below a spinner while the agent works.
    """
    return sorted(signals, key=_screen_rank)


def _screen_rank(signal: Signal) -> int:
    match signal.claim:
        case Claim.WORKING:
            return 2 if signal.confidence >= WEAK else 0
        case Claim.WAITING_INPUT:
            return 1
        case Claim.PERMISSION_PROMPT | Claim.UPDATE_PROMPT:
            return 4
        case _:
            return 3


def is_retry(signal: Signal) -> bool:
    """Whether `signal` says that the agent tries the same thing again, rather than goes on."""
    fields = signal.fields
    return signal.claim in _RETRYING and ("retry_in_s" in fields or "attempt" in fields)


def clean_fields(fields: object) -> dict[str, JSON]:
    """Return the entries of `fields` that are short names with plain, short values; nothing for anything else."""
    if not isinstance(fields, Mapping):
        return {}
    kept: dict[str, JSON] = {}
    for name, value in islice(fields.items(), _MAX_FIELDS):
        if not isinstance(name, str) or not name.isidentifier() or len(name) > 64:
            continue
        if isinstance(value, str):
            kept[name] = sanitise(value, 500)
        elif value is None or isinstance(value, bool):
            kept[name] = value
        elif isinstance(value, int):
            if abs(value) < 2**63:
                kept[name] = value
        elif isinstance(value, float) and math.isfinite(value):
            kept[name] = value
    return kept


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class GuardedParser:
    """Calls `Agent.parse` so that a broken plugin costs a report, not the job.

    Args:
        agent: The plugin, or None: nothing is parsed.
        name: Its name, for reports.

    Attributes:
        reports: What went wrong, a line for each kind of fault.
    """

    def __init__(self, agent: Agent | None, name: str) -> None:
        """Take the plugin; it is not called yet."""
        self._agent = agent
        self._name = name
        self._reported: set[str] = set()
        self._slow = 0
        self.reports: list[str] = []

    def parse(self, line: str, stream: str, offset: int, now: float) -> list[Signal]:
        """Return the signals of one line; none when the plugin fails on it."""
        if self._agent is None:
            return []
        began = time.perf_counter()
        try:
            return list(self._checked(line, stream, offset, now))
        except Exception as error:  # noqa: BLE001 - third-party code
            self._report(
                type(error).__name__, f"parse raised {type(error).__name__}: {sanitise(str(error), 200)}", offset
            )
            return []
        finally:
            if time.perf_counter() - began > SLOW_PARSE_S:
                self._slow += 1
                if self._slow == _MAX_SLOW:
                    self._agent = None
                    self._report(
                        "slow", f"parse needed more than {SLOW_PARSE_S} s on {_MAX_SLOW} lines; switched off", offset
                    )

    def _checked(self, line: str, stream: str, offset: int, now: float) -> Iterator[Signal]:
        assert self._agent is not None
        for made in islice(self._agent.parse(line, stream), _MAX_SIGNALS_A_LINE):
            if not isinstance(made, Signal):
                self._report("type", f"parse returned {type(made).__name__}, not a Signal", offset)
                continue
            yield replace(
                made,
                claim=None if made.claim is None else Claim(made.claim),
                source=Source.EVENT,
                rule=sanitise(str(made.rule), 120),
                stream=stream,
                offset=offset,
                text=sanitise(str(made.text)) or sanitise(line),
                confidence=min(1.0, max(0.0, float(made.confidence))) if _is_number(made.confidence) else 0.5,
                at=now,
                lease_s=float(made.lease_s) if _is_number(made.lease_s) and made.lease_s > 0 else None,
                final=bool(made.final),
                fields=clean_fields(made.fields),
            )

    def _report(self, key: str, text: str, offset: int) -> None:
        if key not in self._reported and len(self._reported) < 16:
            self._reported.add(key)
            self.reports.append(f"agent plugin {self._name}: {text} (line at byte {offset})")
