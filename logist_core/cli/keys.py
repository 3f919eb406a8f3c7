"""The keyboard while `logist run` shows a job: single keys, no echo, and the keys that detach.

Invariant: the terminal gets its modes back, however the block is left; a process in the background never touches
them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType

from logist_core.supervise.terminal import DetachKeys


class Keyboard:
    """Standard input in single-key mode, where it is a terminal and we are in its foreground. A context manager."""

    def __init__(self) -> None:
        """Touch nothing yet."""
        self._fd = -1
        self._saved: list[object] | None = None
        self._keys = DetachKeys()

    def __enter__(self) -> Keyboard:
        """Take the terminal over, where there is one to take."""
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        self.give_back()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What to wait for; nothing where the keyboard isn't ours."""
        return (self._fd,) if self._saved is not None else ()

    def take(self) -> None:
        """Switch to single keys: no echo, no line editing, Ctrl-Q and Ctrl-S as plain keys; Ctrl-C stays a signal."""
        import termios

        try:
            fd = sys.stdin.fileno()
            # In the background, setting modes would stop us; the shell's prompt owns the keyboard then.
            if not os.isatty(fd) or os.tcgetpgrp(fd) != os.getpgrp():
                return
            saved = termios.tcgetattr(fd)
            modes = termios.tcgetattr(fd)
            modes[0] &= ~(termios.IXON | termios.ICRNL)
            modes[3] &= ~(termios.ICANON | termios.ECHO)
            modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
            termios.tcsetattr(fd, termios.TCSADRAIN, modes)
        except (OSError, ValueError, termios.error):
            return  # no standard input, or a terminal that just went away: then there are no keys
        self._fd, self._saved = fd, saved

    def give_back(self) -> None:
        """Restore the terminal's modes. Idempotent."""
        if self._saved is None:
            return
        import termios

        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]
        self._saved = None

    def read(self) -> bytes:
        """Return what was typed. Call it when input is ready; after a hang-up there are no keys any more."""
        try:
            typed = os.read(self._fd, 4096)
        except OSError:
            typed = b""
        if not typed:
            self.give_back()
        return typed

    def pressed_detach(self) -> bool:
        """Read what was typed; return whether the keys to detach were among it."""
        return self._keys.feed(self.read())[1]
