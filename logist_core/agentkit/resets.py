"""Reads the time at which a limit resets out of an agent's words. Pure: the time of reading comes in."""

from __future__ import annotations

import re

from logist_core.types.when import parse_seconds, parse_time

_UNIX = re.compile(r"limit reached\|(\d{10})(?!\d)")
_AFTER = re.compile(
    r"(?:resets?|(?:try|available|retry) again|retry after|retry in)\s*(?:(at|on|after|in)\s+)?(.{1,80})",
    re.I,
)
#: A reset further away than this is no reset but a number that was misread.
MOST_AHEAD_S = 40 * 86_400.0


def reset_time(words: str, read_at: float) -> float | None:
    """Return the Unix time, seconds, of the reset that `words` name, or None where they name none.

    Args:
        words: The message (`You've hit your limit · resets 3pm (Europe/Rome)`, `try again in 2 days 3 hours`).
        read_at: When it was read, Unix time in seconds: a time without a date is its next occurrence.
    """
    if unix := _UNIX.search(words[:4000]):
        return float(unix[1])
    for after in _AFTER.finditer(words[:4000]):
        link, rest = (after[1] or "").lower(), after[2]
        seconds = parse_seconds(rest) if link == "in" and re.match(r"\d", rest) else None
        at = read_at + seconds if seconds is not None else parse_time(rest, read_at)
        if at is not None and read_at - 60.0 <= at <= read_at + MOST_AHEAD_S:
            return at
    return None
