"""Says where the processes of an attempt stand: in a read, a lock, a wait for a child, stopped, or dead and not buried.

Invariant: reads only, and says nothing where it can't be sure: None is not known.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from logist_runtime_host import keeper

#: So many processes are named, and so many looked at for a deadlock.
MOST_NAMED = 6
MOST_LOOKED_AT = 64

#: Numbers of the system calls that read, by machine: read, readv, recvfrom, recvmsg.
_READING = {"x86_64": {0, 19, 45, 47}, "aarch64": {63, 65, 207, 212}}
_WAITS_FOR_LOCK = ("futex",)
_WAITS_FOR_CHILD = ("do_wait", "kernel_wait4", "kernel_waitid")
#: Kernel functions -> a word for people.
_WORDS = (
    ("futex", "lock"),
    ("do_wait", "child"),
    ("epoll", "events"),
    ("poll_schedule", "events"),
    ("do_select", "events"),
    ("nanosleep", "sleep"),
    ("pipe_read", "pipe"),
    ("pipe_write", "full pipe"),
    ("n_tty_read", "terminal"),
    ("n_tty_write", "full terminal"),
    ("inet_csk_accept", "network"),
    ("unix_stream_read", "socket"),
    ("sigsuspend", "signal"),
    ("sigtimedwait", "signal"),
)


class Standing(NamedTuple):
    """See the fields of `Vitals` of the same names."""

    running: int
    stopped: bool
    stopped_others: int
    zombie: bool
    awaits_child: bool | None
    deadlocked: bool | None
    blocked_on: str | None
    sleepers: tuple[str, ...]


def standing(leader: keeper.Process, members: list[keeper.Process]) -> Standing:
    """Look at the living processes of a tree, its leader among them, whatever state that is in."""
    others = [process for process in members if process.pid != leader.pid]
    place = _wchan(leader.pid) if leader.state == "S" else None
    return Standing(
        running=sum(process.state in "RD" for process in members),
        stopped=leader.state in "Tt",
        stopped_others=sum(process.state == "T" for process in others),
        zombie=leader.state == "Z" and (bool(others) or _threads(leader.pid) > 1),
        awaits_child=None if place == "" else place is not None and place.startswith(_WAITS_FOR_CHILD),
        deadlocked=_deadlocked(leader, members),
        blocked_on=_blocked_on(leader, others),
        sleepers=tuple(_described(process) for process in (leader, *others)[:MOST_NAMED]),
    )


def _blocked_on(leader: keeper.Process, others: list[keeper.Process]) -> str | None:
    """Return where the leader sleeps, or its only child where the leader merely waits for that."""
    chosen = others[0] if len(others) == 1 and others[0].parent == leader.pid else leader
    if chosen.state != "S":
        return None
    place = _wchan(chosen.pid)
    if place is None:
        return None
    if "futex" in place:
        return "futex"
    if "inet_csk_accept" in place:
        return "network"
    fd = _fd_being_read(chosen.pid)
    if fd is not None:
        return _kind_of_read(chosen.pid, fd) if fd >= 0 else None
    # The kernel doesn't show us the call: the same functions serve terminals, sockets and pipes from a child.
    if "pipe_read" in place and chosen is leader and not others and _kind_of_read(chosen.pid, 0) == "stdin_read":
        return "stdin_read"
    if "n_tty_read" in place:
        return "tty_read"
    if "wait_woken" in place:
        return _by_elimination(chosen.pid)
    return "network" if "unix_stream_read" in place or "tcp_recv" in place else None


def _fd_being_read(pid: int) -> int | None:
    """Return the descriptor that a process sleeps on in a read, -1 for another call, None where it isn't shown."""
    numbers = _READING.get(os.uname().machine)
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            fields = file.read().split()
        if numbers is None or len(fields) < 2:
            return None
        return int(fields[1], 16) if int(fields[0]) in numbers else -1
    except (OSError, ValueError):
        return None


def _kind_of_read(pid: int, fd: int) -> str | None:
    try:
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return None
    if target.startswith(("/dev/pts/", "/dev/tty", "/dev/console")):
        return "tty_read"
    if target.startswith("socket:"):
        return "network"
    return "stdin_read" if fd == 0 and target.startswith("pipe:") else None


def _by_elimination(pid: int) -> str | None:
    """Return what a process sleeps on that has either terminals or sockets, but not both."""
    kinds = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            kinds.add(_kind_of_read(pid, int(name)))
    kinds &= {"tty_read", "network"}
    return kinds.pop() if len(kinds) == 1 else None


def _deadlocked(leader: keeper.Process, members: list[keeper.Process]) -> bool | None:
    """Whether every thread of every process waits for a lock or for a child, at least one of them for a lock."""
    locked = False
    if len(members) > MOST_LOOKED_AT:
        return None
    for process in members:
        if process is not leader and process.state == "Z":
            continue
        if process.state not in "SZ":
            return False
        for thread in _thread_ids(process.pid):
            place = _wchan(process.pid, thread)
            if not place:
                # A zombie leader's own thread has no place; any other that shows none is running, or hidden.
                if process.state == "Z" and thread == str(process.pid):
                    continue
                return None if place is None else False
            if place.startswith(_WAITS_FOR_CHILD):
                continue
            if not place.startswith(_WAITS_FOR_LOCK):
                return False
            locked = True
    return locked


def _described(process: keeper.Process) -> str:
    name = "?"
    with contextlib.suppress(OSError), open(f"/proc/{process.pid}/comm", encoding="utf-8", errors="replace") as file:
        name = "".join(char if char.isprintable() else "?" for char in file.read().rstrip("\n"))[:32]
    state = {"T": "stopped", "t": "traced", "Z": "zombie", "R": "runs", "D": "disk"}.get(process.state)
    if state is None:
        place = _wchan(process.pid) or ""
        state = next((word for function, word in _WORDS if function in place), place[:32] or "asleep")
    return f"{process.pid} {name}: {state}"


def _wchan(pid: int, thread: str | None = None) -> str | None:
    """Return the kernel function that a process, or a thread of it, sleeps in; "" where none is shown."""
    path = f"/proc/{pid}/wchan" if thread is None else f"/proc/{pid}/task/{thread}/wchan"
    try:
        with open(path, encoding="ascii") as file:
            place = file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return "" if place == "0" else place


def _thread_ids(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _threads(pid: int) -> int:
    return len(_thread_ids(pid))
