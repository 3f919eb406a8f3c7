"""The processes around one attempt: a guard that owns it and a pump that serves it, in one stdlib-only file.

Run as `python -I -S -E keeper.py`, never imported by a running job: executed for an attempt, or forked for it by a
server (`--serve`) that belongs to whoever starts attempts. Two processes hold everything an attempt needs (the
terminal, the log, a descriptor of the agent's process): the *guard* waits and records, the *pump* moves bytes, talks to
clients and runs the stop ladder. Each notices the other's death and forks a new one.

Invariants:
    - The agent executes only after `child.json` is on disk; that file is made by `link`, so exactly one of
      "it may have run" (a guard's record) and "it never will" (a void record by `Runtime.find`) exists.
    - `exit.json` is made by `link` as well: the first evidence wins, and it is never made up.
    - Nothing is signalled but through a handle that was opened before its identity was checked, or our own
      unreaped child.
    - Idle processes sleep in `poll` without a time limit.
    - The agent's environment and input are read by the agent's own process alone, and nobody may look into ours.

A guard has one of two origins. The *keeper* started the agent: it is its parent and the subreaper of its tree. An
*adopter* took over after a keeper's death: forked by the pump, or started by `Runtime.probe` after the death of
both. It isn't the parent, and learns the exit status from the kernel (Linux 6.15, macOS).

This file imports nothing of Logist, and nothing that is slow to import: every job pays for it. It is one file because
it runs without a path to import from, and goes on running while the package is replaced. Its parts, each under a line
with its name, and each using only what is above it where that can be:

    Frames                      What client and pump say to one another.
    Records                     Files that say what is so: whole or not there, written by one, read by all.
    The operating system        Everything that differs between systems, and what is asked of the kernel.
    Cgroups                     Where there are any: a tree that nothing can slip out of.
    The tree of an attempt      Who belongs to it, and its end.
    The stop ladder             The wish to stop, and signals.
    Terminals                   Size and mode.
    A log's limit               Head and tail of a log that is too long.
    Secrets on a terminal       Masked before they are written.
    An attempt                  What guard and pump share.
    The end of the output       The last bytes, the last record.
    Starting                    The keeper up to the gate, and the agent's own process behind it.
    The guard                   Waits, records, ends the rest, keeps a pump alive.
    Starting a supervisor again Where the last one died without a word.
    The pump                    Moves bytes, talks to clients, climbs the ladder, keeps a guard alive.
    Taking over                 A new guard: from the pump, or from nothing but records.
    Entry                       The launcher's order, and the server that forks keepers.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import termios
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, NoReturn

SCHEMA = 1
PROTO = 1
MAX_FRAME = 65536

# Frame types. A receiver ignores what it doesn't know.
HELLO, STDIN, RESIZE, SIGNAL, CANCEL, STATUS, BYE, EXIT, PING, PONG, LEASE, ERROR, ACK = range(1, 14)

#: What a client may ask to be sent to the foreground group; ending is the business of CANCEL.
CLIENT_SIGNALS = ("INT", "QUIT", "TSTP", "CONT", "WINCH", "USR1", "USR2")

MAX_CLIENT_QUEUE = 256 * 1024  # bytes waiting for one client before it is dropped
MAX_INPUT_QUEUE = 1 << 20  # bytes waiting for the agent to read them
READ_SIZE = 65536
LOCK_WAIT_S = 2.0  # a prober holds the lock for microseconds
REST_GRACE_S = 2.0  # between TERM and KILL for what the leader left behind
KILL_LIMIT_S = 5.0
FREEZE_LIMIT_S = 0.5  # a process in an uninterruptible sleep freezes only after that
DRAIN_QUIET_S = 0.25
DRAIN_LIMIT_S = 2.0
SUPERVISOR_EXPECTED_S = 10.0  # a new pump waits so long for a supervisor to connect before it looks for one
RESPAWN_RETRY_S = (5.0, 30.0, 120.0, 300.0)
SHIM_ERR_LIMIT = 64 * 1024
RESERVE_BYTES = 64 * 1024
#: A file with blocks, and a second name of it: on a tmpfs a name costs as much as a file, and a record needs both.
RESERVES = (".reserve", ".reserve.link")

MIN_LOG_LIMIT = 1 << 20
HOLE_ALIGN = 4096
#: A log is looked at again only after the time that it would take to fill at this speed, so that a flood doesn't wake
#: the pump at each write; a job that writes faster may be over its limit for as long.
LOG_FILL_BYTES_S = 512 << 20
LOG_LOOK_S = (0.01, 5.0)
#: Shorter values aren't masked: replacing every `1` or `yes` spoils the output and protects nothing.
SHORTEST_SECRET = 4
#: What may be the beginning of a secret is held back so long for the rest to come.
HOLD_BACK_S = 0.2

EX_TEMPFAIL = 75

#: There is nothing of that name, or nothing that we would have made. Any other error leaves open whether there is.
_ABSENT = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.EINVAL, errno.ESTALE}
)
#: The system itself is short of something: that says nothing of what was asked for.
SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
READ_PATIENCE_S = 1.0
READ_AGAIN_S = 0.5


# --- Frames ----------------------------------------------------------------------------------------------------------


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return one frame: `u32 length | u8 type | payload`, the length being that of type and payload."""
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def frame_json(kind: int, value: Any) -> bytes:
    """Return a frame with a JSON payload."""
    return frame(kind, json.dumps(value).encode())


class FrameError(Exception):
    """What came can't be a frame: the connection is beyond repair."""


class Frames:
    """Takes a stream of bytes apart into frames; bounded by one frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that `data` completes.

        Raises:
            FrameError: A frame is empty or larger than 64 KiB.
        """
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if not 1 <= size <= MAX_FRAME + 1:
                raise FrameError(f"a frame of {size} bytes")
            if len(self._buffer) < 4 + size:
                return
            kind, payload = self._buffer[4], bytes(self._buffer[5 : 4 + size])
            del self._buffer[: 4 + size]
            yield kind, payload


def json_object(payload: bytes) -> dict[str, Any]:
    """Return the JSON object in `payload`; an empty one for anything else."""
    try:
        value = json.loads(payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# --- Records ---------------------------------------------------------------------------------------------------------


def read_record(dir_fd: int, name: str) -> dict[str, Any] | None:
    """Return a record of the attempt's directory, or None where it is absent or no record of ours.

    Raises:
        OSError: It can't be read now (no descriptor, a failing disk), so it may or may not be there.
    """
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=dir_fd)
        try:
            data = b""
            while len(data) < 1 << 20 and (piece := os.read(fd, 1 << 20)):
                data += piece
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    return json_object(data) or None


def sync(fd: int) -> None:
    """Force `fd` to the disk itself."""
    if sys.platform == "darwin":
        # Plain fsync stops at the drive's cache there.
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def write_record(dir_fd: int, name: str, value: Any, *, durable: bool, replace: bool) -> bool:
    """Write a record whole or not at all; with `replace` unset the first writer wins.

    Returns:
        False where `replace` is unset and the record exists already; True otherwise.
    """
    if not place_record(dir_fd, name, value, durable=durable, replace=replace):
        return False
    if durable:
        os.fsync(dir_fd)
    return True


