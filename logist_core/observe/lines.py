"""Cuts a stream of bytes into blocks of whole lines. Owns the held-back partial last line, in bounded memory.

Invariant: the blocks and the partial, in order, are the stream (each carriage return as a line feed), except that a
line longer than `max_line` keeps only its first `max_line` bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from logist_core.observe.text import break_lines


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, each with its line feed.

    Attributes:
        offset: Byte offset in the log of its first byte.
        data: The lines; carriage returns are line feeds.
        cut: The block is a single line that was longer than the limit; `data` holds its beginning.
    """

    offset: int
    data: bytes
    cut: bool = False


class LineCutter:
    """Takes pieces of a stream, gives blocks of whole lines.

    Args:
        max_line: Longest line kept, bytes.
        offset: Offset in the log of the first byte that will be fed.
        cut: The first bytes belong to a line whose beginning was thrown away before a restart.
    """

    def __init__(self, max_line: int, offset: int = 0, *, cut: bool = False) -> None:
        """Begin at `offset`."""
        self.max_line = max_line
        self._parts: list[bytes] = []
        self._held = 0
        self._line_start = offset
        self._end = offset
        self._cut = cut
        self._lost_start = cut

    @property
    def partial(self) -> bytes:
        """The beginning of the line that has no end yet; empty after a line break."""
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    @property
    def line_start(self) -> int:
        """Offset in the log of the partial line's first byte."""
        return self._line_start

    @property
    def cut(self) -> bool:
        """Whether bytes of the partial line were thrown away."""
        return self._cut

    def feed(self, piece: bytes) -> list[Block]:
        """Return the lines that `piece` completes."""
        if not piece:
            return []
        piece = break_lines(piece)
        self._end += len(piece)
        last = piece.rfind(b"\n")
        if last < 0:
            self._hold(piece)
            return []
        blocks: list[Block] = []
        body, rest = piece[: last + 1], piece[last + 1 :]
        if self._held or self._cut:
            first = body.find(b"\n") + 1
            self._hold(body[: first - 1])
            if not self._lost_start:
                blocks.append(Block(self._line_start, self.partial + b"\n", self._cut))
            body = body[first:]
        if body:
            blocks.append(Block(self._end - len(rest) - len(body), body))
        self._start_line(self._end - len(rest))
        self._hold(rest)
        return blocks

    def restart(self, offset: int, *, cut: bool = False) -> None:
        """Drop the partial line and go on at `offset`: at a line's beginning, or with `cut` somewhere in one."""
        self._end = offset
        self._start_line(offset)
        self._cut = self._lost_start = cut

    def finish(self) -> list[Block]:
        """Return the partial line as if it had ended."""
        if not self._held or self._lost_start:
            return []
        block = Block(self._line_start, self.partial + b"\n", self._cut)
        self._start_line(self._end)
        return [block]

    def _start_line(self, offset: int) -> None:
        self._parts, self._held, self._line_start = [], 0, offset
        self._cut = self._lost_start = False

    def _hold(self, data: bytes) -> None:
        if not data:
            return
        room = self.max_line - self._held
        if len(data) > room:
            self._cut = True
            data = data[:room]
        if data and not self._lost_start:
            self._parts.append(data)
            self._held += len(data)
