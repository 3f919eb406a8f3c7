"""Sees to it that somebody supervises while there is work. Reading commands pay for this only where there is some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from logist_core.types.job import JobStatus, Lifecycle

if TYPE_CHECKING:
    from logist_core.jobs.home import Home

#: A held job waits for a person: it needs no supervisor.
_AT_REST = frozenset({Lifecycle.HELD})


def has_work(statuses: Iterable[JobStatus]) -> bool:
    """Say whether any of these jobs needs a supervisor to get on."""
    return any(not status.lifecycle.ended and status.lifecycle not in _AT_REST for status in statuses)


def is_supervised(home: Home) -> bool:
    """Say whether a supervisor lives."""
    from logist_core.supervise.singleton import is_held

    return is_held(home.path)


def ensure(home: Home, *, wait_s: float = 10.0) -> bool:
    """Start a supervisor unless one lives; return whether one was started.

    Raises:
        LogistError: It didn't come up within `wait_s`. With 0 nobody waits, and it may yet fail.
    """
    if is_supervised(home):
        return False
    from logist_core.supervise.client import ensure_supervisor

    ensure_supervisor(home, wait_s=wait_s)
    return True


def me() -> str:
    """Return who acts, for the journal."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
