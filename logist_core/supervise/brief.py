"""Starts an attempt, and settles it at once where it is over in no time: the common end of short jobs.

Invariant: it does what launching, watching and settling would do one after the other, in the same order on the disk;
only the setting-up of a watch over something that is over already is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple

from logist_core.errors import LogistError
from logist_core.supervise.launch import launch
from logist_core.supervise.reconcile import handle_of, reconcile
from logist_core.types.job import JobStatus, Lifecycle

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.protocols import Watch
    from logist_core.supervise.fleet import Fleet
    from logist_core.supervise.plugins import Plugins
    from logist_core.types.launch import Respawn

#: An attempt that goes on for longer is watched. Until then its output isn't looked at.
BRIEF_S = 0.1


class Started(NamedTuple):
    """The job's status after its start, and the open watch over the attempt if it runs and there is one."""

    status: JobStatus
    watch: Watch | None = None


def start(
    store: JobStore, plugins: Plugins, job_id: str, respawn: Respawn | None, fleet: Fleet, *, writer: str
) -> Started:
    """Launch the next attempt of an admitted job, and open a watch over it, or settle it if it is over. Blocks."""
    status = launch(store, plugins, job_id, respawn, fleet)
    handle = handle_of(status)
    if status.lifecycle is not Lifecycle.RUNNING or handle is None:
        return Started(status)
    runtime = plugins.runtime(store.spec(job_id))
    watch = None
    with contextlib.suppress(LogistError, OSError):
        watch = runtime.watch(handle) if runtime.caps.watch else None
    if watch is not None:
        return Started(status, watch)
    # Where there is nothing to be watched it may have ended before its start was written down.
    return Started(settle_brief(store, plugins, job_id, fleet, writer=writer))


async def is_over_soon(watch: Watch, within_s: float = BRIEF_S) -> bool:
    """Wait until the watch says that it is over, or time has run out; return whether it is."""
    loop = asyncio.get_running_loop()
    fired = asyncio.Event()
    loop.add_reader(watch.fileno(), fired.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    await fired.wait()
                    fired.clear()
                    if not watch.drain():
                        return True
    finally:
        loop.remove_reader(watch.fileno())
    return False


def settle_brief(store: JobStore, plugins: Plugins, job_id: str, fleet: Fleet, *, writer: str) -> JobStatus:
    """Settle the attempt if it has ended, and let its runtime forget it. Blocks."""
    before = store.status(job_id)
    found = reconcile(store, plugins, job_id, writer=writer, fleet=fleet).status
    handle = handle_of(before)
    if before.lifecycle is Lifecycle.RUNNING and found.lifecycle is not Lifecycle.RUNNING and handle is not None:
        with contextlib.suppress(Exception):  # a plugin may raise anything, and what it would forget is over
            plugins.runtime(store.spec(job_id)).forget(handle)
    return found
