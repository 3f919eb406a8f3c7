"""Reads the times and durations that agents print. Pure: the present comes in; what can't be read is None.

A time without a date is its next occurrence, a weekday the next such day, in the zone that is named or else in the
local one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import timezone as fixed_zone

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_UNIT_NAMES = {
    "millisecond": "ms",
    "msec": "ms",
    "second": "s",
    "sec": "s",
    "minute": "m",
    "min": "m",
    "hour": "h",
    "hr": "h",
    "day": "d",
    "week": "w",
}
_DURATION = re.compile(
    r"(\d{1,9}(?:[.,]\d{1,9})?)\s*(ms|[smhdw]|milliseconds?|msecs?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?<![\d:])(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s*([ap])\.?m\b\.?|(?<![\d:])(\d{1,2}):(\d{2})", re.IGNORECASE
)
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?")
_SLASHED = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    rf"\b({'|'.join(_MONTHS)})[a-z]*\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?(?!\d|:)", re.IGNORECASE
)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = re.compile(rf"\b({'|'.join(_WEEKDAYS)})[a-z]*\b", re.IGNORECASE)
_ZONE_NAME = re.compile(r"\b([A-Z][A-Za-z_]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?)\b")
_ZONE_ABBREVIATION = re.compile(r"\b(UTC|GMT|P[SD]T|M[SD]T|C[SD]T|E[SD]T|CES?T|BST|JST|IST)\b")
#: Hours east of UTC. An abbreviation that means several places has the one from which the vendors write.
_ABBREVIATIONS = {
    "UTC": 0.0, "GMT": 0.0, "PST": -8.0, "PDT": -7.0, "MST": -7.0, "MDT": -6.0, "CST": -6.0, "CDT": -5.0,
    "EST": -5.0, "EDT": -4.0, "CET": 1.0, "CEST": 2.0, "BST": 1.0, "JST": 9.0, "IST": 5.5,
}  # fmt: skip


def parse_seconds(text: str) -> float | None:
    """Return a duration in seconds: `2 days 17 hours 14 minutes`, `1h 5m`, `0.2 seconds`, `600ms`, `33`."""
    total, found = 0.0, False
    for number, unit in _DURATION.findall(text):
        name = unit.lower()
        if name not in _UNITS:
            name = _UNIT_NAMES[name.rstrip("s")]
        total += float(number.replace(",", ".")) * _UNITS[name]
        found = True
    if found:
        return total
    try:
        value = float(text.strip())
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None


def parse_time(text: str, now: float) -> float | None:
    """Return the Unix time, seconds, that a reset text names, or None.

    Args:
        text: `3:45pm`, `Mon 12:00am`, `12:50am (America/Los_Angeles)`, `Oct 4th, 2026 9:12 AM`, `11/17/2025`,
            `in 2 hours 5 minutes`, an ISO 8601 time, or Unix seconds or milliseconds.
        now: The present, Unix seconds.
    """
    text = text.strip()[:200]
    if re.fullmatch(r"\d{10}(?:\.\d{1,6})?|\d{13}", text):
        return float(text) / (1000.0 if len(text) == 13 else 1.0)
    try:
        return _calendar_time(text, now)
    except (ValueError, OverflowError, OSError):
        return None


def _calendar_time(text: str, now: float) -> float | None:
    zone = _zone(text)
    if iso := _ISO.search(text):
        suffix = (iso[3] or "").replace("Z", "+00:00")
        moment = datetime.fromisoformat(f"{iso[1]}T{iso[2]}{suffix}")
        return _stamp(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    clock = _CLOCK.search(text)
    hour, minute = _hour_and_minute(clock) if clock else (0, 0)
    here = datetime.fromtimestamp(now, zone) if zone else datetime.fromtimestamp(now).astimezone()
    at = here.replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=zone)
    if date := _DATE.search(text):
        month = _MONTHS.index(date[1].lower()[:3]) + 1
        at = at.replace(month=month, day=int(date[2]), year=int(date[3] or at.year))
        if not date[3] and _stamp(at) < now - 86_400:
            at = at.replace(year=at.year + 1)
        return _stamp(at)
    if slashed := _SLASHED.search(text):
        return _stamp(at.replace(month=int(slashed[1]), day=int(slashed[2]), year=int(slashed[3])))
    if weekday := _WEEKDAY.search(text):
        days = (_WEEKDAYS.index(weekday[1].lower()[:3]) - here.weekday()) % 7
        at += timedelta(days=days)
        return _stamp(at if _stamp(at) > now else at + timedelta(days=7))
    if clock:
        if "tomorrow" in text.lower():
            return _stamp(at + timedelta(days=1))
        return _stamp(at if _stamp(at) > now else at + timedelta(days=1))
    seconds = parse_seconds(text) if _DURATION.search(text) else None
    return None if seconds is None else now + seconds


def _stamp(moment: datetime) -> float:
    return moment.timestamp()  # a naive time is local


def _hour_and_minute(clock: re.Match[str]) -> tuple[int, int]:
    if clock[4] is not None:
        return int(clock[4]), int(clock[5])
    hour = int(clock[1])
    if not 1 <= hour <= 12:
        raise ValueError(clock[0])
    return hour % 12 + (12 if clock[3].lower() == "p" else 0), int(clock[2] or 0)


def _zone(text: str) -> tzinfo | None:
    if named := _ZONE_NAME.search(text):
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(named[1])
        except (KeyError, ValueError, OSError):  # unknown here, or a name that is no zone
            return None
    if short := _ZONE_ABBREVIATION.search(text):
        hours = _ABBREVIATIONS[short[1]]
        return UTC if hours == 0 else fixed_zone(timedelta(hours=hours))
    return None
