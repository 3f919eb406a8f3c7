"""Where to begin in a log: so many lines before its end, or about at a time. Reads files; changes nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from logist_core.cli.follow import open_log
from logist_core.jobs.holes import hole_of
from logist_core.types.job import JobEvent

_BLOCK_BYTES = 64 * 1024


def offset_of_last_lines(path: str | os.PathLike[str], count: int) -> int:
    """Return the offset at which the last `count` lines begin; 0 where there are fewer, or no file.

    A last line without its newline counts as a line. Reads from the end, no more than it has to. Where the log lacks
    what `--max-log-bytes` dropped, the lines before that don't count: the answer is then where the gap begins.
    """
    fd = open_log(path)
    if fd < 0:
        return 0
    try:
        end = os.fstat(fd).st_size
        if count == 0:
            return end
        # The newline that ends the last line begins no further one.
        start = end - 1 if end and os.pread(fd, 1, end - 1) == b"\n" else end
        while start > 0:
            begin = max(start - _BLOCK_BYTES, 0)
            block = os.pread(fd, start - begin, begin)
            hole = hole_of(path, os.fstat(fd).st_size)
            if hole is not None and begin < hole.end and start > hole.start:
                block = block[max(hole.end - begin, 0) :]
                begin = min(hole.end, start)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                count -= 1
                if count == 0:
                    return begin + at + 1
            if hole is not None and hole.start < begin <= hole.end:
                return hole.start
            start = begin
        return 0
    finally:
        os.close(fd)


def offset_since(directory: Path, stream: str, attempt: int, events: Iterable[JobEvent], cutoff: float) -> int:
    """Return an offset such that everything written after `cutoff` (Unix time) comes after it.

    Logs hold no times. What is known: when the attempt started, when the file was last written, and for every
    change of activity the offset that it was read at. So the answer is exact where nothing was written since, and
    otherwise at or before the true place: it may show some older output, and never hides newer.
    """
    path = directory / f"{stream}.log"
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return 0
    if found.st_mtime < cutoff:
        return found.st_size
    known, current = 0, 0
    for event in events:
        if event.at > cutoff:
            break
        with contextlib.suppress(TypeError, ValueError):
            if event.kind == "attempt.starting":
                current = int(event.data["attempt"])
            offset = event.data.get("offset")
            if event.kind == "activity.changed" and current == attempt and event.data.get("stream") == stream:
                known = max(known, int(offset)) if offset is not None else known
    return min(known, found.st_size)
