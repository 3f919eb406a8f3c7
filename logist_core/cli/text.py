"""Makes untrusted text safe for a terminal: whatever an agent, a prompt or a plugin wrote goes through here.

Invariant: what comes out holds no control character but newline and tab, and no escape sequence but, where colour
is on, well-formed SGR (`ESC [ digits;: m`); the result doesn't depend on how the input was cut into chunks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from functools import cache

#: Ends what an agent coloured and did not reset.
RESET = "\x1b[0m"

#: What stands where a secret stood.
REDACTED = "[redacted]"

#: Shorter values aren't redacted: replacing every `1` or `yes` hides the output and protects nothing.
MIN_SECRET_CHARS = 4

# Marks, embeddings, overrides and isolates: they reorder what a person reads.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_DROPPED = f"\\x00-\\x08\\x0b\\x0c\\x0e-\\x1a\\x1c-\\x1f\\x7f-\\x9f{_BIDI}"
_SEPARATOR = "\u2028\u2029"
_SURROGATE = "\ud800-\udfff"

# Where something unsafe may begin. Kept apart from the grammar below because one character class is searched at
# memory speed, and nearly all output is plain.
_SUSPECT = f"[{_DROPPED}{_SEPARATOR}{_SURROGATE}\\x1b\\r]"

# The bounds keep what is held back between two chunks small. No terminal knows a longer sequence, so what exceeds
# them is shown as the text that it is. A terminal would swallow a string (OSC, DCS, SOS, PM, APC) up to its
# terminator, and one unterminated string could hide the rest of a log: here it ends with its line at the latest.
# The terminators (BEL, CAN, SUB, ST) need no mention of their own: each is dropped by another branch.
_UNSAFE = (
    r"(?P<csi>(?:\x1b\[|\x9b)[0-?]{0,256}[ -/]{0,16}(?P<csi_final>[@-~])?)"
    r"|(?P<string>(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x18\x1a\x1b\x9c\r\n]*)"
    r"|(?P<escape>\x1b[ -/]{0,16}(?P<escape_final>[0-~])?)"
    r"|(?P<newline>\r+(?P<line_feed>\n)?)"
    f"|(?P<separator>[{_SEPARATOR}])"
    f"|(?P<surrogate>[{_SURROGATE}])"
    f"|(?P<dropped>[{_DROPPED}])"
)
_SGR = r"\x1b\[[0-9;:]*m"
_RESET_SGR = r"\x1b\[[0;]*m"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


class Sanitizer:
    """Sanitises text that comes in pieces."""

    def __init__(self, *, colour: bool) -> None:
        """With `colour`, let SGR sequences (colours, bold) pass; one that is left open is reset at the end."""
        self._colour = colour
        self._held = ""
        self._coloured = False

    def feed(self, text: str) -> str:
        """Return what is safe and complete; the start of a sequence that is cut waits for the next piece."""
        return self._clean(self._held + text, last=False)

    def finish(self) -> str:
        """Return the rest, and a reset where a colour was left on. The sanitiser is then as new."""
        rest = self._clean(self._held, last=True)
        if self._coloured:
            self._coloured = False
            rest += RESET
        return rest

    def _clean(self, text: str, *, last: bool) -> str:
        self._held = ""
        # Compiled when first needed: `logist ls` mostly shows text in which nothing is suspicious.
        suspicious, unsafe = _compiled(_SUSPECT), _compiled(_UNSAFE)
        done = 0
        pieces: list[str] = []
        while suspect := suspicious.search(text, done):
            start = suspect.start()
            pieces.append(text[done:start])
            match = unsafe.match(text, start)
            assert match is not None, "every suspect character starts one of the branches"
            if not last and match.end() == len(text) and (held := _held_back(match)):
                self._held = held
                return "".join(pieces)
            pieces.append(self._replacement(match))
            done = match.end()
        if not pieces:
            return text
        pieces.append(text[done:])
        return "".join(pieces)

    def _replacement(self, match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind == "newline":
            # A carriage return alone redraws its line; in a log every state of it is a line.
            return "\n"
        if kind == "separator":
            return " "
        if kind == "surrogate":
            return "\ufffd"
        if kind == "csi" and self._colour and _compiled(_SGR).fullmatch(match[0]):
            self._coloured = not _compiled(_RESET_SGR).fullmatch(match[0])
            return match[0]
        return ""


def _held_back(match: re.Match[str]) -> str:
    """Return what must be seen again with the next piece, for a match that reaches the end of this one."""
    kind = match.lastgroup
    if kind == "csi":
        return "" if match["csi_final"] else match[0]
    if kind == "escape":
        return "" if match["escape_final"] else match[0]
    if kind == "newline":
        return "" if match["line_feed"] else "\r"
    if kind == "string":
        # Its body is dropped anyway, so a string of any length costs no memory.
        return match[0][:2] if match[0][0] == "\x1b" else match[0][0]
    return ""


class Redactor:
    """Replaces secret values in text that comes in pieces, also where a value is cut in two.

    It guards against an agent that prints a key by accident, not against one that encodes it.
    """

    def __init__(self, values: Iterable[str]) -> None:
        """Look for `values`, as they are and as they look inside a JSON string; very short ones are left out."""
        wanted = {form for value in values for form in _printed_forms(value) if len(form) >= MIN_SECRET_CHARS}
        self._values = sorted(wanted, key=lambda value: (-len(value), value))
        self._pattern = re.compile("|".join(map(re.escape, self._values))) if self._values else None
        self._longest = max(map(len, self._values), default=0)
        self._held = ""

    def feed(self, text: str) -> str:
        """Return `text` without secrets; an end that could be the beginning of one waits for the next piece."""
        if self._pattern is None:
            return text
        text = self._held + text
        done = 0
        pieces: list[str] = []
        while True:
            cut = self._first_prefix(text, done)
            match = self._pattern.search(text, done)
            # At or after the cut, a longer value may yet begin where this one does.
            if match is None or match.start() >= cut:
                break
            pieces += text[done : match.start()], REDACTED
            done = match.end()
        pieces.append(text[done:cut])
        self._held = text[cut:]
        return "".join(pieces)

    def finish(self) -> str:
        """Return the rest. The redactor is then as new."""
        rest, self._held = self._held, ""
        return self._pattern.sub(REDACTED, rest) if self._pattern else rest

    def _first_prefix(self, text: str, start: int) -> int:
        """Return where the earliest tail of `text` begins that is a value's beginning; the length if none is."""
        for at in range(max(start, len(text) - self._longest + 1), len(text)):
            tail = text[at:]
            if any(len(tail) < len(value) and value.startswith(tail) for value in self._values):
                return at
        return len(text)


