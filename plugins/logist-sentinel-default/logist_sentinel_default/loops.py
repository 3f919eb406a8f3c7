"""Loops: an agent that does the same over and over again. Told early, and ended late, by count and not by time.

Invariant: what a loop rests on decides what may follow from it: the agent's own actions may end it, lines of output,
which many a healthy program repeats, never do.
"""

from __future__ import annotations

from logist_core.api import Level, Loop, Observation
from logist_sentinel_default.memory import Memory
from logist_sentinel_default.senses import reached
from logist_sentinel_default.settings import Settings

LOOPING = "looping"
#: A step that succeeds may be a look at something that takes its time.
PATIENCE_WITH_SUCCESS = 5
_SHOWN_STEPS = 4


def note(memory: Memory, seen: Observation, settings: Settings) -> None:
    """Take in the observation: since when there is a loop."""
    loop = seen.loop
    if loop is None or loop.times < _enough(loop, settings):
        memory.looping_s = None
    elif memory.looping_s is None:
        memory.looping_s = seen.now_s


def level(memory: Memory, seen: Observation, settings: Settings) -> Level | None:
    """Return what the loop amounts to; None: nothing."""
    loop = seen.loop
    if memory.looping_s is None or loop is None:
        return None
    if loop.source != "actions":
        # A line that comes back with each of some quick steps has to last before it means anything.
        return Level.SUSPECT if reached(seen.now_s - memory.looping_s, settings.suspect_s) else None
    limit = settings.loop_limit * (1 if loop.failing else PATIENCE_WITH_SUCCESS)
    return Level.STALLED if 0 < limit <= loop.times * len(loop.steps) else Level.SUSPECT


def due_s(memory: Memory, seen: Observation, settings: Settings) -> float | None:
    """Return the seconds after which time alone makes more of a loop; None: it doesn't."""
    if memory.looping_s is None or seen.loop is None or seen.loop.source == "actions":
        return None
    return settings.suspect_s - (seen.now_s - memory.looping_s)


def describe(loop: Loop, settings: Settings) -> tuple[str, ...]:
    """Return the figures, and what is repeated."""
    rounds = "round of steps" if len(loop.steps) > 1 else "step"
    what = "error" if loop.failing and len(loop.steps) == 1 else rounds
    whose = "by its own events" if loop.source == "actions" else "in its output, without news"
    return (
        f"the same {what} {loop.times} times in a row, {whose} (limit {_enough(loop, settings)})",
        *(f"repeated: {step}" for step in loop.steps[:_SHOWN_STEPS]),
    )


def _enough(loop: Loop, settings: Settings) -> int:
    return max(2, settings.loop_repeats - (len(loop.steps) > 1))
