"""Storms and floods: retries and bytes that come faster than any healthy agent's, and bring no news.

Invariant: rates are taken over the last `suspect_s`, so that quiet hours before don't dilute a storm and a storm
that is over isn't held against the agent; news and good reasons to wait start the count anew.
"""

from __future__ import annotations

from logist_core.api import Observation
from logist_sentinel_default.memory import Memory
from logist_sentinel_default.settings import Settings

RETRY_STORM = "retry_storm"
RUNAWAY = "runaway"

#: The window's beginning is known to this part of its length.
_PARTS = 8
_FORGIVEN = 1 - 1e-9


def begin(memory: Memory, seen: Observation, at_s: float) -> None:
    """Count from here."""
    memory.marks = [[at_s, seen.output_bytes, seen.retries]]
    memory.busy, memory.latched = {}, []


def count(memory: Memory, seen: Observation, settings: Settings) -> None:
    """Take in the counters: `memory.busy` says since when each rate has been too high."""
    marks = memory.marks
    if seen.now_s - marks[-1][0] >= settings.suspect_s / _PARTS * _FORGIVEN:
        marks.append([seen.now_s, seen.output_bytes, seen.retries])
    # One mark at least as old as the window is kept: it is where the window begins.
    while len(marks) > 1 and seen.now_s - marks[1][0] >= settings.suspect_s * _FORGIVEN:
        del marks[0]
    within_s, printed, retries = _since(marks[0], seen)
    recent = next((mark for mark in reversed(marks) if seen.now_s - mark[0] >= settings.suspect_s / 4), marks[0])
    lately_s, lately_printed, lately_retries = _since(recent, seen)
    filled = within_s >= settings.suspect_s * _FORGIVEN
    for cause, amount, lately, limit in (
        (RETRY_STORM, retries, lately_retries, settings.storm_retries),
        (RUNAWAY, printed, lately_printed, settings.flood_bytes),
    ):
        # The last quarter must have its share, or half of it as few retries are unevenly spread: else it is over.
        goes_on = 2 * lately * settings.stall_s >= limit * lately_s * _FORGIVEN
        if filled and goes_on and amount * settings.stall_s >= limit * within_s * _FORGIVEN:
            memory.busy.setdefault(cause, seen.now_s)
        else:
            memory.busy.pop(cause, None)


def describe(cause: str, memory: Memory, seen: Observation, settings: Settings) -> str:
    """Return the figures behind a rate that is too high."""
    within_s, printed, retries = _since(memory.marks[0], seen)
    if cause == RETRY_STORM:
        amount, limit = f"{retries:.0f} retries", f"{settings.storm_retries}"
    else:
        amount, limit = f"{printed:.0f} B of output", f"{settings.flood_bytes} B"
    since_s = seen.now_s - memory.busy[cause] + settings.suspect_s
    return (
        f"{amount} in the last {within_s:.1f} s, so for {since_s:.1f} s, without news "
        f"(limit {limit} in {settings.stall_s:.1f} s)"
    )


def _since(mark: list[float], seen: Observation) -> tuple[float, float, float]:
    at_s, output, retries = mark
    return seen.now_s - at_s, seen.output_bytes - output, seen.retries - retries