def place_record(dir_fd: int, name: str, value: Any, *, durable: bool, replace: bool) -> bool:
    """Do what `write_record` does, but for forcing the record's name to disk."""
    temporary = f".{name}.{os.getpid()}.{time.monotonic_ns()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600, dir_fd=dir_fd)
    renamed = False
    try:
        try:
            write_all(fd, json.dumps(value).encode() + b"\n")
            if durable:
                sync(fd)
        finally:
            os.close(fd)
        if replace:
            os.rename(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
            renamed = True
        else:
            try:
                os.link(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
            except FileExistsError:
                return False
    finally:
        if not renamed:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=dir_fd)
    return True


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data` to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def cancel_record(steps: list[dict[str, Any]], by: str) -> dict[str, Any]:
    """Return the durable wish to stop, beginning now."""
    return {
        "schema": SCHEMA,
        "by": by,
        "steps": steps,
        "at": time.time(),
        "boot_id": SYSTEM.boot_id(),
        "started_boot_s": SYSTEM.boot_s(),
    }


def exit_record(status: int | None, exec_error: str | None, source: str) -> dict[str, Any]:
    """Return the record of an exit from a raw wait status, or of a program that never ran."""
    value: dict[str, Any] = {"schema": SCHEMA, "at": time.time(), "boot_s": SYSTEM.boot_s(), "source": source}
    if exec_error is not None:
        return {**value, "exec_error": exec_error}
    assert status is not None
    signalled = os.WIFSIGNALED(status)
    return {
        **value,
        "status": status,
        "code": None if signalled else os.WEXITSTATUS(status),
        "signal": os.WTERMSIG(status) if signalled else None,
        "core_dumped": signalled and os.WCOREDUMP(status),
    }


def checksum(text: str) -> str:
    """Return eight hex digits of `text`, for a file name (FNV-1a: no import needed)."""
    value = 0x811C9DC5
    for byte in text.encode(errors="surrogateescape"):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{value:08x}"


def lock_file(dir_fd: int, name: str, wait_s: float) -> int | None:
    """Return a descriptor that holds `name` exclusively by flock, or None after `wait_s` seconds.

    filelock and Python's own `fcntl.flock` see the same lock. The file is never unlinked.
    """
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(fd)
                return None
            time.sleep(0.01)
        except OSError:
            os.close(fd)
            raise
        else:
            return fd


def is_locked(dir_fd: int | None, name: str) -> bool:
    """Say whether anybody holds `name` exclusively at this instant. A missing file is held by nobody.

    Raises:
        OSError: It can't be told now.
    """
    try:
        # Not blocking: whatever was planted at the name, asking must not hang.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)  # and with it the lock
    return False


# --- The operating system --------------------------------------------------------------------------------------------


def read_file(path: str) -> bytes:
    """Return what is in one of the kernel's files. (Text files cost an import of their codec, in each keeper.)"""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_all(fd)
    finally:
        os.close(fd)


def tell_kernel(path: str, data: bytes) -> None:
    """Write to one of the kernel's files, in one piece."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def read_all(fd: int) -> bytes:
    """Return what there is to be read."""
    data = b""
    while piece := os.read(fd, 65536):
        data += piece
    return data


class Process:
    """One line of the process table: `start` tells two processes with the same pid apart."""

    __slots__ = ("cpu_s", "group", "parent", "pid", "rss", "session", "start", "state")

    def __init__(self, pid: int, parent: int, group: int, session: int, start: str, state: str) -> None:
        self.pid, self.parent, self.group, self.session = pid, parent, group, session
        self.start, self.state = start, state
        self.cpu_s = 0.0
        self.rss = 0


@functools.cache
def libc() -> ctypes.CDLL:
    """Return the C library, loaded once: each loading costs memory that every keeper would have for itself."""
    return ctypes.CDLL(None, use_errno=True)


class Linux:
    """Linux: pidfds, /proc, cgroup v2."""

    GET_INFO = 0xC040FF0B  # PIDFD_GET_INFO, _IOWR(0xFF, 11, 64 bytes)
    INFO_EXIT = 1 << 3
    SIGNAL_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9

    def boot_id(self) -> str:
        """Return the id of this boot."""
        return read_file("/proc/sys/kernel/random/boot_id").decode().strip()

    def machine_id(self) -> str:
        """Return the machine's id, or the host name where it has none."""
        try:
            return read_file("/etc/machine-id").decode().strip() or socket.gethostname()
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in SHORTAGE:
                raise  # another id would make this another machine
            return socket.gethostname()

    def pid_space(self) -> str:
        """Return what tells the namespaces in which a pid and its start time mean something.

        The same pid in another pid namespace is another process, and in another time namespace the same process
        seems to have started at another time.
        """
        names = []
        for kind in ("pid", "time"):
            with contextlib.suppress(OSError):  # time namespaces came with Linux 5.6
                names.append(os.readlink(f"/proc/self/ns/{kind}"))
        return " ".join(names)

    def boot_s(self) -> float:
        """Return seconds since boot, suspended time included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def become_subreaper(self, on: bool) -> bool:
        """Adopt, or stop adopting, the orphans of our descendants."""
        return bool(libc().prctl(36, int(on), 0, 0, 0) == 0)

    def open_process(self, pid: int) -> int:
        """Return a descriptor of the process: readable once it ended, usable whatever becomes of its pid."""
        return os.pidfd_open(pid)

    def exit_status(self, fd: int) -> int | None:
        """Return the raw wait status of a process that ended *and was reaped*; None: not yet, or never."""
        buffer = bytearray(struct.pack("<Q", self.INFO_EXIT).ljust(64, b"\0"))
        fcntl.ioctl(fd, self.GET_INFO, buffer)
        mask: int = struct.unpack_from("<Q", buffer, 0)[0]
        if not mask & self.INFO_EXIT:
            return None
        status: int = struct.unpack_from("<i", buffer, 60)[0]
        return status

    def zombie_status(self, pid: int, start: str) -> int | None:
        """Return the raw wait status of a zombie, None where it is none or we may not look.

        For the case that init is slow to reap, or (as the first process of some containers) never does.
        """
        try:
            os.readlink(f"/proc/{pid}/exe")  # where we may not look, the field below would say 0
        except FileNotFoundError:
            pass
        except OSError:
            return None
        try:
            data = read_file(f"/proc/{pid}/stat")
        except OSError:
            return None
        fields = data[data.rfind(b")") + 2 :].split()
        if len(fields) < 50 or fields[0] != b"Z" or fields[19].decode() != start:
            return None
        return int(fields[49])

    def signal(self, fd: int, pid: int, number: int) -> None:
        """Send a signal to the process that `fd` was opened for."""
        signal.pidfd_send_signal(fd, number)

    def signal_group(self, fd: int, pid: int, number: int) -> bool:
        """Send a signal to the group that this process leads; False where this kernel can't do it safely."""
        try:
            signal.pidfd_send_signal(fd, number, None, self.SIGNAL_GROUP)
        except OSError as error:
            return error.errno == errno.ESRCH
        return True

    def process(self, pid: int) -> Process | None:
        """Return the process table's line of `pid`, None where there is no such process.

        Raises:
            OSError: The table can't be read now.
        """
        try:
            fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in SHORTAGE:
                raise
            return None
        try:
            data = os.read(fd, 4096)  # one read: this is done for every process of the machine
        except OSError:
            return None
        finally:
            os.close(fd)
        # The command name may hold spaces and parentheses; the last one ends it.
        fields = data[data.rfind(b")") + 2 :].split()
        if len(fields) < 22:
            return None
        process = Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[19].decode(), fields[0].decode())
        process.cpu_s = sum(map(int, fields[11:15])) / _TICKS
        process.rss = int(fields[21]) * _PAGE
        return process

    def pids(self) -> list[int]:
        """Return all pids."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]

    def children(self, pid: int) -> list[int]:
        """Return the children of `pid`, zombies included."""
        if not _HAS_CHILDREN:
            return [process.pid for process in self.processes() if process.parent == pid]
        found = []
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                found += [int(word) for word in read_file(f"/proc/{pid}/task/{task}/children").split()]
        except OSError as error:
            if error.errno in SHORTAGE:
                raise
        return found

    def processes(self) -> list[Process]:
        """Return the whole process table."""
        return [process for pid in self.pids() if (process := self.process(pid))]

    def environment(self, pid: int) -> bytes:
        """Return the environment that `pid` was started with; empty where we may not read it."""
        try:
            return read_file(f"/proc/{pid}/environ")
        except OSError:
            return b""

    def watch_directory(self, fd: int) -> int:
        """Return a descriptor that becomes readable when a file is renamed into a directory; -1 where none is left."""
        watch = int(libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if watch >= 0 and libc().inotify_add_watch(watch, b"/proc/self/fd/%d" % fd, 0x80) < 0:  # IN_MOVED_TO
            os.close(watch)
            watch = -1
        return watch

    def watch_next_write(self, watch: int, fd: int) -> bool:
        """Have `watch`, of `watch_directory`, become readable at the next change of a file, once."""
        flags = 0x2 | 0x80000000  # IN_MODIFY, IN_ONESHOT
        return bool(libc().inotify_add_watch(watch, b"/proc/self/fd/%d" % fd, flags) >= 0)

    def punch_hole(self, fd: int, start: int, size: int) -> None:
        """Give the blocks of a part of a file back; its size stays, and the part reads as zeros."""
        fallocate = getattr(libc(), "fallocate64", None) or libc().fallocate
        if fallocate(fd, 0x3, ctypes.c_int64(start), ctypes.c_int64(size)):  # PUNCH_HOLE | KEEP_SIZE
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def conceal(self, on: bool) -> None:
        """Forbid, or allow again, core dumps of this process and foreign looks into its memory; forks inherit it."""
        libc().prctl(4, int(not on), 0, 0, 0)  # PR_SET_DUMPABLE

    def rename_process(self, name: str) -> None:
        """Have `ps` show this process by another name, of 15 characters at most."""
        libc().prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME

    def memory_file(self, data: bytes) -> int:
        """Return a read-only descriptor of a file that has no name and holds `data`."""
        fd = os.memfd_create("logist", os.MFD_CLOEXEC)
        try:
            write_all(fd, data)
            return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(fd)

    def close_all_but(self, keep: Iterable[int]) -> None:
        """Close every descriptor above 2 that isn't in `keep`."""
        low = 3
        for fd in sorted(set(keep)):
            if fd >= low:
                os.closerange(low, fd)
                low = fd + 1
        os.closerange(low, 1 << 20)


class Darwin(Linux):  # pragma: no cover
    """macOS, written from its documentation and UNTESTED: kqueue in the place of pidfds, libproc of /proc.

    Without pidfds a signal goes by pid, right after its start time was compared: a window of microseconds remains.
    """

    NOTE_EXITSTATUS = 0x04000000

    def __init__(self) -> None:
        self._lib = libc()
        self._queues: dict[int, Any] = {}
        self._status: dict[int, int] = {}

    def _sysctl(self, name: str) -> str:
        size = ctypes.c_size_t(256)
        buffer = ctypes.create_string_buffer(size.value)
        if self._lib.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, 0):
            return ""
        return buffer.value.decode()

    def boot_id(self) -> str:
        """Return the id of this boot."""
        return self._sysctl("kern.bootsessionuuid")

    def machine_id(self) -> str:
        """Return the machine's id, or the host name where it has none."""
        return self._sysctl("kern.uuid") or socket.gethostname()

    def pid_space(self) -> str:
        """Return "": there are no pid namespaces."""
        return ""

    def boot_s(self) -> float:
        """Return seconds since boot, suspended time included."""
        return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)

    def become_subreaper(self, on: bool) -> bool:
        """Return False: there is no such thing."""
        return False

    def open_process(self, pid: int) -> int:
        """Return a kqueue that becomes readable when `pid` ends."""
        queue = select.kqueue()  # type: ignore[attr-defined]
        event = select.kevent(  # type: ignore[attr-defined]
            pid,
            select.KQ_FILTER_PROC,  # type: ignore[attr-defined]
            select.KQ_EV_ADD,  # type: ignore[attr-defined]
            select.KQ_NOTE_EXIT | self.NOTE_EXITSTATUS,  # type: ignore[attr-defined]
        )
        queue.control([event], 0)
        self._queues[queue.fileno()] = queue
        return int(queue.fileno())

    def exit_status(self, fd: int) -> int | None:
        """Return the raw wait status of the process that `fd` was opened for, once it ended."""
        for event in self._queues[fd].control(None, 1, 0):
            self._status[fd] = event.data
        return self._status.get(fd)

    def zombie_status(self, pid: int, start: str) -> int | None:
        """Return None: the kqueue tells at once."""
        return None

    def signal(self, fd: int, pid: int, number: int) -> None:
        """Send a signal to `pid`; the caller has just compared its start time."""
        os.kill(pid, number)

    def signal_group(self, fd: int, pid: int, number: int) -> bool:
        """Return False: only members one by one."""
        return False

    def process(self, pid: int) -> Process | None:
        """Return the process table's line of `pid`."""
        info = ctypes.create_string_buffer(136)
        if self._lib.proc_pidinfo(pid, 3, ctypes.c_uint64(0), info, 136) != 136:
            return None
        status, parent = struct.unpack_from("=I", info, 4)[0], struct.unpack_from("=I", info, 16)[0]
        group = struct.unpack_from("=I", info, 100)[0]
        seconds, micros = struct.unpack_from("=QQ", info, 120)
        try:
            session = os.getsid(pid)
        except OSError:
            session = 0
        return Process(pid, parent, group, session, f"{seconds}.{micros:06}", "Z" if status == 5 else "R")

    def pids(self) -> list[int]:
        """Return all pids."""
        buffer = (ctypes.c_int * 16384)()
        count = self._lib.proc_listallpids(buffer, ctypes.sizeof(buffer))
        return [pid for pid in buffer[: max(count, 0)] if pid > 0]

    def children(self, pid: int) -> list[int]:
        """Return the children of `pid`."""
        return [p.pid for p in self.processes() if p.parent == pid]

    def environment(self, pid: int) -> bytes:
        """Return arguments and environment of `pid` by KERN_PROCARGS2."""
        size = ctypes.c_size_t(1 << 20)
        buffer = ctypes.create_string_buffer(size.value)
        mib = (ctypes.c_int * 3)(1, 49, pid)
        if self._lib.sysctl(mib, 3, buffer, ctypes.byref(size), None, 0):
            return b""
        return buffer.raw[: size.value]

    def watch_directory(self, fd: int) -> int:
        """Return -1: a stop then needs its asker to live until the pump has heard of it."""
        return -1

    def watch_next_write(self, watch: int, fd: int) -> bool:
        """Return False: look again and again."""
        return False

    def punch_hole(self, fd: int, start: int, size: int) -> None:
        """Give the blocks of a part of a file back by F_PUNCHHOLE."""
        fcntl.fcntl(fd, 99, struct.pack("=IIqq", 0, 0, start, size))

    def conceal(self, on: bool) -> None:
        """Do nothing: what forbids core dumps here would be inherited by the agent."""

    def rename_process(self, name: str) -> None:
        """Do nothing: there is no such thing."""

    def memory_file(self, data: bytes) -> int:
        """Return a read-only descriptor of an unlinked file that holds `data`."""
        path = f"/tmp/.logist-{os.getpid()}-{time.monotonic_ns()}"  # noqa: S108 - unlinked at once, O_EXCL
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.unlink(path)
            os.close(fd)

    def close_all_but(self, keep: Iterable[int]) -> None:
        """Close every descriptor above 2 that isn't in `keep`."""
        kept = set(keep)
        for name in os.listdir("/dev/fd"):
            if int(name) > 2 and int(name) not in kept:
                with contextlib.suppress(OSError):
                    os.close(int(name))


_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_HAS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # CONFIG_PROC_CHILDREN
SYSTEM: Linux = Darwin() if sys.platform == "darwin" else Linux()


def identity() -> dict[str, str]:
    """Return what tells this boot of this machine from any other."""
    return {"boot_id": SYSTEM.boot_id(), "machine_id": SYSTEM.machine_id(), "pid_space": SYSTEM.pid_space()}


def open_verified(pid: int, start: str, *, zombie: bool = False) -> int | None:
    """Return a descriptor of the process with this pid and start time, or None; a zombie only if asked for.

    The descriptor comes first: if the start time is right *after* it was opened, it was opened for that process.

    Raises:
        OSError: It can't be told now whether there is such a process.
    """
    if pid <= 1:
        return None
    try:
        fd = SYSTEM.open_process(pid)
    except OSError as error:
        if error.errno in SHORTAGE:
            raise
        return None
    try:
        process = SYSTEM.process(pid)
    except OSError:
        os.close(fd)
        raise
    if process is not None and process.start == start and (zombie or not (process.state in "ZX" or has_ended(fd))):
        return fd
    os.close(fd)
    return None


def has_ended(fd: int) -> bool:
    """Say whether the process of this descriptor has ended."""
    return bool(wait_readable(fd, 0.0))


def wait_readable(fd: int, wait_s: float | None) -> bool:
    """Wait until `fd` is readable or at its end; False after `wait_s` seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if wait_s is None else max(0, int(wait_s * 1000))))


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end; -1 where it can't be told."""
    try:
        if sys.platform == "linux":
            data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int(struct.unpack("3i", data)[1])
        data = connection.getsockopt(0, 1, 76)  # LOCAL_PEERCRED: struct xucred, untested
        return int(struct.unpack_from("=I", data, 4)[0])
    except (OSError, struct.error):
        return -1


# --- Cgroups ---------------------------------------------------------------------------------------------------------


def own_cgroup(controller: str) -> str | None:
    """Return our own cgroup below the hierarchy of a v1 controller, or the v2 one for the name ""."""
    try:
        lines = os.fsdecode(read_file("/proc/self/cgroup")).splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.strip("/")
    return None


def cgroup_root() -> str | None:
    """Return the directory of our own cgroup v2, where there is one; on a hybrid machine it is below `unified`."""
    own = own_cgroup("")
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if own is not None and os.path.exists(f"{root}/cgroup.controllers"):
            return os.path.join(root, own)
    return None


def freezer_root() -> str | None:
    """Return the directory of our own cgroup of the v1 freezer, where there is one."""
    own = own_cgroup("freezer")
    path = os.path.join("/sys/fs/cgroup/freezer", own) if own is not None else ""
    return path if os.path.exists(f"{path}/cgroup.procs") else None


def cgroup_name(socket_path: str) -> str:
    """Return the name of an attempt's cgroup; like the socket's, it comes from the nonce."""
    return f"logist-{os.path.basename(socket_path).removesuffix('.sock')}"


def make_cgroup(name: str, *, v1: bool = False) -> str | None:
    """Make a cgroup for an attempt and return its path, or None where we may not.

    It is one of v2, whose kill is the kernel's own; the freezer of v1 where there is no v2, or with `v1`.
    """
    for root, ability in ((None if v1 else cgroup_root(), "cgroup.kill"), (freezer_root(), "freezer.state")):
        if root is None:
            continue
        path = os.path.join(root, name)
        try:
            os.mkdir(path, 0o755)
        except OSError:
            continue
        if os.path.exists(f"{path}/{ability}"):
            return path
        remove_cgroup(path)  # before Linux 5.14
    return None


def kill_cgroup(path: str) -> None:
    """Kill everything in a cgroup: nothing in it can slip away by forking.

    Raises:
        OSError: The cgroup is gone, or can't be killed now.
    """
    state = f"{path}/freezer.state"
    if not os.path.exists(state):
        tell_kernel(f"{path}/cgroup.kill", b"1")
        return
    tell_kernel(state, b"FROZEN")
    try:
        deadline = time.monotonic() + FREEZE_LIMIT_S
        while read_file(state).strip() != b"FROZEN" and time.monotonic() < deadline:
            time.sleep(0.001)
        opened = {}
        for pid in cgroup_pids(path):
            with contextlib.suppress(OSError):
                opened[pid] = SYSTEM.open_process(pid)
        # What is frozen can't have ended since; of the rest, whoever is still in the list is the one we have opened.
        inside = set(cgroup_pids(path))
        for pid, fd in opened.items():
            with contextlib.suppress(OSError):
                if pid in inside and pid > 1:
                    SYSTEM.signal(fd, pid, signal.SIGKILL)
            os.close(fd)
    finally:
        tell_kernel(state, b"THAWED")


def cgroup_pids(path: str | None) -> list[int]:
    """Return the processes of a cgroup and of those below it."""
    found: list[int] = []
    if path is None:
        return found
    for directory, _, _ in os.walk(path):
        try:
            found += [int(word) for word in read_file(f"{directory}/cgroup.procs").split()]
        except OSError as error:
            if error.errno in SHORTAGE:
                raise
    return found


def remove_cgroup(path: str | None, wait_s: float = 0.0) -> None:
    """Remove a cgroup and those below it, as far as they are empty or become so within `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    while path is not None and os.path.isdir(path):
        for directory, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        if time.monotonic() >= deadline:
            return
        time.sleep(0.005)


# --- The tree of an attempt ------------------------------------------------------------------------------------------


class Tree:
    """Finds and ends the processes of one attempt, and no others.

    A process belongs to it if it descends from the leader (or from the keeper, which adopts the orphans), is in the
    leader's session, is in the attempt's cgroup, or was started with the attempt's nonce in its environment.
    Guard and pump never belong: they are in the keeper's session, which nothing of the agent can enter.
    """

    def __init__(
        self, nonce: str, pid: int, start: str, *, cgroup: str | None, keeper: int | None, sessions: Iterable[int]
    ) -> None:
        """Keep what identifies the tree.

        Args:
            nonce: The attempt's.
            pid: The leader's.
            start: The leader's start time.
            cgroup: Path of the attempt's cgroup, if any.
            keeper: The pid of the keeper if it is alive: its descendants belong to the tree as well.
            sessions: Sessions of Logist's own processes, which are spared.
        """
        self.nonce, self.pid, self.start, self.cgroup, self.keeper = nonce, pid, start, cgroup, keeper
        self.spared = {*sessions, os.getsid(0)}
        self._cookie = b"\0LOGIST_NONCE=" + nonce.encode() + b"\0"

    def members(self) -> list[Process]:
        """Return the living members of the tree, found by one look at the whole process table."""
        table = {process.pid: process for process in SYSTEM.processes()}
        below: dict[int, list[int]] = {}
        for process in table.values():
            below.setdefault(process.parent, []).append(process.pid)
        leader = table.get(self.pid)
        # A pid in the table with the right start time can't have been reused, so neither can the session's number.
        known = leader is not None and leader.start == self.start
        queue = [self.pid] if known else []
        if self.keeper is not None:
            queue += below.get(self.keeper, [])
        queue += cgroup_pids(self.cgroup)
        for process in table.values():
            if (known and process.session == self.pid) or self._has_cookie(process):
                queue.append(process.pid)
        found: dict[int, Process] = {}
        while queue:
            pid = queue.pop()
            member = table.get(pid) or SYSTEM.process(pid)
            if pid in found or member is None or pid <= 1 or pid == os.getpid() or member.session in self.spared:
                continue
            found[pid] = member
            queue += below.get(pid, [])
        living = [member for member in found.values() if member.state not in "ZX"]
        # The leader first: killed after its children, it might say an exit code of its own or start others.
        return sorted(living, key=lambda member: (member.pid != self.pid, len(member.start), member.start))

    def _has_cookie(self, process: Process) -> bool:
        if process.state in "ZX" or process.session in self.spared:
            return False
        return self._cookie in b"\0" + SYSTEM.environment(process.pid) + b"\0"

    def signal(self, members: Iterable[Process], number: int) -> None:
        """Send a signal to each member that is still the process that was seen."""
        for member in members:
            with contextlib.suppress(OSError):
                fd = open_verified(member.pid, member.start)
                if fd is None:
                    continue
                try:
                    SYSTEM.signal(fd, member.pid, number)
                finally:
                    os.close(fd)

    def kill(self, reap: Callable[[], None], limit_s: float = KILL_LIMIT_S) -> list[int]:
        """Kill the whole tree; return the pids of those that outlived it.

        Without a cgroup a tree that forks faster than we look can slip away, hence the repetition: three looks
        must find nothing.
        """
        deadline = time.monotonic() + limit_s
        empty = 0
        while True:
            if self.cgroup is not None:
                with contextlib.suppress(OSError):
                    kill_cgroup(self.cgroup)
            try:
                members = self.members()
            except OSError:  # no descriptor to look with: nothing seen is not nothing there
                members, empty = [], -1
            self.signal(members, signal.SIGKILL)
            reap()
            empty = 0 if members else empty + 1
            if empty >= 3:
                return []
            if time.monotonic() >= deadline:
                return sorted(member.pid for member in members)
            time.sleep(0.01 if members else 0.003)

    def end(self, grace_s: float, reap: Callable[[], None]) -> list[int]:
        """Ask the tree to end, and kill what hasn't after `grace_s` seconds; return the pids of survivors."""
        with contextlib.suppress(OSError):  # where nothing can be seen now, the kill looks again, patiently
            members = self.members()
            if not members:
                return []
            if grace_s > 0:
                self.signal(members, signal.SIGTERM)
                self.signal(members, signal.SIGCONT)
                deadline = time.monotonic() + grace_s
                while members and time.monotonic() < deadline:
                    reap()
                    time.sleep(0.02)
                    members = [m for m in members if (now := SYSTEM.process(m.pid)) and now.start == m.start]
                    members = [m for m in members if (now := SYSTEM.process(m.pid)) and now.state not in "ZX"]
        return self.kill(reap)


# --- The stop ladder -------------------------------------------------------------------------------------------------


class Ladder:
    """The durable wish to stop, `cancel.json`, and where on it we are.

    Times are seconds since boot, so that a successor goes on where a dead pump stood.
    """

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.started_s = 0.0
        self.active = False
        self.next = 0
        self._loaded: float | None = None

    @staticmethod
    def deadline(record: dict[str, Any]) -> float:
        """Return when, in seconds since boot, the ladder of a record ends and the tree is killed."""
        return float(record.get("started_boot_s", 0.0)) + sum(float(s.get("grace_s", 0)) for s in record["steps"])

    def load(self, record: dict[str, Any] | None) -> None:
        """Take up the ladder of a record, unless it is the one we are on or of another boot."""
        if not record or record.get("boot_id") != SYSTEM.boot_id() or not isinstance(record.get("steps"), list):
            return
        started = float(record.get("started_boot_s", 0.0))
        if started == self._loaded:
            return
        self._loaded = started
        self.steps, self.started_s, self.active, self.next = record["steps"], started, True, 0
        # A step that began before we did was most likely sent: a second Ctrl-C means more than one.
        while self.next < len(self.steps) and SYSTEM.boot_s() - self.starts(self.next) > 0.5:
            self.next += 1

    def starts(self, index: int) -> float:
        """Return when a step begins, in seconds since boot; the one after the last is the kill."""
        return self.started_s + sum(float(step.get("grace_s", 0)) for step in self.steps[:index])

    def wait_s(self) -> float | None:
        """Return the seconds until something is due, None without a ladder."""
        return max(0.0, self.starts(self.next) - SYSTEM.boot_s()) if self.active else None

    def due(self) -> dict[str, Any] | None:
        """Return the next step if its time has come: `{}` for the kill, which stays due."""
        if not self.active or SYSTEM.boot_s() < self.starts(self.next):
            return None
        if self.next >= len(self.steps):
            return {}
        self.next += 1
        step: dict[str, Any] = self.steps[self.next - 1]
        return step

    def skip_wait(self) -> None:
        """Go to the next step at once: the last one could not be taken."""
        self.started_s -= max(0.0, self.starts(self.next) - SYSTEM.boot_s())


def signal_number(name: str) -> int | None:
    """Return the number of `TERM`, `INT` ...; None for what is no signal."""
    number = getattr(signal, f"SIG{name}", None)
    return int(number) if isinstance(number, signal.Signals) else None


def signal_leader(fd: int, pid: int, start: str, number: int, foreground: int | None) -> None:
    """Send a signal to the leader's group and to the terminal's foreground group, then wake them up.

    Args:
        fd: A descriptor of the leader, opened by `open_verified` or held since its birth.
        pid: The leader's.
        start: The leader's start time.
        number: The signal.
        foreground: The foreground group of the attempt's terminal, or None.
    """
    if pid <= 1 or has_ended(fd):
        return
    groups = {pid} | ({foreground} if foreground and foreground > 1 else set())
    for each in (number, signal.SIGCONT):
        if SYSTEM.signal_group(fd, pid, each):
            groups.discard(pid)
    if not groups:
        return
    for process in SYSTEM.processes():
        # Only members of the leader's own session: a group's number alone may be a stranger's by now.
        if process.group not in groups or process.session != pid:
            continue
        member = open_verified(process.pid, process.start)
        if member is None or has_ended(fd):
            continue
        try:
            with contextlib.suppress(OSError):
                SYSTEM.signal(member, process.pid, number)
                SYSTEM.signal(member, process.pid, signal.SIGCONT)
        finally:
            os.close(member)


def signal_foreground(attempt: Attempt, number: int, foreground: int | None) -> None:
    """Send what Ctrl-C and its kin send: to the foreground group, or the leader's where there is no terminal."""
    if foreground is None or foreground <= 1 or foreground == attempt.pid:
        if not has_ended(attempt.leader_fd) and SYSTEM.signal_group(attempt.leader_fd, attempt.pid, number):
            return
        foreground = attempt.pid
    members = [p for p in SYSTEM.processes() if p.group == foreground and p.session == attempt.pid]
    if not has_ended(attempt.leader_fd):
        attempt.tree().signal(members, number)


_PASSING_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENFILE, errno.EMFILE, errno.ENOMEM, errno.EAGAIN}
)


