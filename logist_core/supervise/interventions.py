"""Counts how often sentinels acted on all jobs of a home, so that a mistake of theirs stays small.

Invariant: an act is counted, on disk, before it is journalled and done; a crash in between counts one too many.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from logist_core.errors import LogistError

_FILE = "interventions.json"
WINDOW_S = 3600.0


class Interventions:
    """The home's allowance. Thread-safe."""

    def __init__(self, home: Path, most: int, wall: Callable[[], float]) -> None:
        """Allow `most` acts within `WINDOW_S` seconds; what was counted before counts."""
        self._path = home / _FILE
        self._most = most
        self._wall = wall
        self._lock = threading.Lock()
        self._times = self._saved()

    def take(self) -> str | None:
        """Count one act; return why it isn't allowed, if so, and count nothing then."""
        from logist_core.jobs.atomic import write_json

        with self._lock:
            now = self._wall()
            self._times = [at for at in self._times if now - WINDOW_S < at <= now]
            if len(self._times) >= self._most:
                return f"{len(self._times)} interventions in this home within the hour are all that are allowed"
            self._times.append(now)
            with contextlib.suppress(LogistError, OSError):  # a full disk must not keep a hung agent hung
                write_json(self._path, {"schema": 1, "at": self._times}, durable=False)
            return None

    def _saved(self) -> list[float]:
        from logist_core.jobs.atomic import read_json

        try:
            record = read_json(self._path)
        except (LogistError, OSError):
            return []
        times = record.get("at") if isinstance(record, dict) else None
        return [float(at) for at in times if isinstance(at, int | float)] if isinstance(times, list) else []
