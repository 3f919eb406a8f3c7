"""Writes the figures of a run into docs/reference/performance.md. Pure but for `write`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.report import Table, shown

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"


def write(page: Path, tables: list[Table], machine: dict[str, Any], command: str) -> None:
    """Replace what stands between the marks of `page`."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{block(tables, machine, command)}\n{END}{after}")


def block(tables: list[Table], machine: dict[str, Any], command: str) -> str:
    """Return the tables as Markdown, with the machine's kind and the command that measured them."""
    load = "/".join(f"{value:.1f}" for value in machine["load_at_start"])
    kind = f"{machine['cores']} cores, Linux {machine['kernel'].split('-')[0]}, CPython {machine['python']}"
    parts = [f"By `{command}` on {kind}; load at the start {load}.\n"]
    return "\n".join(parts + [markdown(table) for table in tables])


def markdown(table: Table) -> str:
    """Return one table."""
    reference = table.reference()
    compared = table.ratio_of is not None and reference is not None
    columns = [*table.columns, *([f"{table.ratio_of} / {reference}"] if compared else [])]
    lines = [f"### {table.title[:1].upper()}{table.title[1:]}", ""]
    if table.rows:
        lines += ["| | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    for name, figures in table.rows.items():
        ratio = table.ratio(name)
        ratios = [f"{shown(ratio)}x" if ratio is not None else "-"] if compared else []
        lines.append(f"| {_cell(name)} | " + " | ".join([*map(shown, figures), *ratios]) + " |")
    unmeasured = [f"- {_cell(name)}: not measured: {reason}" for name, reason in table.unmeasured.items()]
    notes = [f"- {note}" for note in table.notes]
    if unmeasured or notes:
        lines += ["", *unmeasured, *notes]
    return "\n".join([*lines, ""])


def _cell(name: str) -> str:
    return name.replace("|", "\\|")