# --- Terminals -------------------------------------------------------------------------------------------------------


def set_size(fd: int, cols: int, rows: int) -> None:
    """Set a terminal's size; the kernel tells the foreground group."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", bound(rows), bound(cols), 0, 0))


def size_of(value: dict[str, Any]) -> tuple[int, int] | None:
    """Return (columns, rows) from a frame, or None."""
    cols, rows = value.get("cols"), value.get("rows")
    if isinstance(cols, int) and isinstance(rows, int) and cols > 0 and rows > 0:
        return bound(cols), bound(rows)
    return None


def bound(cells: int) -> int:
    """Return a sane number of rows or columns."""
    return max(1, min(4096, cells))


def tty_mode(master: int) -> str | None:
    """Return `raw`, `line` or `password` for a terminal; None without one."""
    if master < 0:
        return None
    try:
        local = termios.tcgetattr(master)[3]
    except (termios.error, OSError):
        return None
    if not local & termios.ICANON:
        return "raw"
    return "line" if local & termios.ECHO else "password"


# --- A log's limit ---------------------------------------------------------------------------------------------------


class LogLimit:
    """Keeps a growing log within a size on disk: its head and its tail stay, what is between is given back.

    Offsets stay what they are. Invariant: `<log>.holes` names the hole before it is punched; so whoever reads the log
    first and that record afterwards never takes the zeros of a hole for output.
    """

    def __init__(self, dir_fd: int, name: str, fd: int, limit: int) -> None:
        """Look at nothing yet; `limit` is in bytes."""
        self.dir_fd, self.record, self.fd = dir_fd, f"{name}.holes", fd
        self.limit = max(limit, MIN_LOG_LIMIT)
        self.head = min(1 << 20, self.limit // 4) & -HOLE_ALIGN
        # Punched a good piece at a time: between two punches the tail grows by an eighth.
        self.tail = (self.limit - self.head) * 7 // 8
        self.end = self.head  # of the hole
        self.unbounded = ""  # why the file system can't do it
        self.room = 0  # what may be written before the next look

    def load(self) -> None:
        """Take up where another process stood."""
        try:
            record = read_record(self.dir_fd, self.record) or {}
        except OSError:  # the hole is then named and punched anew, from the head on
            record = {}
        end = record.get("end")
        self.end = max(self.head, end) if isinstance(end, int) else self.head

    def wrote(self, count: int) -> None:
        """Count what its only writer has written; look at the file only when it is time to."""
        self.room -= count
        if self.room <= 0:
            self.room = self.keep()

    def keep(self) -> int:
        """Punch if it is time to; return the bytes that may be written until it is time again."""
        size = os.fstat(self.fd).st_size
        with contextlib.suppress(OSError):  # no space for the record: the next look tries again
            if size < self.end != self.head:  # truncated by somebody: there is no hole in what comes now
                os.unlink(self.record, dir_fd=self.dir_fd)
                self.end = self.head
            if not self.unbounded and size - (self.end - self.head) > self.limit:
                self._punch(size)
        return self.limit - (size - (self.end - self.head))

    def _punch(self, size: int) -> None:
        try:
            # Behind the end there is nothing to lose: this only asks whether the file system can.
            SYSTEM.punch_hole(self.fd, (size + (1 << 40)) & -HOLE_ALIGN, HOLE_ALIGN)
        except (OSError, AttributeError) as error:
            self.unbounded = getattr(error, "strerror", None) or str(error)
            value = {"schema": SCHEMA, "start": self.head, "end": self.end, "unbounded": self.unbounded}
            write_record(self.dir_fd, self.record, value, durable=False, replace=True)
            return
        end = (size - self.tail) & -HOLE_ALIGN
        value = {"schema": SCHEMA, "start": self.head, "end": end}
        write_record(self.dir_fd, self.record, value, durable=True, replace=True)
        self.end = end
        # From the head on, not from the last end: a predecessor may have died before it had punched.
        SYSTEM.punch_hole(self.fd, self.head, end - self.head)


# --- Secrets on a terminal -------------------------------------------------------------------------------------------


class Redactor:
    """Masks secrets in a stream of bytes, wherever it was cut; what comes out is as long as what goes in.

    Invariant: of a secret never more than `SHORTEST_SECRET - 1` bytes come out, whenever `pause` is called.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        """Look for secrets as they are, and as they look inside a JSON string."""
        forms = {form.encode(errors="surrogateescape") for s in secrets for form in (s, json.dumps(s)[1:-1])}
        self._secrets = sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=len, reverse=True)
        self._begun = b""  # the end of what came: the beginning of a secret
        self._out = 0  # how much of that came out already

    @property
    def holds_back(self) -> bool:
        """Say whether something that came hasn't come out."""
        return len(self._begun) > self._out

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those that can come out."""
        if not self._secrets:
            return data
        text = self._begun + data
        for secret in self._secrets:
            text = text.replace(secret, b"*" * len(secret))
        size = max(self._begun_at_end_of(text, secret) for secret in self._secrets)
        ready = text[self._out : len(text) - size]
        self._begun, self._out = text[len(text) - size :], max(0, self._out - (len(text) - size))
        return ready

    def pause(self) -> bytes:
        """Return what was held back, as nothing follows for now: masked, but for the first letters of a secret."""
        held = self._begun[self._out :]
        self._out = len(self._begun)
        return held if len(self._begun) < SHORTEST_SECRET else b"*" * len(held)

    @staticmethod
    def _begun_at_end_of(text: bytes, secret: bytes) -> int:
        for size in range(min(len(secret) - 1, len(text)), 0, -1):
            if text.endswith(secret[:size]):
                return size
        return 0


# --- An attempt ------------------------------------------------------------------------------------------------------


class Attempt:
    """All that guard and pump of one attempt share: descriptors, identities, records. Copied by fork."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.nonce: str = config["nonce"]
        self.linger = bool(config.get("linger"))
        self.pty = bool(config.get("pty"))
        self.kernel_exit_info = bool(config.get("kernel_exit_info", True))
        self.socket_path: str = config["socket"]
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.dir_fd = os.open(config["directory"], flags)
        self.origin = "keeper"
        self.parent = False  # whether this very process is the leader's parent
        self.patient = True  # wait for space for a record; before the gate, a start is refused instead
        self.keeper_pid: int | None = None
        self.keeper_session = os.getsid(0)
        self.lock_fd = -1
        self.pump_lock_fd = -1
        self.listener: socket.socket | None = None
        self.out_fd = -1
        self.err_fd = -1
        self.redactor = Redactor(config.get("secrets", []))
        self.limits: list[LogLimit] = []  # of out.log, and of err.log where there is one
        self.master = -1
        self.slave = -1
        self.input_fd = -1  # where the agent's input is written: the master, or a pipe
        self.exec_socket: socket.socket | None = None
        self.pid = 0
        self.start = ""
        self.leader_fd = -1
        self.cgroup: str | None = None

    def tree(self) -> Tree:
        """Return the attempt's tree as it can be told from here."""
        return Tree(
            self.nonce,
            self.pid,
            self.start,
            cgroup=self.cgroup,
            keeper=self.keeper_pid,
            sessions=[self.keeper_session],
        )

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a record of the attempt; one that can't be read for a second counts as absent."""
        deadline = time.monotonic() + READ_PATIENCE_S
        while True:
            try:
                return read_record(self.dir_fd, name)
            except OSError as error:
                if time.monotonic() >= deadline:
                    self.log(f"{name}: {error.strerror}")
                    return None
                time.sleep(0.02)

    def may_have_run(self) -> bool:
        """Say whether the gate may have been opened; in doubt it may."""
        try:
            child = read_record(self.dir_fd, "child.json")
        except OSError:
            return True
        return child is not None and not child.get("void")

    def write(self, name: str, value: dict[str, Any], *, durable: bool = False, replace: bool = False) -> bool:
        """Write a record, waiting for space as long as it takes: a record of an exit must not be lost.

        Returns:
            False where the record exists already (and `replace` is unset), or the directory is gone.
        """
        wait_s = 0.1
        placed = False
        while True:
            try:
                # Once it is in its place it is ours: placed again, it would look like another writer's.
                placed = placed or place_record(self.dir_fd, name, value, durable=durable, replace=replace)
                if placed and durable:
                    os.fsync(self.dir_fd)
                return placed
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return False  # somebody removed the directory
                if error.errno not in _PASSING_ERRORS or not self.patient:
                    raise
                self.give_back_reserve()
                # What could not be forced to disk isn't by trying again: a record in the cache is better than none.
                durable = durable and error.errno != errno.EIO
                time.sleep(wait_s)
                wait_s = min(wait_s * 2, 5.0)

    def take_lock(self, wait_s: float = LOCK_WAIT_S) -> bool:
        """Become the one guard of this attempt."""
        fd = lock_file(self.dir_fd, "shim.lock", wait_s)
        self.lock_fd = -1 if fd is None else fd
        return fd is not None

    def open_logs(self) -> None:
        """Open the logs for appending; a planted link or a FIFO is refused."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        for name in ("out.log",) if self.pty else ("out.log", "err.log"):
            fd = os.open(name, flags, 0o600, dir_fd=self.dir_fd)
            if os.fstat(fd).st_nlink != 1:
                raise OSError(errno.EMLINK, f"{name} is also another file's name")
            os.set_blocking(fd, True)
            if name == "out.log":
                self.out_fd = fd
            else:
                self.err_fd = fd
            if limit := self.config.get("max_log_bytes"):
                self.limits.append(LogLimit(self.dir_fd, name, fd, int(limit)))
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            reserve = os.open(".reserve", flags, 0o600, dir_fd=self.dir_fd)
            try:
                if sys.platform == "linux" and os.fstat(reserve).st_nlink == 1:
                    os.posix_fallocate(reserve, 0, RESERVE_BYTES)
            finally:
                os.close(reserve)
            os.link(*RESERVES, src_dir_fd=self.dir_fd, dst_dir_fd=self.dir_fd, follow_symlinks=False)

    def listen(self) -> None:
        """(Re-)make the attempt's socket. Only the holder of the lock may."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket_path)
        if self.listener is not None:
            self.listener.close()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.socket_path)
        self.listener.listen(64)
        self.listener.setblocking(False)

    def write_shim(self) -> None:
        """Say who guards the attempt, and where its socket is."""
        me = SYSTEM.process(os.getpid())
        value = {
            "schema": SCHEMA,
            "proto": PROTO,
            "origin": self.origin,
            "pid": os.getpid(),
            "start": me.start if me else "",
            "boot_id": SYSTEM.boot_id(),
            "session": self.keeper_session,
            "socket": self.socket_path,
            "at": time.time(),
        }
        self.write("shim.json", value, replace=True)

    def exec_error(self) -> str | None:
        """Return why the program could not be executed, None if it was or may have been.

        The message is only looked at, not taken, so that whoever outlives this process can read it again.
        """
        if self.exec_socket is None:
            return None
        try:
            data = self.exec_socket.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return None
        return data.decode(errors="replace") or None

    def foreground(self) -> int | None:
        """Return the foreground group of the attempt's terminal."""
        if self.master < 0:
            return None
        try:
            return os.tcgetpgrp(self.master)
        except OSError:
            return None

    def log(self, text: str) -> None:
        """Add a line to the attempt's `shim.err`, which is capped."""
        with contextlib.suppress(OSError):
            if os.fstat(2).st_size < SHIM_ERR_LIMIT:
                write_all(2, f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {os.getpid()} {text}\n".encode())

    def give_back_reserve(self) -> None:
        """Make space for a record on a full disk."""
        for name in RESERVES:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self.dir_fd)

    def release(self) -> None:
        """Remove what lies outside of the attempt's directory."""
        with contextlib.suppress(OSError):
            os.unlink(self.socket_path)
        self.give_back_reserve()
        remove_cgroup(self.cgroup)


