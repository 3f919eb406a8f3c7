"""Reads logs around the hole that `--max-log-bytes` makes. Reads only; a runtime makes the hole and its record.

A limited log keeps its head and its tail, and its offsets. What was between them reads as zeros, which nobody may take
for output. Invariant: a hole's record is on disk before the hole is, so a reader that looks at the record *after* it
has read the log knows of every zero that it was given.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from logist_core.types._json import JSON


class Hole(NamedTuple):
    """The part of a log that was dropped: the bytes from `start` to before `end`."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many bytes were dropped."""
        return self.end - self.start


def hole_of(log: str | os.PathLike[str], size_bytes: int | None = None) -> Hole | None:
    """Return the hole in a log, None where nothing of it was dropped.

    Args:
        log: Path of the log.
        size_bytes: The log's size, where it is known: a hole that reaches beyond it is that of a log that somebody
            has cut off since, and doesn't count.
    """
    record = _record(log)
    start, end = record.get("start"), record.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end:
        return None
    return None if size_bytes is not None and end > size_bytes else Hole(start, end)


def why_unbounded(log: str | os.PathLike[str]) -> str | None:
    """Return why a log could not be kept within its limit, None where it could or had none."""
    why = _record(log).get("unbounded")
    return why if isinstance(why, str) else None


def read_around(fd: int, log: str | os.PathLike[str], max_bytes: int, offset: int) -> tuple[bytes, int]:
    """Return up to `max_bytes` bytes from `offset` on, and the offset of the first of them.

    That is `offset`, or the end of the hole where `offset` lies in the hole; nothing returned comes from the hole.
    """
    while True:
        data = os.pread(fd, max_bytes, offset)
        if not data:
            return data, offset
        hole = hole_of(log)
        if hole is None or offset >= hole.end or offset + len(data) <= hole.start:
            return data, offset
        if hole.end > os.fstat(fd).st_size:
            return data, offset
        if offset < hole.start:
            return data[: hole.start - offset], offset
        offset = hole.end


def dropped_text(count: int) -> str:
    """Return what is shown in the place of what was dropped."""
    return f"[... {count} bytes dropped by --max-log-bytes ...]"


def _record(log: str | os.PathLike[str]) -> dict[str, JSON]:
    try:
        fd = os.open(f"{os.fspath(log)}.holes", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return {}
    try:
        value = json.loads(os.read(fd, 4096))
    except (OSError, ValueError):
        return {}
    finally:
        os.close(fd)
    return value if isinstance(value, dict) else {}
