"""Tells which plugins may listen to job events, from their source text, without importing anything.

Invariant: a plugin that listens is never missed; one that doesn't may be taken for a listener, which only costs time.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path

from logist_core.registry.discovery import Entry

JOB_EVENT_HOOK = "logist_job_event"

_MAX_BYTES = 1 << 20


def may_listen(entry: Entry) -> bool:
    """Return whether the plugin's module names the hook, can't be read, or takes in names that can't be seen."""
    source = _source(entry.module)
    if source is None or ":" in entry.module:  # an object may have been made anywhere
        return True
    return JOB_EVENT_HOOK.encode() in source or b"import *" in source


def _source(value: str) -> bytes | None:
    # Not importlib.util.find_spec: that imports the parent packages.
    path: list[str] | None = None
    spec = None
    parts = value.partition(":")[0].strip().split(".")
    for depth in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: depth + 1]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        with Path(spec.origin).open("rb") as file:
            source = file.read(_MAX_BYTES + 1)
    except OSError:
        return None
    return source if len(source) <= _MAX_BYTES else None
