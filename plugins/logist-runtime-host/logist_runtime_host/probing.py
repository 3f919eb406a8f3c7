"""Says how an attempt stands, from its records and locks alone. Invariant: never guesses, never ends a process.

The order of the questions matters. Evidence of the end comes first, then whether this is the machine and the boot at
all, then the pump's own word, then the locks, and only when nobody guards the attempt the identity of its leader.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from logist_core.api import ExitStatus, LogistError, Probe, ProbeState
from logist_runtime_host import keeper
from logist_runtime_host.client import Connection, NotReached
from logist_runtime_host.files import AttemptFiles
from logist_runtime_host.launching import adopt

#: A lock may look held for an instant after its holder's death: the fork of it that has not closed it yet.
LOCK_PATIENCE_S = 1.0


def probe(directory: str, nonce: str) -> Probe:
    """Return how the attempt stands; see `Runtime.probe`."""
    try:
        files = AttemptFiles(directory)
    except FileNotFoundError:
        return _without_directory(directory, nonce)
    except OSError as error:
        return Probe(state=ProbeState.UNKNOWN, detail=f"{directory}: {error.strerror}")
    try:
        with files:
            # After a power cut `launch.json`, which nobody forces to disk, may be gone; the leader's record never is.
            launch = files.launch(nonce) or files.child(nonce)
            if launch is None:
                return Probe(state=ProbeState.UNKNOWN, detail=f"{directory} holds no attempt with this handle's nonce")
            return _probe(files, launch, nonce)
    except LogistError as error:
        return Probe(state=ProbeState.UNKNOWN, detail=error.message)
    except OSError as error:
        # A shortage of this machine or process, of descriptors for one, says nothing of the attempt.
        return Probe(state=ProbeState.UNKNOWN, detail=f"it can't be looked at now: {error.strerror}")


def _probe(files: AttemptFiles, launch: Mapping[str, Any], nonce: str) -> Probe:
    ended = _ended(files)
    if ended is not None:
        return ended
    here = keeper.identity()
    elsewhere = launch.get("machine_id") != here["machine_id"]
    if elsewhere or (launch.get("boot_id") == here["boot_id"] and launch.get("pid_space") != here["pid_space"]):
        # Pids mean nothing here; but where it is only another namespace, whoever guards it may be in reach.
        with contextlib.suppress(NotReached):
            connection = None if elsewhere else Connection(files, nonce, "probe")
            if connection is not None:
                answer = _running(files, connection.status)
                connection.close()
                return answer
        return Probe(
            state=ProbeState.UNKNOWN,
            conditions=("unreachable",),
            detail="it runs on another machine, or in another pid or time namespace",
        )
    if launch.get("boot_id") != here["boot_id"]:
        status = files.exit_status()
        if status is not None:
            return Probe(state=ProbeState.EXITED, exit=status, detail="the machine rebooted before it was tidied up")
        return Probe(state=ProbeState.GONE, conditions=("rebooted",), detail="the machine was rebooted meanwhile")
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            connection = Connection(files, nonce, "probe")
        except NotReached:
            pass
        else:
            answer = _running(files, connection.status)
            connection.close()
            return answer
        held = files.is_held("shim.lock") or files.is_held("pump.lock")
        ended = _ended(files)
        if ended is not None:
            return ended
        if not held:
            return _unguarded(files, launch, nonce)
        if time.monotonic() >= deadline:
            _wake(files)
            child = files.child(nonce) or {}
            if files.exit_status() is not None:
                detail = "it ended; its last record waits for space on the disk"
                return Probe(state=ProbeState.RUNNING, pid=child.get("pid"), detail=detail)
            return Probe(
                state=ProbeState.RUNNING,
                pid=child.get("pid"),
                conditions=("unresponsive",),
                detail="its keeper lives but doesn't answer",
            )
        time.sleep(0.02)


def _ended(files: AttemptFiles) -> Probe | None:
    """Return the answer for an attempt whose last record is written: its output is complete, its tree is ended."""
    done = files.read("done.json")
    status = files.exit_status()
    if done is None:
        # Something else may have been put in the last record's place: the end then stands when nobody guards it.
        taken = status is not None and files.is_taken("done.json")
        if not taken or files.is_held("shim.lock") or files.is_held("pump.lock"):
            return None
    if status is not None:
        return Probe(state=ProbeState.EXITED, exit=status, detail=_survivors(status))
    return Probe(
        state=ProbeState.GONE,
        detail="it ended while nobody could see its exit code: its keeper was dead and the kernel can't tell",
    )


def _survivors(status: ExitStatus) -> str:
    return f"{len(status.survivors)} processes of it could not be ended" if status.survivors else ""


def _running(files: AttemptFiles, status: Mapping[str, Any]) -> Probe:
    conditions = []
    detail = ""
    if status.get("origin") != "keeper":
        conditions.append("orphaned")
        detail = "its keeper died; its exit will be told by the kernel"
    if status.get("unkillable"):
        conditions.append("unkillable")
        detail = "it was killed a minute ago and is still there"
    if isinstance(why := status.get("log_unbounded"), str):
        conditions.append("log_unbounded")
        detail = detail or f"its logs can't be kept within --max-log-bytes: punching holes into them: {why}"
    known = files.exit_status()
    if status.get("ended") and known is not None:
        how = f"code {known.code}" if known.code is not None else f"signal {known.signal}"
        detail = f"it ended with {how}; what it left behind is being ended"
    elif status.get("ended"):
        detail = "it ended; its exit is being written down"
    pid = status.get("pid")
    return Probe(
        state=ProbeState.RUNNING,
        pid=pid if isinstance(pid, int) else None,
        conditions=tuple(conditions),
        detail=detail,
    )


def _unguarded(files: AttemptFiles, launch: Mapping[str, Any], nonce: str) -> Probe:
    """Answer for an attempt without guard and pump: adopt it if it lives, have it concluded if it doesn't."""
    child = files.child(nonce)
    if child is None:
        return Probe(state=ProbeState.GONE, detail="its keeper died before the program was executed: it never ran")
    try:
        answer = adopt(files, launch)
    except LogistError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in keeper.SHORTAGE:
            raise  # what we can't do now says nothing of the attempt
        answer = {"error": error.message}
    ended = _ended(files)
    if ended is not None:
        return ended
    fd = keeper.open_verified(child["pid"], child["start"])
    if fd is not None:
        os.close(fd)
    if fd is None and not answer.get("ok"):
        status = files.exit_status()
        if status is not None:
            return Probe(state=ProbeState.EXITED, exit=status)
    if fd is None and not answer.get("ok") and answer.get("kind") != "busy":
        return Probe(state=ProbeState.GONE, detail="it ended while its keeper and pump were dead")
    return Probe(
        state=ProbeState.RUNNING,
        pid=child["pid"],
        conditions=("orphaned",),
        detail="its keeper died" + (f"; adopting it failed: {answer['error']}" if "error" in answer else ""),
    )


def _wake(files: AttemptFiles) -> None:
    """Have a keeper whose socket's file is gone make it anew."""
    shim = files.read("shim.json") or {}
    path, pid, start = shim.get("socket"), shim.get("pid"), shim.get("start")
    if not isinstance(path, str) or os.path.exists(path) or not isinstance(pid, int) or not isinstance(start, str):
        return
    fd = keeper.open_verified(pid, start)
    if fd is None:
        return
    try:
        if shim.get("boot_id") == keeper.SYSTEM.boot_id() and files.is_held("shim.lock"):
            keeper.SYSTEM.signal(fd, pid, signal.SIGUSR1)
    except OSError:
        pass
    finally:
        os.close(fd)


def _without_directory(directory: str, nonce: str) -> Probe:
    """Answer for an attempt whose directory is gone, by the mark in its processes' environment."""
    tree = keeper.Tree(nonce, 0, "", cgroup=None, keeper=None, sessions=())
    members = tree.members()
    if members:
        detail = f"{directory} is gone, but {len(members)} of its processes live"
        return Probe(state=ProbeState.UNKNOWN, pid=min(m.pid for m in members), detail=detail)
    return Probe(state=ProbeState.GONE, detail=f"{directory} is gone, and none of its processes is left")
