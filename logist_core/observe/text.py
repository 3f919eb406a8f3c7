"""Turns raw output into text that rules may read. Owns every cleaning step, so that all readers agree on a line.

Invariant: cleaning works on whole lines and never adds or removes a line break, so the n-th cleaned line comes from
the n-th raw line whatever the pieces in which the output was read. A carriage return ends a line: each redraw of a
spinner or progress bar is a line of its own, which keeps the result independent of how the stream was cut and lets
a line that is redrawn for ever be read at all.
"""

from __future__ import annotations

import re

#: A cleaned line is cut here: no message that means something is longer, and every regex has a bounded input.
MAX_LINE_CHARS = 8_192
#: Longest `Signal.text`.
MAX_SIGNAL_CHARS = 500

# What follows an escape character. ECMA-48: CSI; the string sequences (OSC, DCS, SOS, PM, APC), which end at BEL, ST,
# or, broken, at the line's end; two-byte and nF escapes. No alternative can cross a line break.
AFTER_ESCAPE = rb"(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]+[0-~]|[0-~])"
_ANSI = re.compile(rb"\x1b" + AFTER_ESCAPE)
_C1_AND_NBSP = re.compile(rb"\xc2[\x80-\xa0]")
_OSC = re.compile(rb"\x1b\](\d{1,4});([^\x07\x1b\n]{0,1024})(?:\x07|\x1b\\)")
_BLANKS = re.compile(rb"  +")  # twice as fast as " {2,}": two literal blanks can be searched for
_INNER_BLANKS = re.compile(r"(?<=[^ ]) {2,}")

#: Letters that equal an ASCII letter where case is ignored.
FOLDED_LETTERS = {"\u0130": "i", "\u017f": "s", "\u212a": "k"}

#: What cleaning deletes.
CONTROLS = bytes(c for c in range(32) if c not in b"\n\t") + b"\x7f"
_TAB_TO_BLANK = bytes.maketrans(b"\t", b" ")

# Format characters that reorder or hide text on a terminal or in a browser, and separators that break lines there.
_HIDDEN = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"
    "\ufff9\ufffa\ufffb"
)
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_HIDDEN}]|[\U000e0000-\U000e007f]")


def break_lines(raw: bytes) -> bytes:
    """Return `raw` with each carriage return turned into a line feed: same length, same offsets."""
    return raw.replace(b"\r", b"\n")


def clean_block(block: bytes) -> bytes:
    """Return whole lines without escape sequences and control characters; tabs and no-break blanks become blanks.

    Args:
        block: Lines as `break_lines` returns them. The number of line feeds is kept.
    """
    if b"\x1b" in block:
        block = _ANSI.sub(b"", block)
    block = block.translate(_TAB_TO_BLANK, CONTROLS)
    if b"\xc2" in block:
        block = _C1_AND_NBSP.sub(_blank_or_nothing, block)
    return block


def _blank_or_nothing(match: re.Match[bytes]) -> bytes:
    return b" " if match[0] == b"\xc2\xa0" else b""


def haystack(cleaned: bytes) -> bytes:
    """Return cleaned lines as texts are looked for in them: folded, runs of blanks as one."""
    cleaned = folded(cleaned)
    return _BLANKS.sub(b" ", cleaned) if b"  " in cleaned else cleaned


def folded(cleaned: bytes) -> bytes:
    """Return cleaned lines as literals are looked for: in lower case, also what is only equal to an ASCII letter."""
    if not cleaned.isascii():
        for letter, plain_letter in FOLDED_LETTERS.items():
            cleaned = cleaned.replace(letter.encode(), plain_letter.encode())
    return cleaned.lower()


def line_text(cleaned: bytes) -> str:
    """Return one cleaned line as text: runs of blanks inside it as one, none at its end, indentation kept, cut."""
    # A character has at most four bytes; the slack leaves room for runs of blanks that are about to shrink.
    text = cleaned[: MAX_LINE_CHARS * 8].decode("utf-8", "replace").rstrip()
    return _INNER_BLANKS.sub(" ", text)[:MAX_LINE_CHARS]


def clean_line(raw: bytes | str) -> str:
    """Return what `line_text` and `clean_block` make of a single line (everything up to its first line break)."""
    if isinstance(raw, str):
        raw = raw.encode("utf-8", "replace")
    return line_text(clean_block(break_lines(raw.rstrip(b"\r\n"))).split(b"\n", 1)[0])


def sanitise(text: str, limit: int = MAX_SIGNAL_CHARS) -> str:
    """Return `text` on one line, safe to print: no control characters, no bidi or hidden format characters.

    Args:
        text: Anything, also hostile.
        limit: Longest result in characters; a longer text ends in `…`.
    """
    flat = _UNSAFE.sub(" ", text[: limit * 8])
    flat = " ".join(flat.split())
    return flat if len(flat) <= limit and len(text) <= limit * 8 else flat[: limit - 1] + "…"


def last_title(raw: bytes) -> str | None:
    """Return the last window title (OSC 0 or 2) that `raw` sets, or None."""
    title = None
    for match in _OSC.finditer(raw):
        if match[1] in (b"0", b"2"):
            title = clean_line(match[2])
    return title
