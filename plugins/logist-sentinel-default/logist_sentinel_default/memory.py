"""What the policy remembers from one look to the next, and its JSON form.

Invariant: `Memory.of(memory.plain())` equals `memory`; anything that isn't such a form is None, never an error, so
that state written by another version only costs a fresh start of the windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from logist_core.api import Level

_FORM = 2
#: Of so many looks it is remembered whether they found output that was no news.
REDRAWS = 8


@dataclass(slots=True, kw_only=True)
class Gauge:
    """One sign of life.

    Attributes:
        value: As last seen: a growing number, or a text that changes.
        at_s: When it was last seen.
        still_s: Since when it is known to stand still.
        base: Its value then.
        output: `output_bytes` when it was last seen.
    """

    value: float | str
    at_s: float
    still_s: float
    base: float | str
    output: int


@dataclass(slots=True, kw_only=True)
class Memory:
    """The policy's memory. Times are on the clock of `Observation.now_s`.

    Attributes:
        attempt: Whose memory it is.
        now_s: The last look.
        rhythm_s: Seconds between the last two looks; None before the second.
        progress, output_bytes, retries: Counters as last seen.
        news_s: The last news, or the start of what was seen where there were none.
        life_s: When a sign of life last moved, or the windows were started afresh.
        watched_s: Since when somebody looked without a gap.
        excused_s: When there last was a good reason to be silent.
        marks: `[at_s, output_bytes, retries]` at the beginning of the window for rates, and since.
        busy: `retry_storm` or `runaway`: since when that rate has been too high.
        still: Looks in a row that found nothing moved, and no good reason for it.
        redrawn: Which of the last of these found output that was no news: a bit for each, the latest lowest.
        widest_s: The longest time between two of these.
        running: In which of the last looks some process ran: a bit for each, the latest lowest.
        stopped_s: Since when it is stopped by a signal.
        looping_s: Since when the steps repeat one another too often; None: they don't.
        latched: `[cause, level]` of a storm or flood that was found since the last news.
        gauges: The signs of life by name.
        told: Causes of which somebody was told in this episode.
        tried: Remedies asked for in this episode.
        since_act_s: Observed seconds since the last intervention that was asked for, over all attempts.
        pretended: In observe mode: how many interventions there would have been.
    """

    attempt: int
    now_s: float
    rhythm_s: float | None = None
    progress: int
    output_bytes: int
    retries: int
    news_s: float
    life_s: float
    watched_s: float
    excused_s: float = 0.0
    marks: list[list[float]] = field(default_factory=list)
    busy: dict[str, float] = field(default_factory=dict)
    still: int = 0
    redrawn: int = 0
    widest_s: float = 0.0
    running: int = 0
    stopped_s: float | None = None
    looping_s: float | None = None
    latched: list[str] = field(default_factory=list)
    gauges: dict[str, Gauge] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    since_act_s: float | None = None
    pretended: int = 0

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        form: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        form["form"] = _FORM
        form["gauges"] = {
            name: [gauge.value, gauge.at_s, gauge.still_s, gauge.base, gauge.output]
            for name, gauge in self.gauges.items()
        }
        for name in ("latched", "told", "tried"):
            form[name] = list(form[name])
        form["marks"], form["busy"] = [list(mark) for mark in self.marks], dict(self.busy)
        return form

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> Memory | None:
        """Return the memory behind a JSON form, or None where it is none of ours."""
        if form.get("form") != _FORM:
            return None
        try:
            values = {name: _READERS[name](form[name]) for name in _FIELDS}
            gauges = {str(name): _gauge(row) for name, row in form["gauges"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return cls(**values, gauges=gauges)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _maybe_seconds(value: object) -> float | None:
    return None if value is None else _seconds(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(value)
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(value)
    return list(value)


def _latch(value: object) -> list[str]:
    texts = _texts(value)
    if texts:
        _, level = texts
        Level(level)
    return texts


def _marks(value: object) -> list[list[float]]:
    if not isinstance(value, list) or not value:
        raise ValueError(value)
    return [[_seconds(at_s), _count(output), _count(retries)] for at_s, output, retries in value]


def _times(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError(value)
    return {str(name): _seconds(at_s) for name, at_s in value.items()}


def _gauge(row: Any) -> Gauge:
    value, at_s, still_s, base, output = row
    if isinstance(value, str) != isinstance(base, str):
        raise ValueError(row)
    if not isinstance(value, str):
        value, base = _seconds(value), _seconds(base)
    return Gauge(value=value, at_s=_seconds(at_s), still_s=_seconds(still_s), base=base, output=_count(output))


_READERS: Mapping[str, Any] = {
    "attempt": _count,
    "now_s": _seconds,
    "rhythm_s": _maybe_seconds,
    "progress": _count,
    "output_bytes": _count,
    "retries": _count,
    "news_s": _seconds,
    "life_s": _seconds,
    "watched_s": _seconds,
    "excused_s": _seconds,
    "marks": _marks,
    "busy": _times,
    "still": _count,
    "redrawn": _count,
    "widest_s": _seconds,
    "running": _count,
    "stopped_s": _maybe_seconds,
    "looping_s": _maybe_seconds,
    "latched": _latch,
    "told": _texts,
    "tried": _texts,
    "since_act_s": _maybe_seconds,
    "pretended": _count,
}
_FIELDS = tuple(_READERS)
