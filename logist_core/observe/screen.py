"""Shows what a terminal would show. The only module that knows the terminal emulator.

Invariant: whatever bytes come, a screen answers with at most `rows` lines of at most `cols` cells each, and never
raises: an emulator that fails is replaced by a blank one, and that is counted.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from logist_core.observe.text import break_lines, clean_block, line_text

#: A terminal can't be asked to be larger than this, whatever a job's record says.
MAX_COLS, MAX_ROWS = 500, 200


class Screen(Protocol):
    """A terminal's visible part.

    Attributes:
        failures: How often the emulator had to be replaced.
    """

    failures: int

    def feed(self, data: bytes) -> list[str]:
        """Take output; return the lines that scrolled off, oldest first, hard wraps joined."""
        ...

    def lines(self) -> list[str]:
        """Return the visible lines, top first, hard wraps joined, none at the end that is blank."""
        ...

    def reset(self) -> None:
        """Forget everything shown."""
        ...


def open_screen(cols: int, rows: int) -> Screen:
    """Return a screen: an emulator's, or where none can be loaded, the last lines of the plain text."""
    cols, rows = max(2, min(cols, MAX_COLS)), max(2, min(rows, MAX_ROWS))
    try:
        return EmulatedScreen(cols, rows)
    except ImportError:
        return PlainScreen(cols, rows)


class EmulatedScreen:
    """A screen kept by `pyavt`, the bindings of asciinema's emulator (35 times as fast as pyte).

    Raises:
        ImportError: It isn't installed, or has no build for this interpreter.
    """

    def __init__(self, cols: int, rows: int) -> None:
        """Load the emulator and show nothing."""
        emulator: Any = import_module("avt")
        self._make: Callable[[], Any] = lambda: emulator.Vt(cols, rows, 0)
        self._collect: Callable[[Any], Any] = import_module("avt.util").TextCollector
        self.cols, self.rows = cols, rows
        self.failures = 0
        self.reset()

    def feed(self, data: bytes) -> list[str]:
        """See `Screen.feed`."""
        text = self._decoder.decode(data)
        if not text:
            return []
        try:
            return list(self._collector.feed_str(text))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic of the emulator derives from BaseException
            self.failures += 1
            self.reset()
            return []

    def lines(self) -> list[str]:
        """See `Screen.lines`."""
        return _without_blank_end(_joined(self._vt.view()))

    def reset(self) -> None:
        """See `Screen.reset`."""
        self._vt: Any = self._make()
        self._collector: Any = self._collect(self._vt)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")


def _joined(lines: list[Any]) -> list[str]:
    """Return the text of emulator lines, each joined with the lines that it was wrapped onto."""
    joined: list[str] = []
    open_line = False
    for line in lines:
        text: str = line.text
        if open_line:
            joined[-1] += text
        else:
            joined.append(text)
        open_line = repr(line).endswith('\u23ce")')  # the binding shows the wrap mark nowhere else
    return [text.rstrip() for text in joined]


def _without_blank_end(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines.pop()
    return lines


class PlainScreen:
    """The last lines of the text, escape sequences taken out: right for agents that only append."""

    def __init__(self, cols: int, rows: int) -> None:
        """Show nothing."""
        self.cols, self.rows = cols, rows
        self.failures = 0
        self._lines: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """See `Screen.feed`."""
        held = (self._rest + data).replace(b"\r\n", b"\n")
        whole, found, rest = held.rpartition(b"\n")
        self._rest = rest[-4 * self.cols * self.rows :]
        if found:
            self._lines += [line_text(line) for line in clean_block(break_lines(whole)).split(b"\n")]
        keep = self.rows - 1  # the last row is the line that has no end yet
        off, self._lines = self._lines[:-keep], self._lines[-keep:]
        return off

    def lines(self) -> list[str]:
        """See `Screen.lines`."""
        last = line_text(clean_block(break_lines(self._rest)).rstrip(b"\n").rpartition(b"\n")[2])
        return _without_blank_end([*self._lines, last][-self.rows :])

    def reset(self) -> None:
        """See `Screen.reset`."""
        self._lines, self._rest = [], b""
