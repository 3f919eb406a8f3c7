"""Makes what a viewer's terminal has to be sent to show an attempt's terminal, from the log alone. Pure.

Invariant: nothing in it makes the viewer's terminal *answer*: an answer would be typed into the job.
"""

from __future__ import annotations

import re

#: How much of the log's end is replayed at most, bytes.
REPLAY_BYTES = 256 * 1024

#: Sequences that ask the terminal something, or that reach beyond the screen (clipboard, title, size of the window).
_UNSAFE = re.compile(
    rb"\x05"  # ENQ: answerback
    rb"|\x1b\[[?>=]?[\d;]*c"  # device attributes
    rb"|\x1b\[\??[\d;]*n"  # status and cursor reports
    rb"|\x1b\[\??[\d;]*\$p"  # mode reports
    rb"|\x1b\[>[\d;]*q"  # version
    rb"|\x1b\[[\d;]*t"  # window operations and reports
    rb"|\x1b\[\?u"  # keyboard protocol report
    rb"|\x1b\[[\d;]*x"  # terminal parameters
    rb"|\x1bZ"
    rb"|\x1b\](?!8;)[^\x07\x18\x1a\x1b]*(?:[\x07\x18\x1a]|\x1b\\|\Z)"  # every OSC but hyperlinks; CAN and SUB cancel
    rb"|\x1b[PX^_][^\x18\x1a\x1b]*(?:[\x18\x1a]|\x1b\\|\Z)"  # DCS, SOS, PM, APC
)
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])|\x1b([=>])|\x1b(c)")
_ALTERNATE = (b"47", b"1047", b"1049")
#: Modes that change what the viewer's keyboard and mouse send, and whether the cursor shows.
_INPUT_MODES = (b"1", b"25", b"1000", b"1002", b"1003", b"1004", b"1005", b"1006", b"1015", b"2004")
_CLEAR = re.compile(rb"\x1b\[[23]J|\x1b\[H\x1b\[0?J|\x1bc")
_TEXT_UNSAFE = re.compile(
    rb"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    rb"|\x1b\[[0-?]*[ -/]*[@-ln-~]|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]"
)
_COLOUR = re.compile(rb"\x1b(?!\[[\d;:]*m)")

#: Soft reset, main screen's margins and attributes, then an empty screen. The scroll-back isn't touched.
_RESET = b"\x1b[!p\x1b[0m\x1b[r\x1b[H\x1b[2J"

#: What terminals send by themselves: answers to queries, focus reports.
_ANSWER = re.compile(
    rb"(?:\x1b\[[?>=]?[\d;]*[cnRy]|\x1b\[\??[\d;]*\$y|\x1b\[[\d;]*t|\x1b\[\?\d*u|\x1b\[[IO]"
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\)+"
)


# Terminals execute control characters in the middle of a sequence and go on with it.
_C0 = rb"[\x00-\x17\x19\x1c-\x1f\x7f]"
_SEQUENCE = re.compile(
    rb"\x1b" + _C0 + rb"*(?:\[(?:" + _C0 + rb"|[ -?])*)?[\x18\x1a]"  # cancelled
    rb"|\x1b" + _C0 + rb"*(?:\[(?:" + _C0 + rb"|[ -?])*[@-~]|[ -/]*" + _C0 + rb"*[0-Z\\-~])|\x05|\xc2[\x80-\x9f]"
)
_CONTROLS = re.compile(_C0)


def _whole(match: re.Match[bytes]) -> bytes:
    """Return a sequence without the control characters in it; nothing for C1, ENQ and what was cancelled."""
    found = match.group()
    if found[0] != 0x1B or found[-1] in b"\x18\x1a":
        return b""
    return b"\x1b" + _CONTROLS.sub(b"", found[1:])


def defuse(data: bytes) -> bytes:
    """Return output without anything that makes a terminal answer, or that reaches beyond the screen."""
    for _ in range(64):
        # What is taken out may have kept the two halves of another sequence apart.
        safe = _UNSAFE.sub(b"", _SEQUENCE.sub(_whole, data))
        if safe == data:
            return safe
        data = safe
    return data.replace(b"\x1b", b"")  # nested on purpose, and deeper than anything that is not an attack


def is_answer(data: bytes) -> bool:
    """Say whether a terminal sent this by itself, and nobody typed anything."""
    return _ANSWER.fullmatch(data) is not None


def modes(data: bytes) -> dict[bytes, bool]:
    """Return the private modes that `data` sets or resets last; `b"="` is the application keypad."""
    found: dict[bytes, bool] = {}
    for match in _MODE.finditer(data):
        numbers, letter, keypad, full_reset = match.groups()
        if full_reset:
            found.clear()
        elif keypad:
            found[b"="] = keypad == b"="
        else:
            for number in numbers.split(b";"):
                found[b"1049" if number in _ALTERNATE else number] = letter == b"h"
    return found


def restore(tail: bytes, *, cut: bool, earlier: bytes = b"") -> bytes:
    """Return what draws the screen anew.

    Args:
        tail: The end of the terminal's log.
        cut: Whether the log has more before `tail`.
        earlier: As much of the log before `tail` as was read; only its modes count.
    """
    before = modes(earlier)
    start = _replay_from(tail, before.get(b"1049", False))
    if start == 0 and cut:
        start = tail.find(b"\n", 0, 8192) + 1  # not into the middle of a character or a sequence
    at_start = {**before, **modes(tail[:start])}
    at_end = {**at_start, **modes(tail[start:])}
    out = [_RESET]
    if at_start.get(b"1049") and not tail[start:].startswith((b"\x1b[?1049h", b"\x1b[?47h", b"\x1b[?1047h")):
        out.append(b"\x1b[?1049h\x1b[H\x1b[2J")
    out.append(defuse(tail[start:]))
    out += [b"\x1b[?%b%b" % (mode, b"h" if at_end[mode] else b"l") for mode in _INPUT_MODES if mode in at_end]
    if b"=" in at_end:
        out.append(b"\x1b=" if at_end[b"="] else b"\x1b>")
    return b"".join(out)


def _replay_from(tail: bytes, alternate: bool) -> int:
    """Return the offset from which a replay is enough: the last time that the screen was empty."""
    switch = 0
    for match in _MODE.finditer(tail):
        numbers = (match.group(1) or b"").split(b";")
        if any(number in _ALTERNATE for number in numbers):
            on = match.group(2) == b"h"
            # Leaving the alternate screen shows the old one again: what was drawn before counts then.
            switch = match.start() if on else 0
            alternate = on
    if not alternate:
        # Clearing inside of an alternate screen that was left since is no clearing of the main one.
        last_leave = max((m.end() for m in _MODE.finditer(tail) if _leaves_alternate(m)), default=0)
        clears = [m.start() for m in _CLEAR.finditer(tail, last_leave)]
        return clears[-1] if clears else 0
    clears = [m.start() for m in _CLEAR.finditer(tail, switch)]
    return clears[-1] if clears else switch


def _leaves_alternate(match: re.Match[bytes]) -> bool:
    return match.group(2) == b"l" and any(n in _ALTERNATE for n in match.group(1).split(b";"))


def plain(data: bytes) -> bytes:
    """Return text from a log without a terminal, made safe for one: colours stay, lines end with CR LF."""
    return _COLOUR.sub(b"", _TEXT_UNSAFE.sub(b"", data)).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
