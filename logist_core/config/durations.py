"""Durations as people write them: `90`, `5m`, `2h30m`, `1.5h`, `250ms`.

Invariant: `parse_duration(format_duration(s)) == s` for every whole number of milliseconds up to the limit.
"""

from __future__ import annotations

import re

from logist_core.config.text import quoted
from logist_core.errors import UsageError

#: Seconds in each unit, largest first.
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PLAIN = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|[dhms])")

#: Longer durations are surely mistakes: 100 years, in seconds.
MAX_DURATION_S = 100 * 365 * 86400.0


def parse_duration(text: str) -> float:
    """Return a duration in seconds.

    Args:
        text: A plain number of seconds, or numbers with the units `d`, `h`, `m`, `s`, `ms`, largest first, each
            at most once; only the last may have a fraction.

    Raises:
        UsageError: It is neither, or longer than 100 years.
    """
    seconds = _seconds(text.strip().lower())
    if seconds is None:
        raise UsageError(f"{quoted(text, 40)} is not a duration", hint="write seconds (90), or units (5m, 2h30m, 1d)")
    if seconds > MAX_DURATION_S:
        raise UsageError(f"{quoted(text, 40)} is longer than 100 years")
    return seconds


def format_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads as `seconds`, rounded to milliseconds (`2h30m`).

    Args:
        seconds: Not negative, finite.
    """
    left_ms = round(seconds * 1000)
    parts = []
    for unit, unit_s in _UNITS.items():
        count, left_ms = divmod(left_ms, round(unit_s * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _seconds(text: str) -> float | None:
    if _PLAIN.fullmatch(text):
        return float(text)
    units = list(_UNITS)
    # Summed in milliseconds: 0.001-second steps have no exact binary form, and the round trip must be exact.
    total_ms, position, allowed = 0.0, 0, 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or units.index(part[2]) < allowed:
            return None
        if "." in part[1] and part.end() != len(text):
            return None
        total_ms += float(part[1]) * round(_UNITS[part[2]] * 1000)
        allowed = units.index(part[2]) + 1
        position = part.end()
    return total_ms / 1000 if text else None
