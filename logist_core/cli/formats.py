"""How figures read: durations, ages, times, sizes, tables. Pure; widths are in terminal cells."""

from __future__ import annotations

import time
from collections.abc import Sequence

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float | None) -> str:
    """Return `0.4s`, `12.3s`, `4m05s`, `2h07m` or `3d04h`; `-` where it isn't known."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 99.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02d}h"


def age(seconds: float | None) -> str:
    """Return an age in one unit (`3s`, `12m`, `5h`, `9d`), short enough for a table."""
    if seconds is None:
        return "-"
    whole = int(max(seconds, 0.0))
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def clock(at: float) -> str:
    """Return the local time of day, `14:05:09`."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def moment(at: float | None, now: float) -> str:
    """Return a local time that is clear without more context: the day is named unless it is today."""
    if at is None:
        return "-"
    local = time.localtime(at)
    if local[:3] == time.localtime(now)[:3]:
        return time.strftime("%H:%M:%S", local)
    return time.strftime("%Y-%m-%d %H:%M:%S", local)


def size(count: int) -> str:
    """Return a number of bytes as `512 B`, `1.2 KiB`, `3.4 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def plural(count: int, noun: str) -> str:
    """Return `1 job`, `3 jobs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def width(text: str) -> int:
    """Return how many cells `text` takes: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cell(char) for char in text)


def _cell(char: str) -> int:
    import unicodedata

    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, cells: int) -> str:
    """Return `text` in exactly `cells` cells: padded, or cut with `…`."""
    taken = width(text)
    if taken <= cells:
        return text + " " * (cells - taken)
    kept, used = [], 0
    for char in text:
        if used + _cell(char) > cells - 1:
            break
        kept.append(char)
        used += _cell(char)
    return "".join(kept) + "…" * (cells > 0) + " " * (cells - 1 - used)


def columns(rows: Sequence[Sequence[str]], *, total: int | None = None) -> list[list[str]]:
    """Return `rows` with the cells of each column padded to one width.

    Args:
        rows: Cells without colour, all rows equally long.
        total: Width of the terminal; the last column is cut to fit. None: nothing is cut.
    """
    if not rows:
        return []
    widths = [max(width(row[index]) for row in rows) for index in range(len(rows[0]))]
    if total is not None:
        before = sum(widths[:-1]) + 2 * (len(widths) - 1)
        widths[-1] = min(widths[-1], max(total - before, 8))
    return [[fit(cell, widths[index]) for index, cell in enumerate(row)] for row in rows]
