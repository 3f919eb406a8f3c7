"""Delivers `logist_job_event` to loaded plugins.

Invariant: a plugin that raises or hangs delays its caller by a bounded time, is reported once, and holds a bounded
number of threads: after three calls that never returned it is told nothing more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from logist_core.registry.faults import PluginFault, Reason, Rejected
from logist_core.registry.guard import call_guarded

if TYPE_CHECKING:
    from logist_core.registry.loading import Loaded
    from logist_core.types.job import JobEvent, JobStatus

#: Seconds that one plugin has for one event.
LIMIT_S = 10.0

#: Calls that never returned, after which a plugin is told nothing more.
_MAX_HANGS = 3


class EventDelivery:
    """Calls the hook of each plugin in turn, implementation by implementation."""

    def __init__(self, report: Callable[[PluginFault], None], *, limit_s: float = LIMIT_S) -> None:
        """Tell `report` of each plugin's first failure."""
        self._report = report
        self._limit_s = limit_s
        self._failed: set[int] = set()
        self._hangs: dict[int, int] = {}
        self._lock = threading.Lock()

    def deliver(self, loaded: Iterable[Loaded], event: JobEvent, status: JobStatus) -> None:
        """Call `logist_job_event` of every plugin that implements it. Never raises."""
        told: set[int] = set()
        for plugin in loaded:
            # Several entries may name one module: it is told once.
            identity = id(plugin.plugin)
            if identity in told or not plugin.manager.hook.logist_job_event.get_hookimpls():
                continue
            told.add(identity)
            if self._hangs.get(identity, 0) < _MAX_HANGS:
                self._tell(plugin, identity, event, status)

    def _tell(self, plugin: Loaded, identity: int, event: JobEvent, status: JobStatus) -> None:
        call = partial(plugin.manager.hook.logist_job_event, event=event, job=status)
        try:
            call_guarded(call, limit_s=self._limit_s, failed=Reason.EVENT_FAILED)
        except Rejected as rejected:
            with self._lock:
                if rejected.reason is Reason.TIMED_OUT:
                    self._hangs[identity] = self._hangs.get(identity, 0) + 1
                first = identity not in self._failed
                self._failed.add(identity)
            if first:
                detail = f"logist_job_event, at {event.kind}: {rejected.detail}"
                self._report(Rejected(Reason.EVENT_FAILED, detail, warning=True).fault(plugin.entry))
