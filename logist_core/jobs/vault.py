"""The environments of jobs: values in memory only, for as long as their job has not ended.

Invariant: no value ever reaches a disk (a swapped-out page aside). The files lie in `platform.memory_dir()`, a private
directory on a tmpfs, and are gone after a reboot, as all attempts are. Where there is no such directory nothing is
stored, and a job then gets the environment of the supervisor that starts it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path

from logist_core.errors import CorruptRecord, LogistError
from logist_core.jobs import atomic, files
from logist_core.types._json import JSON

_PREFIX = "env-"
#: A value without a job may belong to one that is being made; after so many seconds it surely doesn't.
_ORPHAN_AGE_S = 3600.0


class Vault:
    """The environments of the jobs of one home.

    Args:
        home: The home's path; part of each file's name, since one memory directory serves all homes of a user.
        directory: Where the files lie; None: there is no safe place, and nothing is stored.
    """

    def __init__(self, home: str, directory: Path | None) -> None:
        """Touch nothing yet."""
        self._directory = None if directory is None else os.fspath(directory)
        self._home = home
        self._prefix = _PREFIX + hashlib.sha256(os.fsencode(home)).hexdigest()[:16] + "-"

    def _path(self, job_id: str) -> str | None:
        return None if self._directory is None else os.path.join(self._directory, self._prefix + job_id)

    def store(self, job_id: str, environment: Mapping[str, str]) -> bool:
        """Keep `environment`, in place of any before. Return whether there was a place to keep it.

        Raises:
            LogistError: The memory directory is full or can't be written.
        """
        path = self._path(job_id)
        if path is None:
            return False
        atomic.write_json(path, {"home": self._home, "environment": dict(environment)}, durable=False)
        return True

    def load(self, job_id: str) -> dict[str, str] | None:
        """Return the environment; None: none is kept (any more), or what is kept can't be used.

        Raises:
            LogistError: It can't be read now.
        """
        path = self._path(job_id)
        kept = None if path is None else _read(path).get("environment")
        if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
            return None
        return kept

    def drop(self, job_id: str) -> None:
        """Forget the environment. Idempotent."""
        path = self._path(job_id)
        if path is not None:
            with suppress(OSError):
                os.unlink(path)

    def sweep(self, living: Container[str]) -> None:
        """Forget the environments of jobs of this home that aren't among `living`, and those of homes that are gone."""
        if self._directory is None:
            return
        with suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(OSError, LogistError):
                    if entry.name.startswith(_PREFIX) and self._is_orphan(entry, living):
                        os.unlink(entry.path)

    def _is_orphan(self, entry: os.DirEntry[str], living: Container[str]) -> bool:
        if time.time() - entry.stat(follow_symlinks=False).st_mtime <= _ORPHAN_AGE_S:
            return False
        if entry.name.startswith(self._prefix):
            return entry.name.removeprefix(self._prefix) not in living
        home = _read(entry.path).get("home")
        return isinstance(home, str) and not os.path.isdir(home)


def _read(path: str) -> dict[str, JSON]:
    """Return what a file holds, nothing where it can't be used; raise LogistError where it can't be read now."""
    try:
        data = files.read_bytes(path)
        kept = None if data is None else json.loads(data)
    except (CorruptRecord, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
