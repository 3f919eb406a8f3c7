"""Gets keepers: forked from a server of this process where that works, otherwise by executing `keeper.py`.

Invariant: nothing is said to a keeper before it has greeted us, so whoever gives up waiting for that knows that nothing
was started, and may try another way.

The server belongs to the process that starts attempts, at the other end of a socket that nobody else has: there is no
name under which it could be found, nothing of another version or another user to be mistaken for it, and it leaves when
we are gone. What a program inherits from whoever starts it (limits, namespaces, cgroups, priority ...) it inherits
through the server as well: where ours isn't any more what it was when the server was started, there is a new server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time

from logist_core.api import RuntimeUnavailable
from logist_runtime_host import keeper

#: For developers of Logist: a script to run in the place of a bare `keeper.py`, which gets `keeper.py`'s path and
#: its arguments. It exists so that coverage can be measured in keepers; see the README. There is no server then.
WRAPPER_VARIABLE = "LOGIST_HOST_KEEPER_WRAPPER"

#: What a keeper inherits of the environment: only what the interpreter itself may need to start.
_KEEPER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "TZ")
_WRAPPER_VARIABLES = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")

#: A server that is asked for nothing leaves after so many seconds.
SERVER_IDLE_S = 60.0
#: How long a server may take to fork a keeper, seconds: far beyond what it needs on a machine that is in trouble.
_SERVED_WITHIN_S = 5.0
_DOOR_WITHIN_S = 2.0


def new_keeper(log_fd: int, timeout_s: float, *, serve: bool) -> socket.socket | None:
    """Return a socket to a new keeper that has greeted us; None where it died before it could.

    Args:
        log_fd: Becomes its standard error.
        timeout_s: How long to wait.
        serve: Whether a server is to be started where there is none: it pays from the second keeper on.

    Raises:
        RuntimeUnavailable: No process could be started.
        TimeoutError: It didn't greet us in time.
    """
    deadline = time.monotonic() + timeout_s
    if not os.environ.get(WRAPPER_VARIABLE) and sys.platform == "linux":
        # A server may have left a moment ago, as idle ones do; one that is new and fails is a reason to do without.
        is_new = False
        while not is_new:
            server, is_new = _SERVERS.current(start=serve)
            if server is None:
                break
            limit_s = min(_SERVED_WITHIN_S, (deadline - time.monotonic()) / 2)
            if (control := server.keeper(log_fd, limit_s)) is not None:
                return control
            _SERVERS.let_go(server)
    control, door = _execute([], log_fd)
    try:
        return _greeted(control, deadline - time.monotonic())
    finally:
        _close_door(door)


class _Server:
    """A fork server of ours; see `keeper.serve`."""

    def __init__(self, context: object) -> None:
        """Start one.

        Raises:
            RuntimeUnavailable: That failed.
        """
        self.context = context
        self._link, self._door = _execute(["--serve", str(SERVER_IDLE_S)], subprocess.DEVNULL)

    def keeper(self, log_fd: int, timeout_s: float) -> socket.socket | None:
        """Return a socket to a keeper that has greeted us, None if none does."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                # Nothing is ever read here, and one who doesn't take messages has no room for more at some time.
                socket.send_fds(self._link, [b"keeper"], [theirs.fileno(), log_fd], socket.MSG_DONTWAIT)
            return _greeted(ours, timeout_s)
        except OSError:  # TimeoutError, too
            ours.close()
            return None
        finally:
            _close_door(self._door)

    def close(self) -> None:
        """Have it leave."""
        self._link.close()


