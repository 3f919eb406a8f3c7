"""Reads the time at which a usage limit resets from the CLI's own words. Pure: the time of reading comes in.

A hint without a date means the next time that the clock shows it, in the zone that it names, or else in the local one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_UNIX = re.compile(r"limit reached\|(\d{10})(?!\d)")
_CLOCK = re.compile(
    r"resets?\s+(?:at\s+)?(?:(?P<day>Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+(?:at\s+)?)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap])\.?m\.?(?:\s*\((?P<zone>[A-Za-z_/+\-0-9]{1,40})\))?",
    re.I,
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def reset_time(words: str, read_at: float) -> float | None:
    """Return the Unix time, seconds, of the reset that `words` name, or None where they name none.

    Args:
        words: The message (`You've hit your limit · resets 3pm (Europe/Rome)`).
        read_at: When it was read, Unix time in seconds. The answer is later, by a week at most, unless the message
            holds a Unix time of its own.
    """
    if unix := _UNIX.search(words):
        return float(unix[1])
    clock = _CLOCK.search(words)
    if clock is None:
        return None
    hour, minute = int(clock["hour"]), int(clock["minute"] or 0)
    if not 1 <= hour <= 12 or minute > 59:
        return None
    now = datetime.fromtimestamp(read_at, _zone(clock["zone"], read_at))
    hour = hour % 12 + (12 if clock["half"].lower() == "p" else 0)
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if clock["day"]:
        then += timedelta(days=(_DAYS.index(clock["day"].lower()) - then.weekday()) % 7)
    if then <= now:
        then += timedelta(days=7 if clock["day"] else 1)
    return then.timestamp()


def _zone(name: str | None, read_at: float) -> tzinfo | None:
    if name and name.upper() in ("UTC", "GMT"):
        return UTC  # also on machines without a database of zones
    if name:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # not in this machine's database: as good as no zone at all
            pass
    return datetime.fromtimestamp(read_at).astimezone().tzinfo