# --- The end of the output -------------------------------------------------------------------------------------------


def append(attempt: Attempt, data: bytes) -> None:
    """Add to the terminal's log; a full disk throttles the job, it loses nothing."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(attempt.out_fd, view) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            time.sleep(0.5)
    for limit in attempt.limits:
        limit.wrote(len(data))


def drain(attempt: Attempt) -> bool:
    """Copy what the terminal still holds; False where somebody still holds it open and talks."""
    deadline = time.monotonic() + DRAIN_LIMIT_S
    while time.monotonic() < deadline:
        if not wait_readable(attempt.master, DRAIN_QUIET_S):
            return True
        try:
            data = os.read(attempt.master, READ_SIZE)
        except BlockingIOError:
            continue
        except OSError:
            return True
        if not data:
            return True
        append(attempt, attempt.redactor.feed(data))
    return False


def conclude(attempt: Attempt, summary: dict[str, Any]) -> None:
    """Drain the terminal, force the logs to disk, write `done.json`: the attempt's last word."""
    drained = drain(attempt) if attempt.master >= 0 else True
    append(attempt, attempt.redactor.pause())
    sizes = {}
    for limit in attempt.limits:
        limit.load()
        limit.keep()
    for name, fd in (("out_bytes", attempt.out_fd), ("err_bytes", attempt.err_fd)):
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.fsync(fd)
            sizes[name] = os.fstat(fd).st_size
    value = {
        "schema": SCHEMA,
        "at": time.time(),
        "drained": drained,
        "lost": not summary.get("known"),
        "survivors": summary.get("survivors", []),
        "tree_clean": not summary.get("survivors") and not attempt.linger,
        **sizes,
    }
    attempt.write("done.json", value)


