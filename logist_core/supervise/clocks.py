"""Time as attempts live it: suspended time left out, and the same before and after a supervisor's death."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from logist_core import platform
from logist_core.types.job import JobEvent


@dataclass(frozen=True, slots=True)
class Clocks:
    """The three clocks, handed in so that tests can turn them.

    Attributes:
        wall: Unix time, seconds: for display and for reset times.
        awake: Seconds; stands still while the machine is suspended.
        boot: Seconds since boot, suspended time included.
    """

    wall: Callable[[], float] = field(default=time.time)
    awake: Callable[[], float] = field(default=platform.awake_s)
    boot: Callable[[], float] = field(default=platform.boot_s)


def wait_left_s(waiting: JobEvent, clocks: Clocks) -> float:
    """Return how many seconds the wait of a `job.waiting` event still lasts; 0 or less: it is over.

    A time of day (`not_before` alone) is waited for by the wall clock. A length of time (`delay_s`) counts from the
    event on the clock that nobody sets, suspended time included. Across a reboot only the wall clock connects the
    two, and it may have been set: then the wait lasts until `not_before`, but never longer than its whole length.
    """
    by_wall_s = float(waiting.data.get("not_before") or 0.0) - clocks.wall()
    delay_s = waiting.data.get("delay_s")
    if not isinstance(delay_s, int | float):
        return by_wall_s
    if waiting.boot_id == platform.boot_id():
        return waiting.boot_s + delay_s - clocks.boot()
    return min(by_wall_s, float(delay_s))


def attempt_began_awake_s(events: Sequence[JobEvent], attempt: int, clocks: Clocks) -> float:
    """Return when the attempt began, on the awake clock.

    The journal keeps the awake clock's reading of that moment. Where it has none (another writer, another boot),
    time since boot stands in: suspended time then counts, which can only be seen by a supervisor that died,
    and only as a time-out that comes early by that much.
    """
    for event in reversed(events):
        if event.kind == "attempt.running" and event.data.get("attempt") == attempt:
            began = event.data.get("awake_s")
            if event.boot_id == platform.boot_id():
                if isinstance(began, int | float):
                    return float(began)
                return clocks.awake() - (clocks.boot() - event.boot_s)
            break
    return clocks.awake()
