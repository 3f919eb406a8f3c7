"""Takes secrets out of what an attached terminal is shown. Invariant: every cell stays where it was.

A terminal is drawn by cells, so a value is covered by as many asterisks as it has characters. A value that is cut in
two by a border between pieces is found as well: an end of at least `MIN_SECRET_CHARS` bytes that may be the beginning
of one waits for the next piece (a shorter one may be what somebody is typing, and is shown). It guards against a value
that is printed by accident, not against one that is coloured, wrapped or encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from logist_core.cli.text import MIN_SECRET_CHARS

if TYPE_CHECKING:
    from logist_core.protocols import AttachChannel, AttachEvent


class Mask:
    """Covers values in bytes that come in pieces."""

    def __init__(self, values: Iterable[str]) -> None:
        """Cover `values`; very short ones are left alone."""
        wanted = {v.encode("utf-8", "surrogateescape") for v in values if len(v) >= MIN_SECRET_CHARS}
        self._values = sorted(wanted, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._values))) if wanted else None
        self._shown = b""  # the end of what was shown, as it was: a value may have begun there
        self._held = b""

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """Return what can be shown; with `last`, all of it, and nothing that follows belongs to it."""
        if self._pattern is None:
            return data
        text = self._shown + self._held + data
        at = len(self._shown)
        pieces: list[bytes] = []
        covered = 0
        for match in self._pattern.finditer(text):
            begin = max(match.start(), at)
            pieces += text[at:begin], b"*" * _cells(text[begin : match.end()])
            covered = match.end()
            at = max(covered, at)
        begun = 0 if last else max(_overlap(text[covered:], value) for value in self._values)
        held = min(begun, len(text) - at)
        end = len(text) - held
        self._held = text[end:]
        self._shown = b"" if last else text[max(0, end - MIN_SECRET_CHARS + 1) : end]
        return b"".join([*pieces, text[at:end]])


def _cells(data: bytes) -> int:
    """Return how many characters UTF-8 bytes begin."""
    return sum(byte & 0xC0 != 0x80 for byte in data)


def _overlap(data: bytes, value: bytes) -> int:
    """Return the length of the longest end of `data` with which `value` begins; 0 where that is too short to tell."""
    for size in range(min(len(data), len(value) - 1), MIN_SECRET_CHARS - 1, -1):
        if data.endswith(value[:size]):
            return size
    return 0


class MaskedChannel:
    """An `AttachChannel` that shows no secret; all else goes to the channel behind it."""

    def __init__(self, channel: AttachChannel, values: Iterable[str]) -> None:
        """Mask `channel`."""
        self._channel = channel
        self._mask = Mask(values)

    def fileno(self) -> int:
        """Return the channel's descriptor."""
        return self._channel.fileno()

    def receive(self) -> list[AttachEvent]:
        """Return what has come, masked."""
        events: list[AttachEvent] = []
        for event in self._channel.receive():
            over = event.kind in ("exit", "closed")
            # A screen that is drawn anew makes what was held back of the old one stale.
            rest = self._mask.feed(b"", last=True) if over or event.kind == "screen" else b""
            if over and rest:
                events.append(replace(event, kind="output", data=rest, exit=None))
            events.append(replace(event, data=self._mask.feed(event.data)) if event.data else event)
        return events

    def send(self, data: bytes) -> None:
        """Type `data`."""
        self._channel.send(data)

    def resize(self, cols: int, rows: int) -> None:
        """Say the viewer's size."""
        self._channel.resize(cols, rows)

    def close(self) -> None:
        """Detach."""
        self._channel.close()
