"""The form in which an agent's steps are compared: what varies while the same is done again is taken out.

Invariant: pure, bounded by its input, and total: any text has a key.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

#: So much of a text is normalised; what follows it has to be equal.
_NORMALISED_CHARS = 16_384
#: So much of it is kept readable.
_SHOWN_CHARS = 100


def step_key(text: str) -> str:
    """Return what an action, a result or an error is recognised by: a few words of it, and a checksum of all.

    Numbers, times, hexadecimal ids and the directories of paths don't count, so that a step that is repeated in a new
    temporary directory a second later has the same key; the last parts of paths, and every other word, do. An agent
    plugin puts keys into the fields `action`, `result` and `error` of its signals.

    Args:
        text: Any text; for an action, the tool's name and all of its input.

    Example:
        >>> step_key("cat /tmp/a1/notes.txt at 12:00:01") == step_key("cat /tmp/b2/notes.txt at 12:07:59")
        True
        >>> step_key("cat notes.txt") == step_key("cat todo.txt")
        False
    """
    import zlib

    head, tail = text[:_NORMALISED_CHARS], text[_NORMALISED_CHARS:]
    for pattern, put in _varying():
        head = pattern.sub(put, head)
    head = " ".join(head.split())
    digest = zlib.crc32((head + tail).encode("utf-8", "surrogatepass"))
    return f"{head[:_SHOWN_CHARS]} #{digest:08x}"


@cache
def _varying() -> tuple[tuple[re.Pattern[str], str], ...]:
    import re

    return (
        (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
        # Only the last part of a path tells what is done; every quantifier is possessive or bounded by its class.
        (re.compile(r"(?<![\w./~-])(?:~|\.{1,2})?/(?:[\w.@+~%-]++/)*+"), ""),
        (re.compile(r"\b(?=[0-9a-f-]*[0-9])(?:0x)?[0-9a-f]{7,}+(?:-[0-9a-f]{4,})*+\b", re.IGNORECASE), "0"),
        (re.compile(r"\d+(?:[.,:/-]\d+)*+"), "0"),
        # 900ms and 2s are the same thing, and so are a bar at a third and one at two thirds.
        (re.compile(r"\b0\s?(?:ms|s|secs?|seconds?|m|min|minutes?|h|hours?|%|[kmg]i?b|b)\b", re.IGNORECASE), "0"),
        (re.compile(r"([^\w\s])\1{2,}"), r"\1"),
    )
