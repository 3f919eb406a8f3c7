"""Starts an attempt, and settles it at once where it is over in no time: the common end of short jobs.

Invariant: it does what launching, watching and settling would do one after the other, in the same order on the disk;
only the setting-up of a watch over something that is over already is left out.
"""

from __future__ import annotations

import contextlib
import select
from typing import TYPE_CHECKING, NamedTuple

from logist_core.errors import LogistError
from logist_core.supervise.launch import launch
from logist_core.supervise.reconcile import handle_of, reconcile
from logist_core.types.job import JobStatus, Lifecycle

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.protocols import Watch
    from logist_core.supervise.plugins import Plugins
    from logist_core.types.launch import Respawn

#: A start is followed for so long, by the thread that made it. It delays no other job: there are several threads.
BRIEF_S = 0.02


class Started(NamedTuple):
    """The job's status after its start, and the open watch over the attempt if it runs and there is one."""

    status: JobStatus
    watch: Watch | None = None


def start(store: JobStore, plugins: Plugins, job_id: str, respawn: Respawn | None, *, writer: str) -> Started:
    """Launch the next attempt of an admitted job, and settle it if it ends within `BRIEF_S`. Blocks."""
    status = launch(store, plugins, job_id, respawn)
    handle = handle_of(status)
    if status.lifecycle is not Lifecycle.RUNNING or handle is None:
        return Started(status)
    runtime = plugins.runtime(store.spec(job_id))
    if not runtime.caps.watch:
        return Started(status)
    watch = None
    with contextlib.suppress(LogistError, OSError):  # whoever watches from now on will try again
        watch = runtime.watch(handle)
    if watch is not None and (not select.select([watch], [], [], BRIEF_S)[0] or watch.drain()):
        return Started(status, watch)
    if watch is not None:
        watch.close()
    # No watch: there may be nothing left to be watched.
    status = reconcile(store, plugins, job_id, writer=writer).status
    if status.lifecycle is not Lifecycle.RUNNING:
        with contextlib.suppress(Exception):  # a plugin may raise anything, and what it would forget is over
            runtime.forget(handle)
    return Started(status)