# --- Starting --------------------------------------------------------------------------------------------------------


class StartError(Exception):
    """The attempt can't be started; nothing of it ran. `kind` is `busy`, `void` or `system`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def start_attempt(config: dict[str, Any], files: list[int], control: socket.socket) -> NoReturn:
    """Be the keeper: start the agent, say so on `control`, guard it to its end.

    Args:
        config: What `launching.start` makes.
        files: A file in memory with the program to run, and one with its input where it has one.
        control: The launcher's socket.
    """
    attempt = Attempt(config)
    if not attempt.take_lock():
        raise StartError("busy", "another keeper holds this attempt")
    launch = attempt.read("launch.json")
    if launch is None or launch.get("nonce") != attempt.nonce:
        raise StartError("void", "the attempt's directory belongs to another attempt")
    if attempt.read("child.json") is not None:
        raise StartError("busy", "this attempt was started, or given up, before")
    attempt.patient = False
    try:
        guard, gate = prepare(attempt, files)
    except OSError:
        attempt.release()
        raise
    attempt.patient = True
    with contextlib.suppress(OSError):
        os.write(gate, b"G")
    os.close(gate)
    assert attempt.exec_socket is not None
    attempt.exec_socket.recv(1, socket.MSG_PEEK)  # the error, or the end of file by a successful exec
    error = attempt.exec_error()
    if error is None:
        report(control, {"ok": True})
        guard.run()
    attempt.write("exit.json", exit_record(None, error, attempt.origin), durable=True)
    # Whoever hears of the failure may remove the directory: so it hears of it when we have nothing left to do there.
    wait_readable(attempt.leader_fd, None)
    guard.finish(lambda: report(control, {"kind": "exec", "error": error}))


def prepare(attempt: Attempt, files: list[int]) -> tuple[Guard, int]:
    """Do everything up to the opening of the gate; return the guard and the gate.

    Raises:
        StartError: `find` was quicker: it has settled that this attempt never runs.
    """
    here = identity()  # it may fail, and there is nothing to undo yet
    attempt.keeper_pid = os.getpid() if SYSTEM.become_subreaper(True) else None
    attempt.parent = True
    attempt.open_logs()
    attempt.listen()
    attempt.write_shim()
    if wanted := attempt.config.get("cgroup", True):
        attempt.cgroup = make_cgroup(cgroup_name(attempt.socket_path), v1=wanted == "v1")
    gate = fork_child(attempt, files)
    guard = Guard(attempt)
    guard.start_pump()
    record = {
        "schema": SCHEMA,
        "nonce": attempt.nonce,
        "pid": attempt.pid,
        "start": attempt.start,
        "cgroup": attempt.cgroup,
        "pty": attempt.pty,
        "at": time.time(),
        **here,
    }
    # This is the intent to open the gate. Absent: the agent certainly never ran. Present: it may have.
    try:
        settled = attempt.write("child.json", record, durable=True)
    except OSError:
        os.close(gate)
        guard.abandon()
        if (attempt.read("child.json") or {}).get("pid") == attempt.pid:
            os.unlink("child.json", dir_fd=attempt.dir_fd)  # not forced to disk, and the gate is shut for good
        raise
    if not settled:
        os.close(gate)
        guard.abandon()
        raise StartError("void", "the start was given up before the program was executed")
    return guard, gate


def report(control: socket.socket, value: dict[str, Any]) -> None:
    """Tell the launcher how it went; it may be dead."""
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(value).encode() + b"\n")
    control.close()


def fork_child(attempt: Attempt, files: list[int]) -> int:
    """Fork the agent's leader up to its gate; return the gate's write end.

    What the agent is, its environment above all, is read by the fork alone: it never is in our own memory.
    """
    config = attempt.config
    kind = config.get("stdin", "null")
    if attempt.pty:
        attempt.master, attempt.slave = os.openpty()
        set_size(attempt.master, int(config["cols"]), int(config["rows"]))
        os.set_blocking(attempt.master, False)
        attempt.input_fd = attempt.master
    if kind == "data":
        stdin = files[1]
    elif attempt.pty:
        stdin = attempt.slave
    elif kind == "open":
        stdin, attempt.input_fd = os.pipe()
        os.set_blocking(attempt.input_fd, False)
    else:
        stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    outputs = (attempt.slave, attempt.slave) if attempt.pty else (attempt.out_fd, attempt.err_fd)
    gate_read, gate_write = os.pipe()
    attempt.exec_socket, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        run_child(attempt, files[0], gate_read, theirs.fileno(), (stdin, *outputs))
    theirs.close()
    for fd in {gate_read, stdin, *files} - {attempt.slave}:
        os.close(fd)
    attempt.pid = pid
    attempt.leader_fd = SYSTEM.open_process(pid)
    process = SYSTEM.process(pid)
    assert process is not None  # our unreaped child
    attempt.start = process.start
    return gate_write


def run_child(attempt: Attempt, program_fd: int, gate: int, errors: int, stdio: tuple[int, int, int]) -> NoReturn:
    """Be the agent's leader: wait for the gate, become the program. Never returns into the keeper's code."""
    code = 126
    stage = "set-up"
    program: dict[str, Any] = {}
    try:
        # First of all: the lock and the sockets are the keeper's; holding them here would make it look alive.
        procs = -1
        if attempt.cgroup is not None:
            with contextlib.suppress(OSError):
                procs = os.open(f"{attempt.cgroup}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        SYSTEM.close_all_but([program_fd, gate, errors, *stdio, procs])
        os.setsid()
        if attempt.pty:
            fcntl.ioctl(stdio[1], termios.TIOCSCTTY, 0)
        if procs >= 0:
            with contextlib.suppress(OSError):
                os.write(procs, b"0")
        for target, fd in enumerate(stdio):
            os.dup2(fd, target)
        for number in signal.valid_signals():
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.umask(attempt.config["umask"])
        SYSTEM.conceal(False)  # exec would do it as well; but only then we may change our own score
        raise_oom_score()
        program = json_object(read_all(program_fd))
        if os.read(gate, 1) != b"G":
            stage = "gate"
            raise OSError(errno.ECANCELED, "the keeper died before the gate was opened")
        stage = "cwd"
        os.chdir(program["cwd"])
        stage, code = "exec", 127
        argv = program["argv"]
        os.execvpe(argv[0], argv, program["env"])  # noqa: S606 - a program, never a shell line
    except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not go on as a keeper
        with contextlib.suppress(BaseException):
            os.write(errors, describe(stage, error, program).encode(errors="replace")[:4000])
    finally:
        os._exit(code)


def raise_oom_score() -> None:
    """Make the kernel prefer the agent to its keeper when memory runs out."""
    path = "/proc/self/oom_score_adj"
    with contextlib.suppress(OSError, ValueError):
        tell_kernel(path, b"%d" % min(1000, int(read_file(path)) + 300))


def describe(stage: str, error: BaseException, program: dict[str, Any]) -> str:
    """Return one line that says why the program didn't start."""
    number = error.errno if isinstance(error, OSError) else None
    text = os.strerror(number) if number else f"{type(error).__name__}: {error}"
    if stage == "cwd":
        return f"working directory {program['cwd']}: {text}"
    if stage != "exec":
        return f"{stage}: {text}"
    name = program["argv"][0]
    if number == errno.ENOENT and os.path.exists(name):
        return f"{name}: its interpreter (the #! line, or the loader) was not found"
    if number == errno.ENOENT and "/" not in name:
        return f"{name}: command not found in PATH"
    if number == errno.ENOEXEC:
        return f"{name}: {text} (a script without a #! line?)"
    if number == errno.E2BIG:
        return f"{name}: arguments and environment are too long for the system"
    return f"{name}: {text}"


# --- The guard -------------------------------------------------------------------------------------------------------


