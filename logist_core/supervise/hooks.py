"""Tells plugins of journal events, in order, at least once, after they are on disk.

Invariant: the cursor (`hooks.json` in the job's directory) only moves past an event after its delivery was tried.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from logist_core.errors import LogistError
from logist_core.supervise.plugins import Caller, PluginTimeout

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.registry import Registry

_CURSOR = "hooks.json"
#: A plugin has so long for one event; then the next one is delivered.
DELIVERY_S = 10.0


class Hooks:
    """Delivers `logist_job_event`. One delivery at a time for each job; jobs don't wait for one another."""

    def __init__(self, store: JobStore, registry: Registry, caller: Caller) -> None:
        """Deliver to the plugins of `registry`."""
        self._store, self._registry, self._caller = store, registry, caller
        self._cursors: dict[str, int] = {}
        self._pending: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wanted: bool | None = None

    def deliver(self, job_id: str) -> None:
        """Deliver, soon, what the journal of `job_id` has beyond its cursor."""
        if self._wanted is False:
            return
        self._pending.add(job_id)
        task = self._tasks.get(job_id)
        if task is None or task.done():
            self._tasks[job_id] = asyncio.create_task(self._deliver(job_id), name=f"hooks {job_id}")

    async def drain(self) -> None:
        """Wait until everything known was delivered."""
        while any(not task.done() for task in self._tasks.values()):
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def close(self) -> None:
        """Deliver nothing more; what wasn't delivered is delivered by the next supervisor."""
        for task in self._tasks.values():
            task.cancel()

    async def _deliver(self, job_id: str) -> None:
        if self._wanted is None:
            self._wanted = await asyncio.to_thread(self._registry.wants_job_events)
        while self._wanted and job_id in self._pending:
            self._pending.discard(job_id)
            with contextlib.suppress(LogistError, OSError):  # removed meanwhile
                await self._deliver_new(job_id)
        self._pending.discard(job_id)

    async def _deliver_new(self, job_id: str) -> None:
        from logist_core.jobs.atomic import read_json, write_json

        path = self._store.job_dir(job_id) / _CURSOR
        if job_id not in self._cursors:
            saved = await asyncio.to_thread(read_json, path)
            self._cursors[job_id] = int(saved["seq"]) if isinstance(saved, dict) else 0
        for event in await asyncio.to_thread(self._store.events, job_id, self._cursors[job_id]):
            status = await asyncio.to_thread(self._store.status, job_id)
            with contextlib.suppress(PluginTimeout):
                await self._caller.run("logist_job_event", DELIVERY_S, self._registry.job_event, event, status)
            self._cursors[job_id] = event.seq
        await asyncio.to_thread(write_json, path, {"seq": self._cursors[job_id]}, durable=False)
