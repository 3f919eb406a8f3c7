"""Runs a call in a thread with a deadline, on threads that are used again.

Invariant: the caller waits no longer than the deadline; a thread whose call never returns is given up, not joined,
and as a daemon doesn't keep the process alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any


class TookTooLong(Exception):
    """The call hasn't returned by its deadline."""


class Failed(Exception):
    """The call raised; what it raised, be it SystemExit, is the `error`.

    A wrapper, so that a KeyboardInterrupt that comes while the caller waits isn't taken for the call's.
    """

    def __init__(self, error: BaseException) -> None:
        """Wrap `error`."""
        super().__init__(repr(type(error)))
        self.error = error


@dataclass(slots=True)
class _Call:
    function: Callable[[], Any]
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None


class _Worker:
    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        threading.Thread(target=self._run, name="logist-sentinel", daemon=True).start()

    def take(self, call: _Call) -> None:
        self._calls.put(call)

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            try:
                call.result = call.function()
            except BaseException as error:  # noqa: BLE001 - a plugin's SystemExit must not end anything either
                call.error = error
            call.done.set()


class Bench:
    """Idle threads, as many as calls were ever under way at once."""

    def __init__(self) -> None:
        """Begin without threads."""
        self._idle: list[_Worker] = []  # append and pop are atomic

    def run(self, function: Callable[[], Any], deadline_s: float) -> Any:
        """Return what `function` returns.

        Raises:
            Failed: It raised.
            TookTooLong: It hasn't returned within `deadline_s`; it may go on, and its result is dropped.
        """
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker()
        call = _Call(function)
        worker.take(call)
        if not call.done.wait(deadline_s):
            raise TookTooLong(f"no answer within {deadline_s:g} s")
        self._idle.append(worker)
        if call.error is not None:
            raise Failed(call.error)
        return call.result


BENCH = Bench()