class Guard:
    """Waits for the leader's end, records it, ends the rest of the tree; keeps a pump alive meanwhile."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.pump_pid = 0
        self.pump_fd = -1
        self.link: socket.socket | None = None  # to the pump; its end of file tells each of the other's death
        self.pump_is_child = False
        self.restarts: list[float] = []
        self.wake_read, wake_write = os.pipe()
        for fd in (self.wake_read, wake_write):
            os.set_blocking(fd, False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTSTP, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTTIN, signal.SIGUSR2, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)

    def start_pump(self) -> None:
        """Fork a pump with all our descriptors."""
        attempt = self.attempt
        if self.link is not None:
            self.link.close()
        self.link, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            run_pump(attempt, theirs)
        theirs.close()
        self.pump_pid, self.pump_is_child = pid, True
        self.pump_fd = SYSTEM.open_process(pid)

    def restart_pump(self) -> None:
        """Replace a dead pump, more slowly if it keeps dying."""
        os.close(self.pump_fd)
        if self.pump_is_child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pump_pid, 0)
        now = time.monotonic()
        self.restarts = [at for at in self.restarts if now - at < 10.0] + [now]
        if len(self.restarts) > 5:
            wait_readable(self.attempt.leader_fd, min(5.0, 0.1 * 2 ** (len(self.restarts) - 5)))
        self.attempt.log("the pump died: starting another")
        self.start_pump()

    def abandon(self) -> None:
        """End without a trace: the gate was closed unopened, and the child ends by that."""
        with contextlib.suppress(OSError):
            SYSTEM.signal(self.pump_fd, self.pump_pid, signal.SIGKILL)
        os.waitpid(self.attempt.pid, 0)
        os.waitpid(self.pump_pid, 0)
        self.attempt.release()

    def run(self) -> NoReturn:
        """Guard the attempt to its end."""
        attempt = self.attempt
        poll = select.poll()
        while not has_ended(attempt.leader_fd):
            assert self.link is not None
            for fd in (attempt.leader_fd, self.pump_fd, self.wake_read, self.link.fileno()):
                poll.register(fd, select.POLLIN)
            ready = {fd for fd, _ in poll.poll()}
            for fd in (self.pump_fd, self.link.fileno()):
                poll.unregister(fd)
            if self.wake_read in ready:
                self.on_signals(os.read(self.wake_read, 4096))
            if self.link.fileno() in ready and self.pump_fd not in ready:
                self.on_wish()
            if self.pump_fd in ready and attempt.leader_fd not in ready:
                self.restart_pump()
        self.finish()

    def on_signals(self, numbers: bytes) -> None:
        """Take up what came as signals: nothing of it ends us."""
        if signal.SIGCHLD in numbers:
            self.reap()
        if signal.SIGTERM in numbers:
            self.wish_stop()
        if signal.SIGUSR1 in numbers:
            # The socket's file is gone (a tidied runtime directory): a new pump takes the new one.
            self.attempt.listen()
            self.attempt.write_shim()
            with contextlib.suppress(OSError):
                SYSTEM.signal(self.pump_fd, self.pump_pid, signal.SIGKILL)

    def wish_stop(self) -> None:
        """Turn a SIGTERM to us into a polite stop of the attempt."""
        if self.attempt.read("cancel.json") is None:
            self.attempt.write("cancel.json", cancel_record([{"signal": "TERM", "grace_s": 10.0}], "signal"))
        with contextlib.suppress(OSError):
            if self.link is not None:
                self.link.send(b"C", socket.MSG_DONTWAIT)

    def on_wish(self) -> None:
        """Do what the pump asks for: `K` kill the tree, `R` start a supervisor."""
        assert self.link is not None
        try:
            wishes = self.link.recv(4096, socket.MSG_DONTWAIT)
        except OSError:
            return
        if not wishes:
            wait_readable(self.pump_fd, 1.0)  # it is about to be seen dead
        if b"R" in wishes:
            self.respawn_supervisor()
        if b"K" in wishes:
            self.attempt.tree().kill(self.reap)

    def respawn_supervisor(self) -> None:
        """Start a supervisor again, unless one lives or somebody else is at it."""
        wanted = self.attempt.config.get("respawn")
        if not wanted or lives(wanted) or not os.path.exists(wanted["lock"]):
            return
        name = f"{os.path.dirname(self.attempt.socket_path)}/respawn-{checksum(wanted['lock'])}.lock"
        guard = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lives(wanted):
                return  # whoever held this lock before us has started one
        except BlockingIOError:
            return
        else:
            # It must not become our descendant: the attempt's end would take it along.
            SYSTEM.become_subreaper(False)
            pid = os.fork()
            if pid == 0:
                if os.fork():
                    os._exit(0)
                exec_supervisor(wanted)
            os.waitpid(pid, 0)
            if self.attempt.keeper_pid is not None and self.attempt.parent:
                SYSTEM.become_subreaper(True)
            self.attempt.log("the supervisor was gone: started it again")
            deadline = time.monotonic() + 5.0
            while time.monotonic() < deadline and not lives(wanted):
                if wait_readable(self.attempt.leader_fd, 0.05):
                    break
        finally:
            os.close(guard)

    def reap(self) -> None:
        """Reap every ended child but the leader, whose pid must stay taken, and the pump."""
        if not self.attempt.parent:
            return
        with contextlib.suppress(OSError):  # the next SIGCHLD comes, and so does the end
            for pid in SYSTEM.children(os.getpid()):
                if pid not in (self.attempt.pid, self.pump_pid):
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)

    def leader_status(self) -> int | None:
        """Return the ended leader's raw wait status, None where nobody can know it."""
        attempt = self.attempt
        if attempt.parent:
            # WNOWAIT: the zombie keeps pid, group and session from being reused while we clean up.
            info = os.waitid(os.P_PID, attempt.pid, os.WEXITED | os.WNOWAIT)
            assert info is not None
            if info.si_code == os.CLD_EXITED:
                return info.si_status << 8
            return int(info.si_status | (0x80 if info.si_code == os.CLD_DUMPED else 0))
        if not attempt.kernel_exit_info:
            return None
        wait_s, gone = 0.005, 0
        while gone < 20:
            try:
                status = SYSTEM.exit_status(attempt.leader_fd)
            except OSError:
                return None  # this kernel can't tell
            if status is None:
                status = SYSTEM.zombie_status(attempt.pid, attempt.start)
            if status is not None:
                return status
            process = SYSTEM.process(attempt.pid)
            # A zombie is answered for only once its new parent has reaped it, which may take its time.
            gone = 0 if process is not None and process.start == attempt.start else gone + 1
            time.sleep(wait_s)
            wait_s = min(wait_s * 1.5, 1.0)
        return None

    def finish(self, last: Callable[[], None] = lambda: None) -> NoReturn:
        """Record the exit, end the rest of the tree, have the output drained, do the `last` thing, and go."""
        attempt = self.attempt
        known = attempt.read("exit.json") is not None
        if not known:
            error = attempt.exec_error()
            status = None if error else self.leader_status()
            known = error is not None or status is not None
            if known:
                attempt.write("exit.json", exit_record(status, error, attempt.origin), durable=True)
        survivors = self.end_rest()
        if attempt.parent:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(attempt.pid, 0)
        if attempt.slave >= 0:
            os.close(attempt.slave)  # from here on the terminal's end can be seen
            attempt.slave = -1
        self.conclude({"survivors": survivors, "known": known})
        attempt.release()
        last()
        os._exit(0)

    def end_rest(self) -> list[int]:
        """End what the leader left behind, by policy; return the pids that could not be ended."""
        attempt = self.attempt
        self.reap()
        if attempt.linger and attempt.read("cancel.json") is None:
            return []
        if attempt.keeper_pid is not None and attempt.parent:
            # As subreaper we have every orphan as a child: nobody here but leader and pump, nobody anywhere.
            with contextlib.suppress(OSError):
                others = [pid for pid in SYSTEM.children(os.getpid()) if pid not in (attempt.pid, self.pump_pid)]
                if not others and not cgroup_pids(attempt.cgroup):
                    return []
        cancel = attempt.read("cancel.json")
        ladder_over = cancel is not None and SYSTEM.boot_s() >= Ladder.deadline(cancel)
        return attempt.tree().end(0.0 if ladder_over else REST_GRACE_S, self.reap)

    def conclude(self, summary: dict[str, Any]) -> None:
        """Let the pump drain and say good-bye; do it ourselves if it can't."""
        attempt = self.attempt
        try:
            assert self.link is not None
            self.link.sendall(b"F" + json.dumps(summary).encode() + b"\n")
            wait_readable(self.pump_fd, 30.0)
        except OSError:
            pass
        if attempt.read("done.json") is None:
            with contextlib.suppress(OSError):
                SYSTEM.signal(self.pump_fd, self.pump_pid, signal.SIGKILL)
            conclude(attempt, summary)
        if self.pump_is_child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pump_pid, 0)


# --- Starting a supervisor again -------------------------------------------------------------------------------------


def lives(wanted: dict[str, Any]) -> bool:
    """Say whether the supervisor of this home is alive; in doubt it is, and is looked for again later."""
    try:
        return is_locked(None, wanted["lock"])
    except OSError:
        return True


def exec_supervisor(wanted: dict[str, Any]) -> NoReturn:
    """Become the supervisor's command, detached from everything."""
    try:
        SYSTEM.close_all_but([])
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for target in range(3):
            os.dup2(null, target)
        for number in signal.valid_signals():
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        os.execvpe(wanted["argv"][0], wanted["argv"], wanted["env"])  # noqa: S606 - a program, never a shell line
    finally:
        os._exit(127)


# --- The pump --------------------------------------------------------------------------------------------------------


class Client:
    """One connection to the pump."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.frames = Frames()
        self.out = bytearray()
        self.role = ""
        self.writable = False
        self.size: tuple[int, int] | None = None
        self.said_bye = False
        self.closed = False

    def send(self, data: bytes) -> None:
        """Queue a frame; a client that doesn't read is dropped, it never makes us wait."""
        self.out += data
        if len(self.out) > MAX_CLIENT_QUEUE:
            self.closed = True
        self.flush()

    def flush(self) -> None:
        """Send what the connection takes."""
        while self.out and not self.closed:
            try:
                sent = self.connection.send(self.out)
            except BlockingIOError:
                return
            except OSError:
                self.closed = True
                return
            del self.out[:sent]


