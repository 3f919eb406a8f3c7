"""Finds what is installed, from metadata alone: one scan of all entry points, no plugin imported.

Invariant: no distribution, however broken its metadata, hides another one's plugins.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logist_core.config.text import printable
from logist_core.hookspecs import GROUPS
from logist_core.registry.faults import PluginFault, Reason

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint, IDistribution

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One plugin, as its distribution's metadata announces it.

    Attributes:
        kind: `agent`, `runtime`, `patterns` or `sentinel`.
        name: What users select.
        dist, version: The distribution that offers it.
        module: The entry point's value: `package.plugin`, or `package.plugin:object`.
    """

    kind: str
    name: str
    dist: str
    version: str
    module: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What one scan found, sorted; `disabled` entries are left out of `entries`."""

    entries: tuple[Entry, ...]
    disabled: tuple[Entry, ...]
    faults: tuple[PluginFault, ...]


def scan(disabled_dists: Collection[str] = ()) -> Scan:
    """Read the metadata of everything that can be imported, once.

    Args:
        disabled_dists: Distributions whose plugins the user has switched off.
    """
    points, faults = _entry_points()
    switched_off = {_normalised(dist) for dist in disabled_dists}
    entries: list[Entry] = []
    disabled: list[Entry] = []
    for kind, (group, _) in GROUPS.items():
        for point in points:
            if point.group != group:
                continue
            entry = _entry(kind, point)
            if _normalised(entry.dist) in switched_off:
                disabled.append(entry)
            elif NAME.fullmatch(point.name):
                entries.append(entry)
            else:
                faults.append(_invalid_name(entry))
    entries.sort()
    return Scan(tuple(entries), tuple(sorted(disabled)), (*faults, *_conflicts(entries)))


def providers(entries: Iterable[Entry], kind: str, name: str) -> list[Entry]:
    """Return all entries of one name: more than one is a conflict."""
    return [entry for entry in entries if (entry.kind, entry.name) == (kind, name)]


def _entry_points() -> tuple[list[EntryPoint], list[PluginFault]]:
    import importlib_metadata

    groups = {group for group, _ in GROUPS.values()}
    try:
        return [point for point in importlib_metadata.entry_points() if point.group in groups], []
    except Exception:  # noqa: BLE001 - one unreadable entry_points.txt fails the whole call: find out whose it is
        return _entry_points_one_by_one(importlib_metadata.distributions(), groups)


def _entry_points_one_by_one(
    dists: Iterable[IDistribution], groups: set[str]
) -> tuple[list[EntryPoint], list[PluginFault]]:
    points: list[EntryPoint] = []
    faults: list[PluginFault] = []
    seen: set[str] = set()
    for dist in dists:
        name, version = _identity(dist)
        if _normalised(name) in seen:  # shadowed by one that is earlier on the path
            continue
        seen.add(_normalised(name))
        try:
            points += [point for point in dist.entry_points if point.group in groups]
        except Exception as error:  # noqa: BLE001 - metadata is foreign text, and its parser isn't ours
            detail = f"its entry points can't be read: {printable(error, 120)}"
            hint = f"pip install --force-reinstall {name}"
            faults.append(_fault_of_dist(name, version, Reason.BAD_METADATA, detail, hint))
    return points, faults


def _entry(kind: str, point: EntryPoint) -> Entry:
    dist, version = _identity(point.dist)
    return Entry(kind, printable(point.name, 64), dist, version, printable(point.value, 200))


def _identity(dist: object) -> tuple[str, str]:
    shown = []
    for attribute, limit in (("name", 100), ("version", 40)):
        try:
            shown.append(printable(getattr(dist, attribute) or "unknown", limit))
        except Exception:  # noqa: BLE001 - a METADATA file without a name, or none at all
            shown.append("unknown")
    return shown[0], shown[1]


def _conflicts(entries: list[Entry]) -> list[PluginFault]:
    faults = []
    for entry in entries:
        rivals = providers(entries, entry.kind, entry.name)
        if len(rivals) > 1:
            faults.append(conflict_fault(entry, rivals))
    return faults


def conflict_fault(entry: Entry, rivals: list[Entry]) -> PluginFault:
    """Return the fault of one of several providers of a name."""
    offers = " and ".join(f"{rival.dist} {rival.version}" for rival in rivals)
    return PluginFault(
        kind=entry.kind,
        name=entry.name,
        dist=entry.dist,
        version=entry.version,
        reason=Reason.CONFLICT.value,
        detail=f"offered by {offers}; with two claims on the name, none is taken",
        hint=f"pip uninstall {rivals[-1].dist}, or: logist config set plugins.disable {rivals[-1].dist}",
    )


def _invalid_name(entry: Entry) -> PluginFault:
    return PluginFault(
        kind=entry.kind,
        name=entry.name,
        dist=entry.dist,
        version=entry.version,
        reason=Reason.INVALID_NAME.value,
        detail=f"the entry point's name '{entry.name}' isn't lower-case letters, digits and hyphens (at most 32)",
        hint="tell its author",
    )


def _fault_of_dist(dist: str, version: str, reason: Reason, detail: str, hint: str) -> PluginFault:
    return PluginFault(kind="", name="", dist=dist, version=version, reason=reason.value, detail=detail, hint=hint)


def _normalised(dist: str) -> str:
    return re.sub(r"[-_.]+", "-", dist).lower()
