"""At most one supervisor for each home: the lock that says so, and the record of who holds it.

Invariant: `supervisor.lock` is held by `flock` for the whole life of a supervisor and is never unlinked. The
record beside it is for people and for pokes; it proves nothing by itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from logist_core.errors import LogistError
from logist_core.jobs import files
from logist_core.types._json import JSON

_LOCK = "supervisor.lock"
_RECORD = "supervisor.json"


def lock_path(home: Path) -> Path:
    """Return the path of the supervisor's lock."""
    return home / _LOCK


def acquire(home: Path, *, patience_s: float = 2.0) -> int | None:
    """Take the lock; return its descriptor, or None where another process keeps it.

    A prober holds the lock, shared, for microseconds: that is why one refusal isn't an answer.
    """
    fd = _open(home, os.O_CREAT)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(fd)
                return None
            time.sleep(0.01)
        else:
            return fd


def is_replaced(home: Path, fd: int) -> bool:
    """Say whether somebody removed the file of the lock that we hold as `fd`, and another supervisor made it anew."""
    try:
        found = os.lstat(lock_path(home))
    except OSError:
        return False
    ours = os.fstat(fd)
    return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)


def is_held(home: Path) -> bool:
    """Whether a supervisor lives."""
    try:
        fd = _open(home)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def _open(home: Path, create: int = 0) -> int:
    """Open the lock; what is planted in its place is refused. Raises FileNotFoundError unless it is created."""
    path = lock_path(home)
    try:
        fd = os.open(path, os.O_RDWR | create | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, files.FILE_MODE)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise files.failed("lock", str(path), error) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise files.not_regular(str(path))
    return fd


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorRecord:
    """What a supervisor says of itself.

    Attributes:
        pid: Its process.
        start: Its start time as the kernel counts it, against pid reuse.
        boot_id: The boot in which that pid means something.
        socket: Path of its datagram socket, for pokes.
        max_jobs: Its concurrency limit.
        started_at: Unix time, seconds.
        version: Of `logist-core`.
    """

    pid: int
    start: str | None
    boot_id: str
    socket: str
    max_jobs: int
    started_at: float
    version: str


def write_record(home: Path, record: SupervisorRecord) -> None:
    """Replace the record. Only the holder of the lock may."""
    from logist_core.jobs.atomic import write_json
    from logist_core.types._json import plain

    write_json(home / _RECORD, plain(record), durable=False)


def read_record(home: Path) -> SupervisorRecord | None:
    """Return the last supervisor's record, or None; whether it still lives is `is_held`'s to say."""
    try:
        data = files.read_bytes(str(home / _RECORD))
        if data is None:
            return None
        raw: JSON = json.loads(data)
        return SupervisorRecord(**{name: raw[name] for name in SupervisorRecord.__slots__})
    except (LogistError, ValueError, KeyError, TypeError):
        return None


def remove_record(home: Path) -> None:
    """Take the record away at a deliberate end."""
    (home / _RECORD).unlink(missing_ok=True)
