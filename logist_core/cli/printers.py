"""Writes a job's output where it belongs: its standard output to stdout, its standard error to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from logist_core.cli.follow import Output
from logist_core.cli.output import is_terminal, note, put, wants_colour
from logist_core.cli.text import Display
from logist_core.jobs.holes import dropped_text
from logist_core.types.job import JobEvent


class RawPrinter:
    """Writes the exact bytes of both streams; what was dropped of them is said on stderr."""

    def take(self, item: Output | JobEvent) -> None:
        """Write output; events aren't output."""
        if isinstance(item, Output):
            if item.dropped:
                note(f"{item.stream}.log: {dropped_text(item.dropped)}", "yellow")
            stream = sys.stderr.buffer if item.stream == "err" else sys.stdout.buffer
            stream.write(item.data)
            stream.flush()

    def finish(self) -> None:
        """Nothing is held back."""


class TextPrinter:
    """Writes what is safe of both streams, without secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Write colours where the stream is a terminal that wants them."""
        self._streams = {"out": sys.stdout, "err": sys.stderr}
        self._line_open = {"out": False, "err": False}
        self._secrets = tuple(secrets)
        self._displays = self._fresh_displays()

    def _fresh_displays(self) -> dict[str, Display]:
        return {
            name: Display(colour=wants_colour(stream), secrets=self._secrets) for name, stream in self._streams.items()
        }

    def set_secrets(self, secrets: Iterable[str]) -> None:
        """From now on replace these values; what was held back comes out first."""
        values = tuple(secrets)
        if values != self._secrets:
            self._flush()
            self._secrets = values
            self._displays = self._fresh_displays()

    def take(self, item: Output | JobEvent) -> None:
        """Write output; events aren't output."""
        if isinstance(item, Output):
            if item.dropped:
                self._say_dropped(item.stream, item.dropped)
            self._put(item.stream, self._displays[item.stream].feed(item.data))

    def _say_dropped(self, name: str, count: int) -> None:
        """Say it on a line of its own. An escape sequence that the gap cut in two goes no further."""
        display, self._displays[name] = self._displays[name], self._fresh_displays()[name]
        self._put(name, display.finish())
        self._put(name, ("\n" if self._line_open[name] else "") + dropped_text(count) + "\n")

    def finish(self) -> None:
        """Write what was held back, and end a line that the job left open on a terminal."""
        self._flush()
        self.close_line()

    def _flush(self) -> None:
        for name, display in self._displays.items():
            self._put(name, display.finish())

    def close_line(self) -> None:
        """End a line that is open on a terminal, so that talk doesn't run on in it."""
        for name, stream in self._streams.items():
            if self._line_open[name] and is_terminal(stream):
                self._put(name, "\n")

    def _put(self, name: str, text: str) -> None:
        if text:
            put(text, stream=self._streams[name])
            self._line_open[name] = not text.endswith("\n")