class _Servers:
    """The server that this process has now, if any."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.server: _Server | None = None

    def current(self, *, start: bool) -> tuple[_Server | None, bool]:
        """Return the server, and whether it is new: one that wouldn't give what an execution gives is replaced."""
        with self.lock:
            context = inherited()
            if self.server is not None and self.server.context == context:
                return self.server, False
            self._close()
            if start:
                with contextlib.suppress(RuntimeUnavailable):
                    self.server = _Server(context)
            return self.server, True

    def let_go(self, server: _Server | None = None) -> None:
        """Forget `server`, or whichever there is. At the end of its socket it leaves, if it hasn't yet."""
        with self.lock:
            if server is None or self.server is server:
                self._close()

    def begin_anew(self) -> None:
        """Be without a server, in a fork of the process that has one: it must see the death of that process."""
        self.lock = threading.Lock()  # the old one may be held by a thread that isn't here
        self._close()

    def _close(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None


def forget_server() -> None:
    """Let this process's server go, if there is one. The next start has another."""
    _SERVERS.let_go()


_SERVERS = _Servers()
os.register_at_fork(after_in_child=_SERVERS.begin_anew)


def inherited() -> object:
    """Return all that a program gets from the process that starts it, but for files and the umask; to be compared."""
    limits = []
    for number in range(resource.RLIM_NLIMITS if hasattr(resource, "RLIM_NLIMITS") else 16):
        with contextlib.suppress(ValueError, OSError):
            limits.append(resource.getrlimit(number))
    places = []
    # A thread may have namespaces and cgroups of its own.
    for name in ("ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid_for_children", "ns/time_for_children", "ns/user"):
        with contextlib.suppress(OSError):
            places.append(os.readlink(f"/proc/thread-self/{name}"))
    for name in ("cgroup", "oom_score_adj"):
        with contextlib.suppress(OSError), open(f"/proc/thread-self/{name}", "rb") as file:
            places.append(file.read().decode(errors="replace"))
    users = (*os.getresuid(), *os.getresgid(), *sorted(os.getgroups()))
    scheduling = (os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)), os.sched_getscheduler(0))
    return (limits, places, users, scheduling, _keeper_environment(), sys.executable)


def _execute(arguments: list[str], log: int) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Execute `keeper.py`, which forks at once: return a socket to it, and the door, which is all that we have to reap.

    Raises:
        RuntimeUnavailable: No process could be started.
    """
    kind = socket.SOCK_SEQPACKET if arguments else socket.SOCK_STREAM
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    try:
        with theirs:
            door = subprocess.Popen(
                [*_interpreter(), *arguments, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env=_keeper_environment(),
                pass_fds=[theirs.fileno()],
            )
    except OSError as error:
        ours.close()
        raise RuntimeUnavailable(f"can't start a keeper: {error.strerror}") from error
    return ours, door


def _close_door(door: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        door.wait(_DOOR_WITHIN_S)


def _greeted(control: socket.socket, timeout_s: float) -> socket.socket | None:
    """Return `control` once the keeper at its other end has greeted us; None, and close it, if it died.

    Raises:
        TimeoutError: It did neither.
    """
    try:
        deadline = time.monotonic() + timeout_s
        heard = b""
        while len(heard) < len(keeper.GREETING):
            control.settimeout(max(0.01, deadline - time.monotonic()))
            piece = control.recv(len(keeper.GREETING) - len(heard))
            if not piece:
                break
            heard += piece
    except ConnectionError:
        heard = b""
    except BaseException:
        control.close()
        raise
    if heard == keeper.GREETING:
        return control
    control.close()
    if heard:
        raise RuntimeUnavailable(
            "the keeper is of another version than this process", hint="restart it: logist supervise --stop"
        )
    return None


def _interpreter() -> list[str]:
    wrapper = os.environ.get(WRAPPER_VARIABLE)
    if wrapper:
        return [sys.executable, wrapper, keeper.__file__]
    return [sys.executable, "-I", "-S", "-E", "-X", "utf8", _program()]


def _keeper_environment() -> dict[str, str]:
    names = _KEEPER_VARIABLES + (_WRAPPER_VARIABLES if os.environ.get(WRAPPER_VARIABLE) else ())
    return {name: os.environ[name] for name in names if name in os.environ}


def _program() -> str:
    """Return `keeper.py`, or its bytecode where that is current: compiling it anew would double the start."""
    cached = str(keeper.__spec__.cached if keeper.__spec__ else "")
    with contextlib.suppress(OSError, TypeError, ValueError):
        source = os.stat(keeper.__file__)
        with open(cached, "rb") as file:
            header = file.read(16)
        stamp = struct.pack("<III", 0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
        if header == importlib.util.MAGIC_NUMBER + stamp:
            return cached
    return keeper.__file__