def _printed_forms(value: str) -> tuple[str, ...]:
    """Return a secret as it looks in sanitised text, and inside a JSON string."""
    import json

    shown = clean(value).strip()
    return shown, clean(json.dumps(shown)[1:-1]), clean(json.dumps(shown, ensure_ascii=False)[1:-1])


class Display:
    """The whole way of one stream of bytes to the screen: UTF-8, sanitise, redact."""

    def __init__(self, *, colour: bool, secrets: Iterable[str] = ()) -> None:
        """See `Sanitizer` and `Redactor`."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sanitizer = Sanitizer(colour=colour)
        self._redactor = Redactor(secrets)

    def feed(self, data: bytes) -> str:
        """Return what can be shown of `data` and what was held back before it."""
        return self._redactor.feed(self._sanitizer.feed(self._decoder.decode(data)))

    def finish(self) -> str:
        """Return the rest. The display is then as new."""
        tail = self._sanitizer.feed(self._decoder.decode(b"", final=True)) + self._sanitizer.finish()
        return self._redactor.feed(tail) + self._redactor.finish()


def clean(text: str, *, colour: bool = False) -> str:
    """Return the whole of `text`, safe to show."""
    sanitizer = Sanitizer(colour=colour)
    return sanitizer.feed(text) + sanitizer.finish()


def one_line(text: str, limit: int | None = None) -> str:
    """Return `text` safe to show on one line, its blanks collapsed, with `…` where it exceeds `limit` characters."""
    if limit is not None:
        # No more than a screenful is looked at: a prompt may be a megabyte.
        text = text[: limit * 20 + 1000]
    # Printable ASCII, which is nearly everything, needs no cleaning.
    line = " ".join((text if text.isascii() and text.isprintable() else clean(text)).split())
    if limit is not None and len(line) > limit:
        return line[: max(limit - 1, 0)] + "…"
    return line
