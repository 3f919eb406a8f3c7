"""Where the command line writes: data to stdout, talk to stderr, colour only to a terminal that wants it.

Invariant: text that comes from outside of Logist passes through `logist_core.cli.text` before it is written here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from logist_core.cli.text import RESET

_CODES: Mapping[str, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


def wants_colour(stream: TextIO) -> bool:
    """Say whether SGR may be written to `stream`: a terminal, `NO_COLOR` unset or empty, `TERM` not `dumb`."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    """Say whether `stream` is a terminal; False for one that is closed."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def paint(text: str, *styles: str, stream: TextIO | None = None, on: bool | None = None) -> str:
    """Return `text` in `styles` where colour is on (asked of `stream`, default stdout, unless `on` says so)."""
    if on is None:
        on = wants_colour(stream or sys.stdout)
    if not on or not styles:
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}{RESET}"


def put(text: str, *, stream: TextIO | None = None) -> None:
    """Write `text` as it is to stdout (or `stream`) and flush, so that a follower sees it at once."""
    stream = stream or sys.stdout
    stream.write(text)
    stream.flush()


def line(text: str = "") -> None:
    """Write one line of data to stdout."""
    put(text + "\n")


def note(text: str, *styles: str) -> None:
    """Write one line of talk to stderr, dim unless `styles` say otherwise."""
    put(paint(text, *(styles or ("dim",)), stream=sys.stderr) + "\n", stream=sys.stderr)


def json_line(value: object) -> None:
    """Write `value` as JSON to stdout: indented for a person, on one line for a program."""
    import json

    # ASCII only: every control and bidi character in it is escaped, so it is safe on a terminal and yet exact.
    line(json.dumps(value, indent=2 if is_terminal(sys.stdout) else None))


def prepare_streams() -> None:
    """Make stdout and stderr fit to be written to, whatever we were started with.

    A stream that was closed becomes one that leads nowhere, and a character that an encoding lacks is replaced.
    """
    # Without this, what is meant for a closed stderr would go to the next file that is opened.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  open until the process ends
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
