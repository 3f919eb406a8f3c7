"""Reads a growing log from where it was left off. Owns the byte offset; never reads a byte twice.

Invariant: `offset` only moves past bytes that were handed out or, on request, skipped. There are two exceptions. A log
that became shorter is counted in `truncations`, and reading starts over at its new beginning. What `--max-log-bytes`
dropped before it was read is counted in `dropped`, and reading goes on behind it.
"""

from __future__ import annotations

import os
import stat

from logist_core.jobs.holes import hole_of, read_around


class Tail:
    """A position in one log file, which need not exist yet.

    No descriptor is kept open between reads: a supervisor watches a thousand logs with the usual limit of 1,024.

    Args:
        path: The log.
        offset: Where to go on, from a checkpoint.

    Attributes:
        offset: Bytes handed out so far.
        size: The log's size at the last look.
        dropped: Bytes that were dropped from the log before they were read.
        truncations: How often the log was found shorter than what had been read, or replaced by something else.
    """

    def __init__(self, path: str, offset: int = 0) -> None:
        """Begin at `offset`; the log is not looked at yet."""
        self.path = path
        self.offset = offset
        self.size = offset
        self.dropped = 0
        self.truncations = 0
        self._written_before = 0

    @property
    def behind(self) -> int:
        """Bytes that were in the log at the last look and have not been read."""
        return max(0, self.size - self.offset)

    @property
    def written(self) -> int:
        """Bytes written so far, as far as is known; never falls, also not when the log is truncated."""
        return self._written_before + max(self.size, self.offset)

    def look(self) -> int:
        """Refresh `size` without reading; return `behind`."""
        self._open_and_read(0)
        return self.behind

    def read(self, max_bytes: int) -> bytes:
        """Return up to `max_bytes` new bytes; empty when there are none, or no such file."""
        return self._open_and_read(max_bytes)

    def skip_to(self, offset: int) -> int:
        """Go on at `offset` without reading what is before it; return how many bytes were left out."""
        left_out = max(0, offset - self.offset)
        self.offset += left_out
        return left_out

    def peek(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to `end` again, without moving; for rebuilding what a checkpoint can't hold.

        Less where some were dropped from the log meanwhile: only what comes after those.
        """
        fd = self._open()
        if fd is None:
            return b""
        try:
            data = os.pread(fd, max(0, end - start), start)
            hole = hole_of(self.path, os.fstat(fd).st_size)
            return data if hole is None or hole.start >= end else data[max(0, hole.end - start) :]
        finally:
            os.close(fd)

    def _open(self) -> int | None:
        # O_NONBLOCK: a FIFO planted in the log's place must not hang the supervisor; O_NOFOLLOW: nor must a link
        # make it read another file.
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        return None

    def _open_and_read(self, max_bytes: int) -> bytes:
        fd = self._open()
        if fd is None:
            return b""
        try:
            size = os.fstat(fd).st_size
            if size < self.offset:
                self.truncations += 1
                self._written_before += self.offset
                self.offset = 0
            self.size = size
            wanted = min(max_bytes, self.behind)
            data, at = read_around(fd, self.path, wanted, self.offset) if wanted else (b"", self.offset)
        except OSError:
            return b""
        finally:
            os.close(fd)
        self.dropped += at - self.offset
        self.offset = at + len(data)
        return data
