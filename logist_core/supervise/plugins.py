"""The plugin objects of a supervisor: made once for each (name, settings), and called with a deadline.

Invariant: no plugin can stop supervision. A call that raises is a fault of that plugin; one that doesn't return
keeps a thread, never the event loop.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, cast

from logist_core.errors import ConfigError, LogistError, PluginUnavailable
from logist_core.types._json import JSON

if TYPE_CHECKING:
    from logist_core.observe.matcher import Dictionary
    from logist_core.protocols import Agent, Runtime, Sentinel
    from logist_core.registry import Registry
    from logist_core.types.job import JobSpec
    from logist_core.types.signals import PatternSet

T = TypeVar("T")


class PluginTimeout(LogistError):
    """A plugin's call didn't return in time. Whether it had an effect isn't known."""

    kind = "plugin_timeout"


class Plugins:
    """Makes and keeps the objects behind plugin names. Thread-safe."""

    def __init__(self, registry: Registry) -> None:
        """Use `registry`; nothing is imported before it is needed."""
        self.registry = registry
        self._made: dict[tuple[str, str, str], object] = {}
        self._sets: tuple[PatternSet, ...] | None = None
        self._dictionary: Dictionary | None = None
        self._lock = threading.Lock()

    def agent(self, job: JobSpec) -> Agent:
        """Return the job's agent; raises `PluginUnavailable`."""
        return cast("Agent", self._get("agent", job.agent, job.agent_settings))

    def runtime(self, job: JobSpec) -> Runtime:
        """Return the job's runtime; raises `PluginUnavailable`."""
        return cast("Runtime", self._get("runtime", job.runtime, job.runtime_settings))

    def sentinel(self, job: JobSpec) -> Sentinel:
        """Return the job's sentinel policy; raises `PluginUnavailable`."""
        return cast("Sentinel", self._get("sentinel", job.sentinel, job.sentinel_settings))

    def dictionary(self, job: JobSpec) -> Dictionary:
        """Return the dictionary for a job: the installed sets, the user's rules, and what was recorded with the job."""
        from logist_core.observe.matcher import Dictionary

        with self._lock:
            if self._sets is None:
                self._sets = self._installed_sets()
            if not job.patterns:
                if self._dictionary is None:
                    self._dictionary = Dictionary(self._sets)
                return self._dictionary
            sets = self._sets
        from logist_core.dictionary.layers import sets_for_job

        return Dictionary(sets_for_job(sets, job.patterns))

    def _installed_sets(self) -> tuple[PatternSet, ...]:
        from logist_core.dictionary.layers import user_set

        try:
            own = user_set()
        except ConfigError:
            own = None  # `logist run` refuses to go on with a broken file; jobs that run are still read
        return (*self.registry.patterns(), *([own] if own else []))

    def agent_or_none(self, job: JobSpec) -> Agent | None:
        """Return the job's agent, or None where it can't be had: its jobs are still watched and settled."""
        try:
            return self.agent(job)
        except PluginUnavailable:
            return None

    def _get(self, kind: str, name: str, settings: Mapping[str, JSON]) -> object:
        key = (kind, name, json.dumps(dict(settings), sort_keys=True))
        with self._lock:
            if key not in self._made:
                self._made[key] = self._create(kind, name, settings)
            return self._made[key]

    def _create(self, kind: str, name: str, settings: Mapping[str, JSON]) -> object:
        try:
            return self.registry.create(kind, name, settings)
        except PluginUnavailable:
            # It may have been installed since this process looked: a supervisor lives longer than an afternoon.
            self.registry = self.registry.rediscovered()
            self._dictionary = self._sets = None
            return self.registry.create(kind, name, settings)


class Caller:
    """Runs blocking calls in threads for the event loop, each with a deadline."""

    def __init__(self, threads: int = 64) -> None:
        """Keep at most `threads` calls under way."""
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="logist")

    async def run(self, what: str, deadline_s: float, call: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Return `call(*args, **kwargs)`.

        Args:
            what: For the message of a time-out (`runtime host: probe`).
            deadline_s: Seconds; after that the caller goes on, and the thread is left to itself.
            call: Blocking.
            *args: For `call`.
            **kwargs: For `call`.

        Raises:
            PluginTimeout: It didn't return in time.
        """
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, lambda: call(*args, **kwargs))
        future.add_done_callback(_swallow)  # whoever went on without it doesn't ask for its error
        done, _ = await asyncio.wait({future}, timeout=deadline_s)
        if not done:
            raise PluginTimeout(f"{what} did not return within {deadline_s:g} s")
        return future.result()

    def close(self) -> None:
        """Take no more calls; those under way are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _swallow(future: asyncio.Future[T]) -> None:
    if not future.cancelled():
        future.exception()
