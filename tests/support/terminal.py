"""A process on a real pseudo-terminal, and what a person would see there: the screen that pyte makes of its output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from typing import Any

import pyte


class Terminal:
    """Runs `argv` on a terminal of `cols` x `rows`. A context manager; what still runs at its end is killed."""

    def __init__(self, argv: Sequence[str], env: dict[str, str], *, cols: int = 100, rows: int = 30) -> None:
        self.raw = bytearray()
        self._screen = pyte.Screen(cols, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.master, self.slave = pty.openpty()
        self.resize(cols, rows)
        self.modes_before = self.modes()
        self.process = subprocess.Popen(
            argv,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            # Sizes in the environment would count for more than the terminal's own.
            env={**{k: v for k, v in env.items() if k not in ("LINES", "COLUMNS")}, "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=_own_terminal,  # noqa: PLW1509  no thread of a test holds a lock that it needs
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)

    def resize(self, cols: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self._screen.resize(rows, cols)

    def modes(self) -> list[Any]:
        """Return the terminal's modes, as stty would show them."""
        return termios.tcgetattr(self.slave)

    def type(self, keys: bytes | str) -> None:
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def read(self, timeout_s: float = 0.05) -> None:
        """Take in what was printed."""
        if select.select([self.master], [], [], timeout_s)[0]:
            with contextlib.suppress(OSError):
                data = os.read(self.master, 65536)
                self.raw += data
                self._stream.feed(data)

    @property
    def text(self) -> str:
        """The screen as it is now."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def cursor_hidden(self) -> bool:
        return bool(self._screen.cursor.hidden)

    def until(self, *texts: str, within_s: float = 20.0, gone: bool = False) -> str:
        """Wait until all of `texts` are on the screen (or none is, with `gone`); return the screen."""
        deadline = time.monotonic() + within_s
        while True:
            self.read()
            shown = self.text
            if all((text in shown) != gone for text in texts):
                return shown
            assert time.monotonic() < deadline, f"{texts} {'still' if gone else 'not'} on the screen:\n{shown}"

    def ended(self, within_s: float = 20.0) -> int:
        """Wait for the process to end; return its exit code, negative for a signal."""
        deadline = time.monotonic() + within_s
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < deadline, f"it doesn't end:\n{self.text}"
        for _ in range(3):
            self.read()
        return int(self.process.returncode)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
