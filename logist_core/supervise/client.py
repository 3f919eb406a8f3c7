"""What every command needs of the supervisor: is there one, start one, poke it. Light: no asyncio, no plugin."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logist_core.errors import LogistError
from logist_core.jobs import files
from logist_core.supervise import singleton
from logist_core.supervise.environment import supervisor_environment

if TYPE_CHECKING:
    from logist_core.jobs.home import Home

#: The supervisor's first words on its standard output, for whoever started it.
READY = b"READY\n"
BUSY = b"BUSY\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorInfo:
    """Whether a supervisor lives, and what it last said of itself."""

    alive: bool
    record: singleton.SupervisorRecord | None


def supervisor_info(home: Home) -> SupervisorInfo:
    """Return who supervises `home`; reads two files, takes no lock for longer than a probe."""
    return SupervisorInfo(alive=singleton.is_held(home.path), record=singleton.read_record(home.path))


def supervisor_command(home: Path) -> tuple[str, ...]:
    """Return the command that supervises `home` until there is nothing left to do."""
    return (sys.executable, "-m", "logist_core", "--home", str(home), "supervise", "--on-demand")


def ensure_supervisor(home: Home, *, wait_s: float = 10.0) -> None:
    """Start a supervisor unless one lives.

    Args:
        home: The home to supervise.
        wait_s: How long to wait until it has taken stock of all jobs; 0: start it and don't wait.

    Raises:
        LogistError: It didn't come up; the message names its log.
    """
    deadline = time.monotonic() + wait_s
    while not singleton.is_held(home.path):
        word = _start(home, deadline - time.monotonic())
        if wait_s <= 0 or word == READY:
            return
        if word != BUSY or time.monotonic() >= deadline:
            raise LogistError(
                f"the supervisor did not come up within {wait_s:g} s",
                hint=f"see {home.path / 'supervisor.log'}, then: logist supervise",
            )
        _await_record(home, deadline)  # another one came first; it will be ready in a moment


def _start(home: Home, wait_s: float) -> bytes:
    """Start a supervisor and return its first word, or b"" where it said none in time."""
    log_fd = files.open_or_create_append(str(home.path / "supervisor.log"))
    try:
        process = subprocess.Popen(
            supervisor_command(home.path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log_fd,
            cwd="/",
            env=supervisor_environment(os.environ),
            start_new_session=True,
        )
    finally:
        os.close(log_fd)
    assert process.stdout is not None
    # It lives on without us. Should it end before us, somebody has to take note, or it stays a zombie.
    threading.Thread(target=process.wait, name="supervisor's end", daemon=True).start()
    with process.stdout as out:
        return _first_word(out.fileno(), wait_s)


def _first_word(fd: int, wait_s: float) -> bytes:
    deadline = time.monotonic() + wait_s
    word = b""
    while not word.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            break
        piece = os.read(fd, 64)
        if not piece:
            break
        word += piece
    return word


def _await_record(home: Home, deadline: float) -> None:
    while time.monotonic() < deadline:
        record = singleton.read_record(home.path)
        if record is not None and _send(record.socket, b""):
            return
        if not singleton.is_held(home.path):
            return  # it had nothing to do and is gone again
        time.sleep(0.02)


def poke(home: Home, job_id: str = "") -> bool:
    """Tell the supervisor that something about `job_id`, or anything at all, changed. False: nobody heard it."""
    record = singleton.read_record(home.path)
    return record is not None and _send(record.socket, job_id.encode("ascii"))


def _send(path: str, message: bytes) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.sendto(message, path)
        except BlockingIOError:
            return True  # its queue is full of other pokes: it will look at everything anyway
        except OSError:
            return False
        return True


def notify(home: Home, job_id: str, *, wait_s: float = 10.0) -> None:
    """Poke the supervisor about `job_id`, and start one where there is none."""
    if not poke(home, job_id) or not singleton.is_held(home.path):
        ensure_supervisor(home, wait_s=wait_s)
        poke(home, job_id)
