"""The records of one attempt as seen from outside: opened by directory, read by name, never written over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from logist_core.api import AttemptKey, ExitStatus, RuntimeHandle, RuntimeUnavailable
from logist_runtime_host import keeper

HANDLE_VERSION = 1


class AttemptFiles:
    """An attempt's directory, held open: whatever its path comes to mean, we go on with the same one.

    Raises (on construction):
        FileNotFoundError: There is no such directory.

    What can't be read now (no descriptor is left, a disk fails) may or may not be there: every question is then
    answered by `RuntimeUnavailable`, never by "it isn't".
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.dir_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> AttemptFiles:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the directory."""
        os.close(self.dir_fd)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a record, None where it is absent or broken."""
        try:
            return keeper.read_record(self.dir_fd, name)
        except OSError as error:
            raise self._unreadable(name, error) from error

    def launch(self, nonce: str) -> dict[str, Any] | None:
        """Return `launch.json` if it is that of the attempt with this nonce."""
        record = self.read("launch.json")
        return record if record is not None and record.get("nonce") == nonce else None

    def child(self, nonce: str) -> dict[str, Any] | None:
        """Return the record of the leader if the attempt may have run; None also for a void one."""
        record = self.read("child.json")
        if record is None or record.get("void") or record.get("nonce") != nonce:
            return None
        return record if isinstance(record.get("pid"), int) and isinstance(record.get("start"), str) else None

    def exit_status(self) -> ExitStatus | None:
        """Return how the attempt ended, as recorded."""
        record = self.read("exit.json")
        if record is None:
            return None
        done = self.read("done.json") or {}
        error = record.get("exec_error")
        code, signal = record.get("code"), record.get("signal")
        if not isinstance(error, str) and not isinstance(code, int) and not isinstance(signal, int):
            return None
        return ExitStatus(
            code=code,
            signal=signal,
            exec_error=error,
            core_dumped=bool(record.get("core_dumped")),
            ended_at=record.get("at"),
            source=str(record.get("source", "")),
            survivors=tuple(done.get("survivors", ())),
        )

    def is_taken(self, name: str) -> bool:
        """Say whether anything at all has this name."""
        try:
            os.stat(name, dir_fd=self.dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unreadable(name, error) from error
        return True

    def is_held(self, name: str) -> bool:
        """Say whether a lock is held at this instant; see `keeper.is_locked`."""
        try:
            return keeper.is_locked(self.dir_fd, name)
        except OSError as error:
            raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: OSError) -> RuntimeUnavailable:
        return RuntimeUnavailable(f"can't read {self.directory}/{name}: {error.strerror}", hint="try again")


def handle_of(key: AttemptKey, directory: str) -> RuntimeHandle:
    """Return the handle of an attempt: it names the directory and the nonce, and no process."""
    data = {"job_id": key.job_id, "attempt": key.attempt, "nonce": key.nonce, "directory": directory}
    return RuntimeHandle(runtime="host", version=HANDLE_VERSION, data=data)


def place_of(handle: RuntimeHandle) -> tuple[str, str] | None:
    """Return (directory, nonce) of a handle, None for one that isn't ours or was tampered with."""
    data: Mapping[str, Any] = handle.data
    directory, nonce = data.get("directory"), data.get("nonce")
    if handle.runtime != "host" or not isinstance(directory, str) or not os.path.isabs(directory) or "\0" in directory:
        return None
    if not isinstance(nonce, str) or len(nonce) != 32 or set(nonce) - set("0123456789abcdef"):
        return None
    return directory, nonce
