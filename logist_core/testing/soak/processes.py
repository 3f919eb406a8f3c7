"""Who is who among the processes of one home. Invariant: a signal goes only through a pidfd, and only after what the
pidfd stands for was verified: by start time, or by a lock that it still holds and a directory that it has open.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logist_core import platform

_NONCE = re.compile(rb"(?:^|\0)LOGIST_NONCE=([0-9a-f]{32})(?:\0|$)")


@dataclass(frozen=True, slots=True)
class Found:
    """A process that belongs to a home: by an open file, its arguments or its environment."""

    pid: int
    start: str
    nonce: str | None
    command: str


def family(home: Path) -> list[Found]:
    """Return every living process of `home`, this one aside."""
    mark = os.fsencode(home)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        pid = int(entry)
        start = platform.process_start(pid)
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            # A zombie has neither arguments nor environment nor files: it is dead already.
            if start is not None and (mark in command or mark in environment or _has_open(pid, str(home))):
                nonce = _NONCE.search(environment)
                words = command.replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(Found(pid, start, nonce[1].decode() if nonce else None, words[:120]))
    return found


def _has_open(pid: int, below: str) -> bool:
    return any(path == below or path.startswith(below + "/") for path in _open_files(pid))


def _open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(f"/proc/{pid}/fd/{fd}")


def open_found(found: Found) -> int | None:
    """Return a pidfd of a process that `family` found, None if it is gone."""
    return _open(found.pid, found.start)


def open_supervisor(home: Path) -> int | None:
    """Return a pidfd of the home's supervisor."""
    record = _json(home / "supervisor.json")
    if record.get("boot_id") != platform.boot_id():
        return None
    return _open(record.get("pid"), record.get("start"))


def open_leader(attempt: Path) -> int | None:
    """Return a pidfd of an attempt's leader: the agent."""
    record = _json(attempt / "child.json")
    if record.get("boot_id") != platform.boot_id():
        return None
    return _open(record.get("pid"), record.get("start"))


def open_half(attempt: Path, lock: str) -> int | None:
    """Return a pidfd of the process that holds `lock` (`shim.lock` or `pump.lock`) of an attempt's directory."""
    pid = platform.lock_holder(attempt / lock)
    if pid is None:
        return None
    fd = _pidfd(pid)
    if fd is None:
        return None
    if platform.lock_holder(attempt / lock) == pid and _has_open(pid, str(attempt)):
        return fd
    os.close(fd)
    return None


def send(fd: int, number: signal.Signals) -> bool:
    """Send a signal through a pidfd; return whether the process was still there."""
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    return True


def has_ended(fd: int, within_s: float = 0.0) -> bool:
    """Return whether the process of a pidfd ends within so many seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(int(within_s * 1000)))


def pid_of(fd: int) -> int:
    """Return the pid of a pidfd's process, -1 once it is gone."""
    words = Path(f"/proc/self/fdinfo/{fd}").read_text().split()
    return int(words[words.index("Pid:") + 1])


def kernel_tells_exits() -> bool:
    """Return whether this kernel tells a stranger how a process ended (PIDFD_GET_INFO, Linux 6.15)."""
    import fcntl
    import struct

    pid = os.fork()
    if pid == 0:
        os._exit(7)
    fd = os.pidfd_open(pid)
    try:
        os.waitpid(pid, 0)
        buffer = bytearray(struct.pack("<Q", 1 << 3).ljust(64, b"\0"))  # PIDFD_INFO_EXIT
        fcntl.ioctl(fd, 0xC040FF0B, buffer)
        mask: int = struct.unpack_from("<Q", buffer, 0)[0]
        return bool(mask & 1 << 3)
    except OSError:
        return False
    finally:
        os.close(fd)


def _open(pid: object, start: object) -> int | None:
    if not isinstance(pid, int) or not isinstance(start, str):
        return None
    fd = _pidfd(pid)
    if fd is None:
        return None
    if platform.process_start(pid) == start:
        return fd
    os.close(fd)
    return None


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _json(path: Path) -> dict[str, object]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