class Pump:
    """Moves the terminal's bytes to the log, serves the socket, runs the stop ladder."""

    def __init__(self, attempt: Attempt, link: socket.socket) -> None:
        self.attempt = attempt
        self.link = link
        self.link_data = b""
        self.link.setblocking(False)
        for limit in attempt.limits:
            limit.load()
        self.guard_child = 0
        self.clients: dict[int, Client] = {}
        self.lease: Client | None = None
        self.poll = select.poll()
        self.ladder = Ladder()
        self.input: list[tuple[memoryview, Client | None]] = []
        self.input_bytes = 0
        self.redraw: tuple[float, int, int] | None = None
        self.master_open = attempt.master >= 0
        self.kill_again_s = 0.0
        self.respawns = 0
        self.wishes = -1
        self.accept_again_s: float | None = None
        self.look_at_logs_s: float | None = None
        self.look_at_wish_s: float | None = None
        self.log_room = 0
        self.write_held_back_s: float | None = None
        self.look_for_supervisor_s: float | None = None
        if attempt.config.get("respawn"):
            self.look_for_supervisor_s = time.monotonic() + SUPERVISOR_EXPECTED_S

    def run(self) -> NoReturn:
        """Serve until the guard says that the attempt is over."""
        attempt = self.attempt
        assert attempt.listener is not None
        # The wish to stop is a file: whoever wrote it may have died before it could tell us.
        self.wishes = SYSTEM.watch_directory(attempt.dir_fd)
        if self.wishes >= 0:
            self.poll.register(self.wishes, select.POLLIN)
        self.look_at_logs()
        self.look_at_wish()
        self.poll.register(attempt.listener, select.POLLIN)
        self.poll.register(self.link, select.POLLIN)
        if self.master_open:
            self.poll.register(attempt.master, select.POLLIN)
        while True:
            ready = self.poll.poll(self.wait_ms())
            for fd, event in ready:
                if fd == attempt.master and self.master_open:
                    if event & ~select.POLLOUT:
                        self.copy()
                    if event & select.POLLOUT:
                        self.write_input()
                elif fd == attempt.input_fd:
                    self.write_input()
                elif fd == attempt.listener.fileno():
                    self.accept()
                elif fd == self.link.fileno():
                    self.on_guard()
                elif fd == self.wishes:
                    self.on_change()
                elif fd in self.clients:
                    self.serve(self.clients[fd], event)
            self.on_time()

    def wait_ms(self) -> int | None:
        """Return how long to sleep: for ever, unless something is due."""
        waits = [wait for wait in (self.ladder.wait_s(),) if wait is not None]
        now = time.monotonic()
        if self.ladder.active and self.ladder.next >= len(self.ladder.steps):
            waits = [max(waits[0], self.kill_again_s - now)]
        if self.redraw is not None:
            waits.append(self.redraw[0] - now)
        if self.look_for_supervisor_s is not None:
            waits.append(self.look_for_supervisor_s - now)
        if self.look_at_logs_s is not None:
            waits.append(self.look_at_logs_s - now)
        if self.look_at_wish_s is not None:
            waits.append(self.look_at_wish_s - now)
        if self.accept_again_s is not None:
            waits.append(self.accept_again_s - now)
        if self.write_held_back_s is not None:
            waits.append(self.write_held_back_s - now)
        return None if not waits else max(0, int(min(waits) * 1000) + 1)

    def on_time(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self.redraw is not None and now >= self.redraw[0]:
            _, cols, rows = self.redraw
            self.redraw = None
            set_size(self.attempt.master, cols, rows)
        if self.look_for_supervisor_s is not None and now >= self.look_for_supervisor_s:
            self.look_for_supervisor()
        if self.accept_again_s is not None and now >= self.accept_again_s:
            self.accept_again_s = None
            assert self.attempt.listener is not None
            self.poll.register(self.attempt.listener, select.POLLIN)
            self.accept()
        if self.look_at_logs_s is not None and now >= self.look_at_logs_s:
            self.look_at_logs()
        if self.look_at_wish_s is not None and now >= self.look_at_wish_s:
            self.look_at_wish()
        if self.write_held_back_s is not None and now >= self.write_held_back_s:
            self.write_held_back_s = None
            append(self.attempt, self.attempt.redactor.pause())
        while (step := self.ladder.due()) is not None:
            if not step:
                if now >= self.kill_again_s:
                    self.kill_again_s = now + KILL_LIMIT_S + 1.0
                    self.tell_guard(b"K")
                return
            self.take_step(step)

    def take_step(self, step: dict[str, Any]) -> None:
        """Take one polite step of the ladder."""
        attempt = self.attempt
        keys = (step.get("keys") or "").encode("latin-1")
        if keys and not self.queue_input(keys, None):
            self.ladder.skip_wait()
        number = signal_number(step.get("signal") or "")
        if number is not None:
            signal_leader(attempt.leader_fd, attempt.pid, attempt.start, number, attempt.foreground())

    def tell_guard(self, wish: bytes) -> None:
        """Ask the guard for something; if it is dead, the next one is asked again."""
        with contextlib.suppress(OSError):
            self.link.send(wish)

    # The logs of an attempt that writes them itself

    def on_change(self) -> None:
        """Take up what changed in the attempt's directory: the wish to stop, or a log."""
        with contextlib.suppress(OSError):
            os.read(self.wishes, 65536)
        self.look_at_wish()
        self.plan_look_at_logs()

    def look_at_wish(self) -> None:
        """Take up the wish to stop; one that can't be read now is looked at again soon."""
        self.look_at_wish_s = None
        try:
            self.ladder.load(read_record(self.attempt.dir_fd, "cancel.json"))
        except OSError:
            self.look_at_wish_s = time.monotonic() + READ_AGAIN_S

    def look_at_logs(self) -> None:
        """Keep the logs within their limit, and be woken by the next write, not before."""
        self.look_at_logs_s = None
        attempt = self.attempt
        if attempt.pty or not attempt.limits:
            return  # the terminal's log is written by us, and kept as we write
        # First the watch, then the look: no write falls between the two.
        watched = [self.wishes >= 0 and SYSTEM.watch_next_write(self.wishes, limit.fd) for limit in attempt.limits]
        self.log_room = min(limit.keep() for limit in attempt.limits)
        if not all(watched):
            self.plan_look_at_logs()

    def plan_look_at_logs(self) -> None:
        """Look at the logs when they may be full at the earliest."""
        if self.attempt.limits and not self.attempt.pty and self.look_at_logs_s is None:
            least, most = LOG_LOOK_S
            self.look_at_logs_s = time.monotonic() + min(max(self.log_room / LOG_FILL_BYTES_S, least), most)

    # The terminal and the input

    def copy(self) -> None:
        """Copy what the terminal has to the log."""
        for _ in range(32):
            try:
                data = os.read(self.attempt.master, READ_SIZE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:  # everybody closed it: only the guard's word counts from here on
                self.master_open = False
                self.poll.unregister(self.attempt.master)
                return
            append(self.attempt, self.attempt.redactor.feed(data))
            if self.attempt.redactor.holds_back:
                self.write_held_back_s = time.monotonic() + HOLD_BACK_S

    def queue_input(self, data: bytes, client: Client | None) -> bool:
        """Queue bytes for the agent; False where it has no input or reads nothing."""
        if self.attempt.input_fd < 0 or self.input_bytes + len(data) > MAX_INPUT_QUEUE:
            return False
        self.input.append((memoryview(data), client))
        self.input_bytes += len(data)
        self.write_input()
        return True

    def write_input(self) -> None:
        """Write what the agent takes."""
        fd = self.attempt.input_fd
        while self.input:
            view, client = self.input[0]
            try:
                written = os.write(fd, view) if view else 0
            except BlockingIOError:
                break
            except OSError as error:
                # A terminal that nobody holds, a pipe that nobody will read.
                self.input.clear()
                self.input_bytes = 0
                if client is not None and not client.closed:
                    client.send(frame_json(ERROR, {"text": f"the input is closed: {os.strerror(error.errno or 0)}"}))
                break
            self.input_bytes -= written
            if written < len(view):
                self.input[0] = (view[written:], client)
                continue
            self.input.pop(0)
            if client is not None and not client.closed and client.role == "control":
                client.send(frame(ACK))
                self.settle(client)
        self.watch_input(bool(self.input))

    def watch_input(self, waiting: bool) -> None:
        """Have `poll` tell us when the agent reads again, while there is something for it."""
        fd = self.attempt.input_fd
        if fd == self.attempt.master:
            if self.master_open:
                self.poll.register(fd, select.POLLIN | (select.POLLOUT if waiting else 0))
        elif waiting:
            self.poll.register(fd, select.POLLOUT)
        else:
            with contextlib.suppress(KeyError):
                self.poll.unregister(fd)

    # Clients

    def accept(self) -> None:
        """Take new connections of our own user."""
        assert self.attempt.listener is not None
        while True:
            try:
                connection, _ = self.attempt.listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # No descriptor left for it, most likely. It stays in the queue, and would wake us again at once.
                self.poll.unregister(self.attempt.listener)
                self.accept_again_s = time.monotonic() + 0.2
                return
            if peer_uid(connection) not in (os.getuid(), 0):
                connection.close()
                continue
            connection.setblocking(False)
            self.clients[connection.fileno()] = Client(connection)
            self.poll.register(connection, select.POLLIN)

    def serve(self, client: Client, event: int) -> None:
        """Read and answer what a client sent; a defect that it lays bare costs this client, not the pump."""
        try:
            self.on_client(client, event)
        except Exception as error:  # noqa: BLE001 - logged, and the client is gone
            self.attempt.log(f"pump: client {client.role!r}: {type(error).__name__}: {error}")
            client.closed = True
            self.drop(client)

    def on_client(self, client: Client, event: int) -> None:
        """Read and answer what a client sent."""
        if event & select.POLLOUT:
            client.flush()
        if event & ~select.POLLOUT:
            try:
                data = client.connection.recv(READ_SIZE)
            except BlockingIOError:
                data = None
            except OSError:
                data = b""
            if data == b"":
                client.closed = True
            elif data:
                try:
                    for kind, payload in client.frames.feed(data):
                        self.on_frame(client, kind, payload)
                        if client.closed:
                            break
                except FrameError:
                    client.closed = True
        self.settle(client)

    def settle(self, client: Client) -> None:
        """Drop a client that is done, or wait for what it needs next."""
        if client.closed:
            self.drop(client)
        elif client.connection.fileno() in self.clients:
            self.poll.register(client.connection, select.POLLIN | (select.POLLOUT if client.out else 0))

    def drop(self, client: Client) -> None:
        """Forget a client."""
        fd = client.connection.fileno()
        if self.clients.pop(fd, None) is None:
            return
        self.poll.unregister(fd)
        client.connection.close()
        client.closed = True
        if self.lease is client:
            self.lease = None
            for other in list(self.clients.values()):
                if other.writable:
                    self.give_lease(other)
                    break
        if client.role == "supervisor" and not client.said_bye and self.attempt.config.get("respawn"):
            # Not all pumps of a home at once: the first that starts one spares the others the trouble.
            self.respawns = 0
            self.look_for_supervisor_s = time.monotonic() + 0.2 + int.from_bytes(os.urandom(2), "big") / 65536

    def on_frame(self, client: Client, kind: int, payload: bytes) -> None:
        """Do what one frame asks for. Nothing before a HELLO that knows the nonce."""
        if kind == HELLO:
            self.on_hello(client, json_object(payload))
        elif not client.role:
            client.closed = True
        elif kind == STDIN:
            self.on_stdin(client, payload)
        elif kind == RESIZE:
            self.on_resize(client, json_object(payload))
        elif kind == SIGNAL:
            name = json_object(payload).get("signal")
            if name in CLIENT_SIGNALS and (number := signal_number(str(name))):
                attempt = self.attempt
                foreground = attempt.foreground()
                signal_foreground(attempt, number, foreground)
        elif kind == CANCEL:
            self.look_at_wish()
            self.kill_again_s = 0.0
            client.send(frame_json(STATUS, self.status()))
        elif kind == STATUS:
            client.send(frame_json(STATUS, self.status()))
        elif kind == PING:
            client.send(frame(PONG, payload))
        elif kind == BYE:
            client.said_bye = client.closed = True

    def on_hello(self, client: Client, hello: dict[str, Any]) -> None:
        """Let a client in that knows the attempt's nonce."""
        if hello.get("nonce_hash") != self.attempt.config["nonce_hash"]:
            client.closed = True
            return
        client.role = str(hello.get("role") or "probe")
        client.writable = client.role == "viewer" and not hello.get("read_only") and self.attempt.input_fd >= 0
        client.size = size_of(hello)
        client.send(frame_json(HELLO, {"proto": PROTO, "nonce_hash": hello["nonce_hash"], **self.status()}))
        if client.role == "supervisor":
            self.look_for_supervisor_s = None
        if client.writable:
            if self.lease is None:
                self.give_lease(client)
            else:
                client.send(frame_json(LEASE, {"writable": False}))

    def give_lease(self, client: Client) -> None:
        """Make this client the one whose typing and size count."""
        old, self.lease = self.lease, client
        if old is not None and old is not client and not old.closed:
            old.send(frame_json(LEASE, {"writable": False}))
            self.settle(old)
        client.send(frame_json(LEASE, {"writable": True}))
        if client.size and self.attempt.master >= 0:
            set_size(self.attempt.master, *client.size)

    def on_stdin(self, client: Client, data: bytes) -> None:
        """Type what a client sent; typing takes the lease."""
        if client.role == "viewer":
            if not client.writable:
                client.send(frame_json(ERROR, {"text": "this viewer is read-only"}))
                return
            if self.lease is not client:
                self.give_lease(client)
        if not self.queue_input(data, client):
            text = "the attempt has no input" if self.attempt.input_fd < 0 else "the attempt doesn't read its input"
            client.send(frame_json(ERROR, {"text": text}))

    def on_resize(self, client: Client, value: dict[str, Any]) -> None:
        """Remember a viewer's size; the terminal follows the one with the lease."""
        size = size_of(value)
        if size is None:
            return
        client.size = size
        if self.lease is client and self.attempt.master >= 0:
            if value.get("redraw"):
                # A change that isn't one draws nothing anew: two changes do.
                set_size(self.attempt.master, size[0], size[1] + 1)
                self.redraw = (time.monotonic() + 0.05, *size)
            else:
                self.redraw = None
                set_size(self.attempt.master, *size)

    def status(self) -> dict[str, Any]:
        """Return how the attempt stands, for HELLO and STATUS."""
        attempt = self.attempt
        return {
            "pid": attempt.pid,
            "ended": has_ended(attempt.leader_fd),
            "origin": attempt.origin,
            "pty": attempt.pty,
            "input": attempt.input_fd >= 0,
            "cancelling": self.ladder.active,
            "unkillable": self.ladder.active and SYSTEM.boot_s() - self.ladder.starts(len(self.ladder.steps)) > 60.0,
            "tty_mode": tty_mode(attempt.master),
            "log_unbounded": next((limit.unbounded for limit in attempt.limits if limit.unbounded), None),
        }

    # Guard and supervisor

    def on_guard(self) -> None:
        """Hear the guard: `C` a stop was asked for, `F` it is over; its end of file is its death."""
        try:
            data = self.link.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.replace_guard()
            return
        self.link_data += data
        if self.link_data.startswith(b"C"):
            self.link_data = self.link_data.lstrip(b"C")
            self.look_at_wish()
        if self.link_data.startswith(b"F") and self.link_data.endswith(b"\n"):
            self.finish(json_object(self.link_data[1:]))

    def replace_guard(self) -> None:
        """Fork a new guard: any single death is made good, not only the first."""
        attempt = self.attempt
        self.poll.unregister(self.link)
        self.link.close()
        if self.guard_child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.guard_child, 0)
        if not attempt.may_have_run():
            attempt.release()
            os._exit(0)  # the gate was never opened: nothing ran, and there is nothing to guard
        attempt.parent = False
        attempt.keeper_pid = None
        attempt.origin = "pump"
        self.link, theirs = socket.socketpair()
        pump = os.getpid()
        pid = os.fork()
        if pid == 0:
            run_adopted_guard(attempt, theirs, pump, [self.link, *(c.connection for c in self.clients.values())])
        theirs.close()
        self.guard_child = pid
        self.link.setblocking(False)
        self.link_data = b""
        self.kill_again_s = 0.0
        self.poll.register(self.link, select.POLLIN)
        for client in list(self.clients.values()):
            client.send(frame_json(STATUS, self.status()))
            self.settle(client)

    def look_for_supervisor(self) -> None:
        """Have a dead supervisor started again; give it up after a few tries."""
        self.look_for_supervisor_s = None
        wanted = self.attempt.config.get("respawn")
        if not wanted or lives(wanted) or has_ended(self.attempt.leader_fd):
            return
        self.tell_guard(b"R")
        if self.respawns < len(RESPAWN_RETRY_S):
            self.look_for_supervisor_s = time.monotonic() + RESPAWN_RETRY_S[self.respawns]
            self.respawns += 1

    def finish(self, summary: dict[str, Any]) -> NoReturn:
        """Drain, write the last record, tell everybody, and go."""
        attempt = self.attempt
        conclude(attempt, summary)
        value = {"exit": attempt.read("exit.json"), "done": attempt.read("done.json")}
        for client in self.clients.values():
            if client.role:
                client.send(frame_json(EXIT, value))
        deadline = time.monotonic() + 0.2
        while any(c.out and not c.closed for c in self.clients.values()) and time.monotonic() < deadline:
            time.sleep(0.005)
            for client in self.clients.values():
                client.flush()
        self.leave_no_queue_behind()
        os._exit(0)

    def leave_no_queue_behind(self) -> None:
        """Start a supervisor where the last one died unnoticed: nobody may be left to do it, and jobs may be queued."""
        wanted = self.attempt.config.get("respawn")
        if self.look_for_supervisor_s is None or not wanted or not os.path.exists(wanted["lock"]):
            return
        if not lives(wanted) and os.fork() == 0:
            exec_supervisor(wanted)


def run_pump(attempt: Attempt, link: socket.socket) -> NoReturn:
    """Be the pump, in a fork of the guard."""
    try:
        SYSTEM.rename_process("logist-pump")
        keep = [attempt.dir_fd, attempt.out_fd, attempt.err_fd, attempt.master, attempt.input_fd, attempt.leader_fd]
        # What is the guard's: the lock, the gate, the slave (the terminal's end must be visible), the wake pipe.
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGCHLD else signal.SIG_IGN)
        assert attempt.listener is not None
        sockets = [attempt.listener.fileno(), link.fileno()]
        if attempt.exec_socket is not None:
            sockets.append(attempt.exec_socket.fileno())
        SYSTEM.close_all_but([*keep, *sockets])
        attempt.slave = attempt.lock_fd = -1
        attempt.parent = False
        pump_lock = lock_file(attempt.dir_fd, "pump.lock", LOCK_WAIT_S)
        attempt.pump_lock_fd = -1 if pump_lock is None else pump_lock
        Pump(attempt, link).run()
    except BaseException as error:  # noqa: BLE001 - the guard starts another; this one must not go on as a guard
        attempt.log(f"pump: {type(error).__name__}: {error}")
    finally:
        os._exit(1)


