"""The registry: what is installed, loaded on demand and one plugin at a time.

Invariant: nothing is imported before it is asked for, each plugin at most once; a failure is remembered as a fault
and costs no other plugin anything.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar, cast, overload

from logist_core.config import Config
from logist_core.config.settings import Record
from logist_core.errors import LogistError
from logist_core.hookspecs import GROUPS, AgentRecord, PatternsRecord, RuntimeRecord, SentinelRecord
from logist_core.registry.discovery import Entry, Scan, providers, scan
from logist_core.registry.events import EventDelivery
from logist_core.registry.faults import PluginFault, Reason, Rejected
from logist_core.registry.guard import call_guarded
from logist_core.registry.listeners import JOB_EVENT_HOOK, may_listen
from logist_core.registry.loading import Loaded, load
from logist_core.registry.records import check_product
from logist_core.registry.selection import Selection, not_installed, select, unusable
from logist_core.types._json import JSON

if TYPE_CHECKING:
    from logist_core.protocols import Agent, Runtime, Sentinel
    from logist_core.registry.inspection import Report
    from logist_core.types.job import JobEvent, JobStatus
    from logist_core.types.signals import PatternSet

T = TypeVar("T")

#: Seconds that an import, a hook or a factory may take in this process.
LIMIT_S = 30.0


class Registry:
    """All installed plugins. Thread-safe.

    `discover` gives the one of this process; make another only where it must not be shared.
    """

    _shared: Registry | None = None

    def __init__(self, *, disabled: Collection[str] | None = None, limit_s: float = LIMIT_S) -> None:
        """Scan nothing yet.

        Args:
            disabled: Distributions to leave out; None: as the user's file says (`plugins.disable`).
            limit_s: Seconds that one call into a plugin may take.
        """
        self._disabled = disabled
        self._limit_s = limit_s
        self._scan: Scan | None = None
        self._loaded: dict[Entry, Loaded | PluginFault] = {}
        self._warnings: list[PluginFault] = []
        self._locks: dict[Entry, threading.RLock] = {}
        self._lock = threading.Lock()
        self._events = EventDelivery(self._note)

    @classmethod
    def discover(cls, *, refresh: bool = False) -> Registry:
        """Return the registry of this process. Nothing is read before its first use.

        Args:
            refresh: Forget what was found, so that what was installed since then is seen.
        """
        if refresh or cls._shared is None:
            if refresh:
                import importlib

                importlib.invalidate_caches()
            cls._shared = cls()
        return cls._shared

    def rediscovered(self) -> Registry:
        """Return a registry that sees what was installed since this one looked."""
        return type(self).discover(refresh=True)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """Return what is installed, sorted by kind, name and distribution, from metadata alone.

        A name that several distributions claim is listed once for each.

        Raises:
            ConfigError: The user's file, which may disable distributions, is wrong.
        """
        return [entry for entry in self._found().entries if kind in (None, entry.kind)]

    def disabled(self) -> list[Entry]:
        """Return the entries that `plugins.disable` left out."""
        return list(self._found().disabled)

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted({entry.name for entry in self.entries(kind)})

    def entry(self, kind: str, name: str) -> Entry:
        """Return the one entry of a name, without importing it.

        Raises:
            PluginUnavailable: It isn't installed, or several distributions claim the name.
        """
        found = providers(self.entries(), kind, name)
        if not found:
            raise not_installed(kind, name, self.names(kind))
        if len(found) > 1:
            fault = next(fault for fault in self._found().faults if _concerns(fault, found[0]))
            raise unusable(found[0], fault)
        return found[0]

    @overload
    def record(self, kind: Literal["agent"], name: str) -> AgentRecord: ...
    @overload
    def record(self, kind: Literal["runtime"], name: str) -> RuntimeRecord: ...
    @overload
    def record(self, kind: Literal["sentinel"], name: str) -> SentinelRecord: ...
    @overload
    def record(self, kind: Literal["patterns"], name: str) -> PatternsRecord: ...
    @overload
    def record(self, kind: str, name: str) -> Record: ...

    def record(self, kind: str, name: str) -> Record:
        """Import one plugin and return its record.

        Raises:
            PluginUnavailable: It isn't installed, or is at fault; the message says why and what to try.
        """
        return self._load(self.entry(kind, name)).record

    @overload
    def create(self, kind: Literal["agent"], name: str, settings: Mapping[str, JSON]) -> Agent: ...
    @overload
    def create(self, kind: Literal["runtime"], name: str, settings: Mapping[str, JSON]) -> Runtime: ...
    @overload
    def create(self, kind: Literal["sentinel"], name: str, settings: Mapping[str, JSON]) -> Sentinel: ...
    @overload
    def create(self, kind: str, name: str, settings: Mapping[str, JSON]) -> Agent | Runtime | Sentinel: ...

    def create(self, kind: str, name: str, settings: Mapping[str, JSON]) -> Agent | Runtime | Sentinel:
        """Call a plugin's factory with its resolved settings and return what it makes.

        Raises:
            LogistError: Whatever the factory itself says a user has to mend.
            PluginUnavailable: It isn't installed, is at fault, or makes something that isn't what it should be.
        """
        entry = self.entry(kind, name)
        product = self._product(self._load(entry), MappingProxyType(dict(settings)))
        return cast("Agent | Runtime | Sentinel", product)

    def patterns(self) -> tuple[PatternSet, ...]:
        """Return all healthy pattern sets, sorted by name. Never raises for one that fails: that is in `faults`."""
        entries = self.entries("patterns")
        sets = []
        # Nobody asked for these by name, so none of them may end this process. A lone set, which is what the
        # default installation has, is not worth the start of an interpreter.
        for entry in self._vetted(entries) if len(entries) > 1 else entries:
            with contextlib.suppress(LogistError):
                sets.append(self._product(self._load(self.entry(entry.kind, entry.name)), None))
        return cast("tuple[PatternSet, ...]", tuple(sets))

    @property
    def faults(self) -> list[PluginFault]:
        """What is known to be wrong: from the metadata, and with every plugin that was used so far."""
        with self._lock:
            failed = [outcome for outcome in self._loaded.values() if isinstance(outcome, PluginFault)]
            return [*self._found_unlocked().faults, *failed, *self._warnings]

    def reports(
        self, kind: str | None = None, *, name: str | None = None, limit_s: float | None = None
    ) -> list[Report]:
        """Import every plugin in a process of its own and report on each; see `inspection.inspect`.

        Args:
            kind: Only these.
            name: Only these.
            limit_s: Seconds for each; what takes longer is killed.
        """
        from logist_core.registry.inspection import LIMIT_S, inspect

        entries = [entry for entry in self.entries(kind) if name in (None, entry.name)]
        by_metadata = self._found().faults
        return [
            replace(report, faults=(*(f for f in by_metadata if _concerns(f, report.entry)), *report.faults))
            for report in inspect(entries, limit_s=LIMIT_S if limit_s is None else limit_s)
        ]

    def check(self, kind: str | None = None, *, limit_s: float | None = None) -> list[PluginFault]:
        """Return all faults, with every plugin imported in a process of its own that is killed when it hangs."""
        loose = [f for f in self._found().faults if not any(_concerns(f, entry) for entry in self.entries())]
        found = [fault for report in self.reports(kind, limit_s=limit_s) for fault in report.faults]
        return [*(fault for fault in loose if kind in (None, fault.kind)), *found]

    def select(self, kind: str, asked: str | None, config: Config) -> Selection:
        """Choose a plugin: command line, project's file, user's file, the only one installed, the default.

        Metadata alone decides; the plugin isn't imported.

        Raises:
            PluginUnavailable: What was asked for isn't installed, or nothing is.
            UsageError: Several are installed, none is chosen, and the default isn't among them.
        """
        return select(kind, self.names(kind), asked, config)

    def wants_job_events(self) -> bool:
        """Load every plugin that listens to `logist_job_event`, and return whether there is any.

        A plugin is only imported here after it has been imported safely in a process of its own, and it is only
        tried there if its source names the hook: with the default installation this reads a few files.
        """
        for entry in self._vetted([entry for entry in self.entries() if may_listen(entry)]):
            with contextlib.suppress(LogistError):
                self._load(self.entry(entry.kind, entry.name))
        with self._lock:
            loaded = [outcome for outcome in self._loaded.values() if isinstance(outcome, Loaded)]
        return any(JOB_EVENT_HOOK in plugin.hooks for plugin in loaded)

    def job_event(self, event: JobEvent, status: JobStatus) -> None:
        """Tell all plugins that were loaded in this process of an event; see the hook `logist_job_event`."""
        with self._lock:
            loaded = [outcome for outcome in self._loaded.values() if isinstance(outcome, Loaded)]
        self._events.deliver(loaded, event, status)

    def _found(self) -> Scan:
        with self._lock:
            return self._found_unlocked()

    def _found_unlocked(self) -> Scan:
        if self._scan is None:
            disabled = self._disabled
            if disabled is None:
                disabled = Config.load(None).get("plugins.disable")
            self._scan = scan(disabled)
        return self._scan

    def _vetted(self, entries: list[Entry]) -> list[Entry]:
        """Return those of `entries` that load in a process of their own; note the faults of the others."""
        from logist_core.registry.inspection import inspect

        fine = []
        for report in inspect(entries):
            if report.ok:
                fine.append(report.entry)
            for fault in report.faults:
                self._note(fault)
        return fine

    def _load(self, entry: Entry) -> Loaded:
        with self._lock:
            entry_lock = self._locks.setdefault(entry, threading.RLock())
        # One lock for each plugin: one that hangs at import must not hold up the others.
        with entry_lock:
            outcome = self._loaded.get(entry)
            if outcome is None:
                outcome = self._load_now(entry)
                with self._lock:
                    self._loaded[entry] = outcome
        if isinstance(outcome, PluginFault):
            raise unusable(entry, outcome)
        return outcome

    def _load_now(self, entry: Entry) -> Loaded | PluginFault:
        try:
            loaded = load(entry, limit_s=self._limit_s)
        except Rejected as rejected:
            return rejected.fault(entry)
        if loaded.slow:
            self._note(loaded.slow.fault(entry))
        return loaded

    def _product(self, loaded: Loaded, settings: Mapping[str, JSON] | None) -> object:
        try:
            return make(loaded, settings, limit_s=self._limit_s)
        except Rejected as rejected:
            fault = rejected.fault(loaded.entry)
            self._note(fault)
            raise unusable(loaded.entry, fault) from None

    def _note(self, fault: PluginFault) -> None:
        with self._lock:
            if fault not in self._warnings:
                self._warnings.append(fault)


def make(loaded: Loaded, settings: Mapping[str, JSON] | None, *, limit_s: float) -> object:
    """Call a record's factory and check what it makes; pattern sets take no settings.

    Raises:
        LogistError: As the factory raised it.
        Rejected: It failed, or its product lacks something.
    """

    def call() -> object:
        factory = cast("partial[object]", loaded.record.factory)
        product = factory() if isinstance(loaded.record, PatternsRecord) else factory(settings)
        check_product(loaded.entry.kind, loaded.entry.name, product)
        return product

    return call_guarded(call, limit_s=limit_s, failed=Reason.FACTORY_FAILED, passes=(LogistError,))


def _concerns(fault: PluginFault, entry: Entry) -> bool:
    return (fault.kind, fault.name, fault.dist) == (entry.kind, entry.name, entry.dist)


assert set(GROUPS) == {"agent", "runtime", "patterns", "sentinel"}, "the overloads above name every kind"
