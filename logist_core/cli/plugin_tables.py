"""Shows plugins: the tables and JSON shapes that `plugins`, `agents` and `runtimes` have in common.

Invariant: what a plugin wrote reaches the terminal only as printable text, which the registry sees to.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from logist_core.types._json import JSON, plain

if TYPE_CHECKING:
    from logist_core.config import Config
    from logist_core.registry import Entry, PluginFault, Registry, Selection
    from logist_core.registry.inspection import Report

SCHEMA = 1

_STYLES: Mapping[str, tuple[str, ...]] = {"ok": ("green",), "fault": ("red",), "unchecked": ("dim",)}


def gather(registry: Registry, kind: str | None, *, checked: bool, limit_s: float | None = None) -> list[Report]:
    """Return a report on each plugin of `kind`; unless `checked`, from metadata alone."""
    from logist_core.registry.inspection import Report

    if checked:
        return registry.reports(kind, limit_s=limit_s)
    return [Report(entry=entry, faults=tuple(_faults_of(registry, entry))) for entry in registry.entries(kind)]


def loose_faults(registry: Registry) -> list[PluginFault]:
    """Return the faults that belong to no selectable entry: broken metadata, names that can't be selected."""
    known = {(entry.kind, entry.name, entry.dist) for entry in registry.entries()}
    return [fault for fault in registry.faults if (fault.kind, fault.name, fault.dist) not in known]


def state(report: Report, *, checked: bool) -> str:
    """Return `ok`, `fault` or `unchecked`."""
    if not report.ok:
        return "fault"
    return "ok" if checked else "unchecked"


def as_json(report: Report, *, checked: bool) -> dict[str, JSON]:
    """Return the documented shape of one plugin."""
    return {
        **plain(report.entry),
        "state": state(report, checked=checked),
        "summary": report.summary,
        "api": report.api,
        "import_s": report.import_s,
        "settings": plain(report.settings),
        "hooks": list(report.hooks),
        "faults": plain(report.faults),
    }


def remark(report: Report) -> str:
    """Return what the last column says: the faults, the errors first, or else the summary."""
    faults = sorted(report.faults, key=lambda fault: fault.severity != "error")
    words = [f"{fault.reason}: {fault.detail}" for fault in faults]
    if report.ok:
        words.insert(0, report.summary or "")
    return "; ".join(word for word in words if word)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], states: Sequence[str], column: int) -> None:
    """Print a table; the cells of `column` are painted by their state."""
    import shutil

    from logist_core.cli import formats, output

    total = shutil.get_terminal_size().columns if output.is_terminal(sys.stdout) else None
    padded = formats.columns([head, *rows], total=total)
    colour = output.wants_colour(sys.stdout)
    output.line(output.paint("  ".join(padded[0]).rstrip(), "dim", on=colour))
    for name, cells in zip(states, padded[1:], strict=True):
        cells[column] = output.paint(cells[column], *_STYLES.get(name, ()), on=colour)
        output.line("  ".join(cells).rstrip())


def print_faults(faults: Sequence[PluginFault]) -> None:
    """Print each fault with its culprit, and what to try."""
    from logist_core.cli import output

    for fault in faults:
        what = f"{fault.kind}/{fault.name} of " if fault.name else ""
        output.line(f"{fault.severity}: {what}{fault.dist} {fault.version}: {fault.reason}: {fault.detail}")
        if fault.hint:
            output.line(f"  Try: {fault.hint}")


def list_kind(registry: Registry, config: Config, kind: str, *, as_json_text: bool, checked: bool) -> None:
    """Print all plugins of one kind, and which of them is used where a job names none."""
    from logist_core.cli import output

    reports = gather(registry, kind, checked=checked)
    chosen, trouble = _selected(registry, config, kind)
    if as_json_text:
        output.json_line(
            {
                "schema": SCHEMA,
                f"{kind}s": [as_json(report, checked=checked) for report in reports],
                "selected": plain(chosen),
            }
        )
        return
    for warning in config.warnings:
        output.note(warning, "yellow")
    if not reports:
        output.note(trouble)
        return
    rows: list[list[str]] = []
    for report in reports:
        mark = "*" if chosen and chosen.name == report.entry.name else ""
        entry = report.entry
        rows.append([mark, entry.name, state(report, checked=checked), f"{entry.dist} {entry.version}", remark(report)])
    states = [row[2] for row in rows]
    table(("", "NAME", "STATE", "DISTRIBUTION", "SUMMARY"), rows, states, 2)
    output.note(f"* used where a job names no {kind} ({chosen.why})" if chosen else trouble)


def _selected(registry: Registry, config: Config, kind: str) -> tuple[Selection | None, str]:
    from logist_core.errors import LogistError

    try:
        return registry.select(kind, None, config), ""
    except LogistError as error:
        return None, f"{error.message}; try: {error.hint}" if error.hint else error.message


def _faults_of(registry: Registry, entry: Entry) -> list[Any]:
    key = (entry.kind, entry.name, entry.dist)
    return [fault for fault in registry.faults if (fault.kind, fault.name, fault.dist) == key]
