"""Draws the board with rich: live on a terminal until somebody leaves, once where there is none.

Invariant: the terminal gets its modes and its screen back, however it ends; it is drawn at most `MOST_PER_S` times a
second, and not at all while nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from logist_core.dashboard.board import Board

#: Drawing more often helps nobody and costs the terminal.
MOST_PER_S = 4
#: Ages and durations go on even when nothing else happens.
TICK_S = 1.0

_STYLES: Mapping[str, str] = {
    "needs you": "bold magenta",
    "running": "cyan",
    "waiting": "yellow",
    "queued": "dim",
    "ended": "dim",
}
_STATE_STYLES: Mapping[str, str] = {
    "succeeded": "green",
    "cancelled": "dim",
    "failed": "red",
    "timed_out": "red",
    "failed_to_start": "red",
    "lost": "red",
}
_COLUMNS = ("JOB", "NAME", "AGENT", "STATE", "ACTIVITY", "AGE", "RAN", "WHY")
#: Lines of the screen that are no rows: title, blank, heading, footer.
OVERHEAD_LINES = 5


def render(board: Board, *, footer: str = "") -> RenderableType:
    """Return the board as something rich can print. Cells are `Text`: markup in them means nothing."""
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    for name in _COLUMNS[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(_COLUMNS[-1], no_wrap=True, overflow="ellipsis", ratio=1)
    for row in board.rows:
        style = _STYLES[row.group]
        state = Text(row.state, style=_STATE_STYLES.get(row.state, style))
        quiet = "dim" if row.group == "ended" else ""
        table.add_row(
            Text(row.id, style=quiet),
            Text(row.name, style=quiet),
            Text(row.agent, style=quiet),
            state,
            Text(row.activity, style=style),
            Text(row.age, style="dim"),
            Text(row.ran, style="dim"),
            Text(row.detail, style="dim" if row.group != "needs you" else "magenta"),
        )
    notes = [Text(note, style="yellow", no_wrap=True, overflow="ellipsis") for note in board.notes]
    parts: list[RenderableType] = [_title(board), *notes, Text(""), table]
    if not board.rows:
        parts[-1] = Text('No jobs yet. Start one: logist run "say hello"', style="dim")
    if board.hidden:
        parts.append(Text(f"{board.hidden} more", style="dim"))
    if footer:
        parts.append(Text(footer, style="dim"))
    return Group(*parts)


def _title(board: Board) -> Text:
    title = Text("logist", style="bold")
    for group, count in board.counts.items():
        title.append(f"   {count} {group}", style=_STYLES[group])
    if board.problems:
        title.append(f"   {board.problems} unreadable", style="red")
    return title


def print_once(board: Board, *, width: int | None = None) -> None:
    """Print the board as plain text."""
    Console(width=width, no_color=True, highlight=False, markup=False, emoji=False, soft_wrap=False).print(
        render(board)
    )


class Pace:
    """Lets at most `MOST_PER_S` drawings a second through. Seconds of any monotonic clock."""

    def __init__(self, per_s: float = MOST_PER_S) -> None:
        """Nothing was drawn yet."""
        self._gap_s = 1.0 / per_s
        self._drawn_at: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait before the next drawing."""
        return 0.0 if self._drawn_at is None else max(self._drawn_at + self._gap_s - now_s, 0.0)

    def drew(self, now_s: float) -> None:
        """Note that it was drawn."""
        self._drawn_at = now_s


def watch(
    board: Callable[[int], Board], wait: Callable[[float], bool], *, footer: str, console: Console | None = None
) -> None:
    """Show the board until `wait` says to leave.

    Args:
        board: Returns the board with at most so many rows.
        wait: Sleeps until something may have changed, so many seconds at most; returns True to leave.
        footer: The last line: which keys leave.
        console: Where to draw; None: the terminal.
    """
    console = console or Console(highlight=False, markup=False, emoji=False)
    pace = Pace()
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        while True:
            room = max(console.size.height - OVERHEAD_LINES, 1)
            live.update(render(board(room), footer=footer), refresh=True)
            pace.drew(time.monotonic())
            if wait(TICK_S) or _rest(pace, wait):
                return


def _rest(pace: Pace, wait: Callable[[float], bool]) -> bool:
    """Sleep until drawing is allowed again; return True to leave."""
    while (left_s := pace.wait_s(time.monotonic())) > 0:
        if wait(left_s):
            return True
    return False
