"""Tables of figures, each beside the peer that it is compared with. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Table:
    """One table.

    Attributes:
        title: What was measured, and the unit.
        columns: Names of the figures of a row.
        against: The row that the ratios compare with; the first of these that was measured.
        ratio_of: The column that the ratio is of; None: no ratio makes sense.
        rows: Name to figures; None for what a row has no figure for.
        unmeasured: Name to the reason.
        notes: Lines below the table.
    """

    title: str
    columns: tuple[str, ...]
    against: tuple[str, ...] = ()
    ratio_of: str | None = None
    rows: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, *figures: float | None) -> None:
        assert len(figures) == len(self.columns), (name, figures)
        self.rows[name] = figures

    def reference(self) -> str | None:
        return next((name for name in self.against if name in self.rows), None)

    def ratio(self, name: str) -> float | None:
        """Return this row's figure as a multiple of the reference's."""
        reference = self.reference()
        if reference is None or self.ratio_of is None:
            return None
        column = self.columns.index(self.ratio_of)
        mine, theirs = self.rows[name][column], self.rows[reference][column]
        return None if mine is None or not theirs else mine / theirs

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "columns": list(self.columns),
            "reference": self.reference(),
            "ratio_of": self.ratio_of,
            "rows": {name: {"figures": list(f), "ratio": self.ratio(name)} for name, f in self.rows.items()},
            "unmeasured": self.unmeasured,
            "notes": self.notes,
        }


def render(table: Table) -> str:
    """Return the table as text."""
    reference = table.reference()
    compared = table.ratio_of is not None and reference is not None
    header = ["", *table.columns, *([f"{table.ratio_of} / {reference}"] if compared else [])]
    lines = [header]
    for name, figures in table.rows.items():
        ratio = [shown(table.ratio(name)) + "x"] if compared else []
        lines.append([name, *map(shown, figures), *ratio])
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    text = [table.title]
    for line in lines:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        text.append("  " + "  ".join(cells).rstrip())
    text += [f"  {name}: not measured: {reason}" for name, reason in table.unmeasured.items()]
    return "\n".join(text + [f"  {note}" for note in table.notes])


def shown(figure: float | None) -> str:
    """Return a figure in as many digits as it is worth."""
    if figure is None or math.isnan(figure):
        return "-"
    if figure and abs(figure) < 10:
        return f"{figure:.2f}"
    return f"{figure:,.1f}" if abs(figure) < 100 else f"{figure:,.0f}"


def median_and_worst(values: Sequence[float]) -> tuple[float, float]:
    return statistics.median(values), max(values)


def merged(*unmeasured: Mapping[str, str]) -> dict[str, str]:
    return {name: reason for each in unmeasured for name, reason in each.items()}
