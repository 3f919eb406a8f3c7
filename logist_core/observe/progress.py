"""Tells news from noise. Owns the normalised form of output that the sentinel's progress counter rests on.

Invariant: a line that differs from one of the last few hundred only in numbers, times, a spinner's glyph or verb,
or the length of a bar, is not news.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from zlib import crc32

#: So many different lines are remembered.
REMEMBERED = 512
#: So many lines of one read are looked at, the last ones: a flood must not cost more than the news is worth.
LINES_A_READ = 200

_SPINNER = re.compile(r"[\u2800-\u28ff✢✳✴✶✻✽✱✦✧◐-◓◴-◷⏺●○◌\u2217✺❋⣾-⣿]|^\s*[-\\|/·*•](?=\s)")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_QUANTITY = re.compile(
    r"0\s*(?:k|m|g|kb|mb|gb|kib|mib|gib|ms|s|sec|secs|seconds?|min|mins|minutes?|h|hours?|%|tokens?)?\b[\s·,]*(?=0|\b|\W|$)",
    re.IGNORECASE,
)
_QUANTITIES = re.compile(r"\b0(?:\s*0)+\b")
_REPEATED = re.compile(r"([^\w\s])\1{2,}")
_HEX = re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b", re.IGNORECASE)
# An agent's status line: a made-up verb, an ellipsis, then how long it takes already.
_STATUS = re.compile(r"^\s*\W{0,3}\s*[A-Z][\w' -]{2,60}(?:…|\.\.\.)\s*(?:\(|$)")


def normalised(line: str) -> str:
    """Return `line` without what changes while nothing happens."""
    line = line[:400]
    if _STATUS.match(line):
        return "…"
    line = _SPINNER.sub("", line)
    line = _HEX.sub("0", line)
    line = _NUMBER.sub("0", line)
    line = _QUANTITIES.sub("0", _QUANTITY.sub("0", line))
    line = _REPEATED.sub(r"\1", line)
    return " ".join(line.split())


class News:
    """Counts what was not seen lately.

    Args:
        seen: Marks from a checkpoint.
    """

    def __init__(self, seen: Iterable[int] = ()) -> None:
        """Begin with what was seen before."""
        self._seen: dict[int, None] = dict.fromkeys(seen)

    def line(self, line: str) -> bool:
        """Return whether a line of text is news; a blank one never is."""
        text = normalised(line)
        return text != "" and self._is_new(text)

    def event(self, line: str) -> bool:
        """Return whether a structured event is news: anything but an exact repetition is."""
        return self._is_new(line)

    def marks(self) -> list[int]:
        """Return what is remembered, for a checkpoint."""
        return list(self._seen)

    def _is_new(self, text: str) -> bool:
        mark = crc32(text.encode("utf-8", "replace"))
        new = mark not in self._seen
        self._seen.pop(mark, None)
        self._seen[mark] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return new