# --- Taking over -----------------------------------------------------------------------------------------------------


def run_adopted_guard(attempt: Attempt, link: socket.socket, pump: int, close: list[socket.socket]) -> NoReturn:
    """Be the guard, in a fork of the pump, after the last one died."""
    try:
        SYSTEM.rename_process("logist-keeper")
        for each in close:
            each.close()
        if attempt.pump_lock_fd >= 0:
            os.close(attempt.pump_lock_fd)  # a lock is shared by fork: ours would make a dead pump look alive
            attempt.pump_lock_fd = -1
        fd = SYSTEM.open_process(pump)
        if os.getppid() != pump:
            os._exit(1)  # the pump died meanwhile, and the descriptor may be a stranger's: `probe` finds the attempt
        guard = Guard(attempt)
        guard.link, guard.pump_pid, guard.pump_fd = link, pump, fd
        link.setblocking(True)
        if not attempt.take_lock():
            os._exit(EX_TEMPFAIL)
        attempt.write_shim()
        attempt.log("the keeper died: a new guard took over")
        guard.run()
    except BaseException as error:  # noqa: BLE001 - the pump forks another
        attempt.log(f"guard: {type(error).__name__}: {error}")
    finally:
        os._exit(1)


def adopt(config: dict[str, Any], control: socket.socket) -> NoReturn:
    """Be the guard of an attempt whose guard and pump are both dead; started by `Runtime.probe`.

    Everything comes from the attempt's records, so a version of Logist can adopt what another one started.
    """
    attempt = Attempt(config)
    if not attempt.take_lock(0.2) or is_locked(attempt.dir_fd, "pump.lock"):
        raise StartError("busy", "the attempt has a guard or a pump")
    child = attempt.read("child.json")
    if child is None or child.get("void") or child.get("nonce") != attempt.nonce:
        raise StartError("void", "the attempt never ran")
    attempt.origin = "adopter"
    attempt.pid, attempt.start = int(child["pid"]), str(child["start"])
    attempt.cgroup = child.get("cgroup")
    attempt.open_logs()
    fd = open_verified(attempt.pid, attempt.start, zombie=True)
    attempt.pty = False  # its terminal died with guard and pump
    if fd is None:
        survivors = [] if attempt.linger else attempt.tree().end(REST_GRACE_S, lambda: None)
        conclude(attempt, {"survivors": survivors, "known": attempt.read("exit.json") is not None})
        attempt.release()
        report(control, {"ok": True, "ended": True})
        os._exit(0)
    attempt.leader_fd = fd
    attempt.listen()
    attempt.write_shim()
    guard = Guard(attempt)
    guard.start_pump()
    attempt.log("guard and pump were dead: adopted the attempt")
    report(control, {"ok": True})
    guard.run()


# --- Entry -----------------------------------------------------------------------------------------------------------

#: What a keeper says first, and what of the talk with its launcher it knows. Nothing secret is sent before.
GREETING = b"logist keeper 1\n"
_MAX_FILES = 2  # the program, and its input


def read_order(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return the configuration and the files in memory that come with it.

    Raises:
        EOFError: The launcher died before it had said everything, or has given this keeper up.
    """
    data, files = receive(control, 65536)
    try:
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            piece = control.recv(1 << 20)
            if not piece:
                raise EOFError
            data += piece
    except (OSError, EOFError):
        for fd in files:
            os.close(fd)
        raise EOFError from None
    return json.loads(data[4:]), files


def receive(connection: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Return bytes, and the descriptors that came with them."""
    space = socket.CMSG_SPACE(4 * _MAX_FILES)
    data, ancillary, _, _ = connection.recvmsg(size, space, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    files: list[int] = []
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files += struct.unpack(f"={len(payload) // 4}i", payload[: len(payload) // 4 * 4])
    return data, files


def take_order(control: socket.socket, umask: int) -> NoReturn:
    """Be a new process around an attempt: greet the launcher, hear what to be, and be it."""
    try:
        SYSTEM.rename_process("logist-keeper")
        try:
            control.sendall(GREETING)
            config, files = read_order(control)
        except (OSError, EOFError):
            os._exit(0)
        config.setdefault("umask", umask)
        try:
            if config["role"] == "adopter":
                adopt(config, control)
            start_attempt(config, files, control)
        except StartError as error:
            report(control, {"kind": error.kind, "error": str(error)})
        except Exception as error:  # noqa: BLE001 - said to whoever waits for us
            report(control, {"kind": "system", "error": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(1)


def serve(link: socket.socket, idle_s: float) -> NoReturn:
    """Fork a keeper for each message, which brings the launcher's socket and the attempt's `shim.err`.

    A keeper that comes from here is ready in a tenth of the time, and shares most of its memory with its siblings.
    The server knows nothing of attempts and holds nothing of them: its death, at any instant, costs none anything. It
    leaves with its launcher, and when nothing was asked of it for `idle_s` seconds.
    """
    SYSTEM.rename_process("logist-server")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers, neither we nor init after us
    libc()
    gc.collect()
    gc.freeze()  # what is here now stays in shared pages: no collection ever touches it
    while wait_readable(link.fileno(), idle_s):
        data, files = receive(link, 16)
        if not data:
            break
        if len(files) == 2 and os.fork() == 0:
            try:
                os.setsid()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                link.close()
                os.dup2(files[1], 2)
                os.close(files[1])
                take_order(socket.socket(fileno=files[0]), 0o077)
            finally:
                os._exit(1)
        for fd in files:
            os.close(fd)
    os._exit(0)


def main(arguments: list[str]) -> NoReturn:
    """Detach, and be a keeper (`FD`, the launcher's socket) or a server of keepers (`--serve SECONDS FD`)."""
    try:
        if os.fork():
            os._exit(0)  # the launcher reaps this one, and nobody has to reap the keeper
        os.setsid()
        SYSTEM.conceal(True)
        umask = os.umask(0o077)
        control = socket.socket(fileno=int(arguments[-1]))
        control.set_inheritable(False)
        if arguments[1] == "--serve":
            serve(control, float(arguments[2]))
        take_order(control, umask)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv)
