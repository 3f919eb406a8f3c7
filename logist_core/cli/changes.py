"""Sleeps until a file in a watched directory changes, a descriptor is readable, or a signal has come.

Invariant: a change between two calls of `wait` ends the second at once, so "look, then wait" misses nothing. Where
the kernel can't tell (not Linux, no inotify instance left), `wait` returns after `POLL_S` instead.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from types import FrameType, TracebackType

#: How long a change may go unseen where the system doesn't report it, in seconds.
POLL_S = 0.1


class Changes:
    """Watches directories. Use as a context manager."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._inotify: object | None = None
        self._watched: set[str] = set()

    def __enter__(self) -> Changes:
        """Begin to listen."""
        if sys.platform == "linux":
            from asyncinotify import Inotify

            # There are 128 instances to a user; without one left, we poll.
            with contextlib.suppress(OSError):
                self._inotify = Inotify()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        if self._inotify is not None:
            self._inotify.close()  # type: ignore[attr-defined]

    def watch(self, directory: str | os.PathLike[str]) -> bool:
        """Watch `directory` (not what is below it); return whether the watch is new.

        What changed before a new watch goes unreported: look again before you wait. False also where the directory
        isn't there or can't be watched.
        """
        path = os.fspath(directory)
        if path in self._watched or self._inotify is None:
            return False
        from asyncinotify import Mask

        mask = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO | Mask.DELETE_SELF | Mask.ONLYDIR
        try:
            self._inotify.add_watch(path, mask)  # type: ignore[attr-defined]
        except FileNotFoundError:
            return False
        except OSError:
            # No watch is left for this user: what can't be watched has to be polled.
            self._inotify.close()  # type: ignore[attr-defined]
            self._inotify = None
            return False
        self._watched.add(path)
        return True

    def wait(self, timeout_s: float, descriptors: Iterable[int] = ()) -> frozenset[int]:
        """Sleep until something changed, for `timeout_s` at most; return which of `descriptors` are readable."""
        mine = self._inotify.fd if self._inotify is not None else None  # type: ignore[attr-defined]
        wanted = [*descriptors, *([mine] if mine is not None else [])]
        ready = select.select(wanted, [], [], timeout_s if mine is not None else min(timeout_s, POLL_S))[0]
        if mine is not None and mine in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(mine, 65536)
        return frozenset(fd for fd in ready if fd != mine)


class Interrupts:
    """Turns signals into something to wait for: a descriptor that is readable, and counts. A context manager.

    Between `__enter__` and `__exit__` the signals do nothing else, so no code is cut in the middle.
    """

    def __init__(self, *signals: int) -> None:
        """Take over `signals`."""
        self._signals = signals or (signal.SIGINT,)
        self._before: dict[int, object] = {}
        self._counts: dict[int, int] = {}
        self._read_fd = self._write_fd = -1
        self._wakeup_before = -1

    def __enter__(self) -> Interrupts:
        """Take the signals over."""
        self._read_fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else _pipe()
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in self._signals:
            self._before[number] = signal.signal(number, self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read_fd)
        os.close(self._write_fd)

    def _count(self, number: int, _frame: FrameType | None) -> None:
        self._counts[number] = self._counts.get(number, 0) + 1

    def fileno(self) -> int:
        """Return the descriptor that is readable when a signal has come."""
        return self._read_fd

    def take(self, number: int = signal.SIGINT) -> int:
        """Return how many of `number` have come since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read_fd, 4096)
        return self._counts.pop(number, 0)


def _pipe() -> tuple[int, int]:
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    return read_fd, write_fd


class Deadline:
    """A point in time that may never come."""

    def __init__(self, timeout_s: float | None) -> None:
        """Set it `timeout_s` from now; None: never."""
        self._at = None if timeout_s is None else time.monotonic() + timeout_s

    def left(self, at_most: float) -> float:
        """Return the seconds left, between 0 and `at_most`."""
        return at_most if self._at is None else min(max(self._at - time.monotonic(), 0.0), at_most)

    @property
    def passed(self) -> bool:
        """Whether it has come."""
        return self._at is not None and time.monotonic() >= self._at
