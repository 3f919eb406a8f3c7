"""Imports one plugin and calls its hook, through pluggy, in isolation from every other plugin.

Invariant: each plugin is registered in a plugin manager of its own, so no plugin's defect, wrapper or unknown hook
can reach another one; a hook's result is consumed inside of the guard, because a generator fails late.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING

from logist_core.config.settings import Record
from logist_core.config.text import nearest, printable
from logist_core.hookspecs import GROUPS, PROJECT
from logist_core.registry.discovery import Entry
from logist_core.registry.faults import Reason, Rejected
from logist_core.registry.guard import call_guarded, rejection
from logist_core.registry.records import pick_record

if TYPE_CHECKING:
    import pluggy

#: An import that takes longer is reported, in seconds: every command that uses the plugin pays for it.
SLOW_IMPORT_S = 2.0

_MAX_RECORDS = 256


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that passed every check but those of its factory.

    Attributes:
        entry: The entry that was loaded.
        record: Its record.
        plugin: The imported object.
        manager: The plugin manager that knows it alone.
        import_s: Seconds that its import took.
    """

    entry: Entry
    record: Record
    plugin: object
    manager: pluggy.PluginManager
    import_s: float

    @property
    def hooks(self) -> tuple[str, ...]:
        """Names of the hooks that it implements."""
        return tuple(sorted(hook.name for hook in self.manager.get_hookcallers(self.plugin) or []))

    @property
    def slow(self) -> Rejected | None:
        """A warning, where the import was slow."""
        if self.import_s <= SLOW_IMPORT_S:
            return None
        return Rejected(
            Reason.SLOW_IMPORT,
            f"its import took {self.import_s:.1f} s (limit {SLOW_IMPORT_S:g} s)",
            "tell its author: heavy imports belong into the record's factory",
            warning=True,
        )


def load(entry: Entry, *, limit_s: float) -> Loaded:
    """Import the plugin of `entry` and return it with its record.

    Raises:
        Rejected: It failed, in any of the ways in which foreign code can.
    """
    return call_guarded(lambda: _load(entry), limit_s=limit_s, failed=Reason.IMPORT_FAILED)


def _load(entry: Entry) -> Loaded:
    started = time.perf_counter()
    plugin = _imported(entry.module)
    import_s = time.perf_counter() - started
    manager = _registered(entry, plugin)
    record = pick_record(entry, _records(entry, manager))
    return Loaded(entry, record, plugin, manager, import_s)


def _imported(value: str) -> object:
    module, _, attributes = value.partition("[")[0].partition(":")
    imported = importlib.import_module(module.strip())
    return reduce(getattr, filter(None, attributes.strip().split(".")), imported)


def _registered(entry: Entry, plugin: object) -> pluggy.PluginManager:
    import pluggy

    from logist_core import hookspecs

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=f"{entry.dist}:{entry.kind}:{entry.name}")
    except Exception as error:  # noqa: BLE001 - pluggy reads every attribute of the plugin, which may raise anything
        text = printable(error, 240)
        raise Rejected(Reason.INVALID_HOOK, text or type(error).__name__) from None
    _check_hooks(entry, manager, plugin)
    return manager


def _check_hooks(entry: Entry, manager: pluggy.PluginManager, plugin: object) -> None:
    known = {name for name in vars(manager.hook) if getattr(manager.hook, name).has_spec()}
    implemented = set()
    for hook in manager.get_hookcallers(plugin) or []:
        implemented.add(hook.name)
        for implementation in hook.get_hookimpls():
            if implementation.hookwrapper or implementation.wrapper:
                raise Rejected(Reason.HOOK_WRAPPER, f"{hook.name} is a hook wrapper: these are refused")
            if hook.name not in known and not implementation.optionalhook:
                close = nearest(hook.name, known)
                hint = f"did you mean {close[0]}?" if close else "pip install --upgrade logist-core"
                raise Rejected(Reason.UNKNOWN_HOOK, f"it implements the unknown hook {printable(hook.name, 80)}", hint)
    _, needed = GROUPS[entry.kind]
    if needed not in implemented:
        raise Rejected(
            Reason.NO_HOOK,
            f"{entry.module} doesn't implement {needed}",
            "tell its author: the entry point must name the module with the @hookimpl",
        )


def _records(entry: Entry, manager: pluggy.PluginManager) -> list[object]:
    _, hook = GROUPS[entry.kind]
    try:
        results = getattr(manager.hook, hook)()
    except BaseException as error:  # noqa: BLE001 - foreign code
        raise rejection(error, Reason.HOOK_FAILED) from None
    # pluggy leaves None out: an empty list is a hook that returned None.
    result = results[0] if results else None
    if result is None or isinstance(result, str | bytes | dict) or not isinstance(result, Iterable):
        close = getattr(result, "close", None)
        if callable(close):  # a coroutine; unclosed, Python warns about it on stderr
            close()
        shown = printable(type(result).__name__, 60)
        raise Rejected(Reason.WRONG_RETURN, f"{hook} returned {shown}, not a list of records")
    try:
        records = list(islice(result, _MAX_RECORDS + 1))
    except BaseException as error:  # noqa: BLE001 - foreign code
        raise rejection(error, Reason.LATE_GENERATOR) from None
    if len(records) > _MAX_RECORDS:
        raise Rejected(Reason.WRONG_RETURN, f"{hook} returned more than {_MAX_RECORDS} records")
    return records
