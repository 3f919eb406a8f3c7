"""Tells the event loop that files in a directory changed, without polling where the system can say so.

Invariant: no change is missed: where the kernel's queue overflowed, every subscriber is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType

#: How often every subscriber is called where the system can't tell of changes (macOS: untested).
POLL_S = 0.2
#: What the supervisor itself writes into the directories that it watches: no news to it.
OWN_FILES = frozenset(
    {"observer.json", "sentinel.json", "sentinel.rec", "sentinel.rec.1", "hooks.json", "state.json", "plan.json"}
)


class Changes:
    """Subscriptions to directories. Use as an async context manager, in one event loop."""

    def __init__(self) -> None:
        """Subscribe to nothing yet."""
        self._subscribers: dict[str, set[Callable[[], None]]] = {}
        self._watches: dict[str, object] = {}
        self._inotify: object | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Changes:
        """Begin to listen."""
        if sys.platform == "linux":
            from asyncinotify import Inotify

            self._inotify = Inotify()
            self._task = asyncio.create_task(self._listen(), name="changes")
        else:
            self._task = asyncio.create_task(self._poll(), name="changes")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._inotify is not None:
            self._inotify.close()  # type: ignore[attr-defined]

    def subscribe(self, directory: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` soon after anything in `directory` was written, made or removed; return the way to end it.

        A directory that doesn't exist is an OSError.
        """
        callbacks = self._subscribers.setdefault(directory, set())
        if not callbacks and self._inotify is not None:
            from asyncinotify import Mask

            mask = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO | Mask.DELETE | Mask.CLOSE_WRITE
            try:
                self._watches[directory] = self._inotify.add_watch(directory, mask)  # type: ignore[attr-defined]
            except BaseException:
                del self._subscribers[directory]
                raise
        callbacks.add(callback)

        def unsubscribe() -> None:
            callbacks.discard(callback)
            if not callbacks and self._subscribers.get(directory) is callbacks:
                del self._subscribers[directory]
                watch = self._watches.pop(directory, None)
                if watch is not None:
                    # The directory is gone, and its watch with it; or we have stopped listening altogether.
                    with contextlib.suppress(OSError, ValueError):
                        self._inotify.rm_watch(watch)  # type: ignore[union-attr]

        return unsubscribe

    async def _listen(self) -> None:
        from asyncinotify import Event, Inotify, Mask

        assert isinstance(self._inotify, Inotify)
        event: Event
        async for event in self._inotify:
            if Mask.Q_OVERFLOW in event.mask or event.watch is None:
                self._call_all()
            elif event.name is not None and os.fspath(event.name).strip(".").removesuffix(".tmp") in OWN_FILES:
                continue
            elif event.watch.path is not None:
                self._call(os.fspath(event.watch.path))

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            self._call_all()

    def _call_all(self) -> None:
        for directory in list(self._subscribers):
            self._call(directory)

    def _call(self, directory: str) -> None:
        for callback in list(self._subscribers.get(directory, ())):
            callback()
