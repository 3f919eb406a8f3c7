"""Runs inside of a process under attack: makes each of its system operations a place to die, to stop or to fail at.

Nothing of Logist knows of this. The process is started through a wrapper that replaces functions of `os`, `fcntl`
and `socket` before the real program runs; without the wrapper there is nothing to switch off. A *point* is an operation
and what it works on, as in `link child.json`: "before link child.json" is "after" whatever came before it.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import fcntl
import os
import re
import signal
import socket
import sys
import time
from importlib.machinery import SourceFileLoader

#: Names of `os` that are points: with the position of the argument that says what they work on.
OPERATIONS = {
    "open": 0,
    "write": 0,
    "fsync": 0,
    "fdatasync": 0,
    "rename": 1,
    "replace": 1,
    "link": 1,
    "unlink": 0,
    "mkdir": 0,
    "rmdir": 0,
    "fork": None,
    "setsid": None,
    "pipe": None,
    "openpty": None,
    "memfd_create": 0,
    "pidfd_open": None,
    "waitpid": None,
    "waitid": None,
    "_exit": None,
}
SOCKET_OPERATIONS = ("bind", "listen", "sendall")
_TEMPORARY = re.compile(r"^\.(.+?\.json)\..*$|^(.+?)\.[0-9a-z_-]{6,}\.tmp$")

_open, _write, _close, _kill, _getpid = os.open, os.write, os.close, os.kill, os.getpid


class Faults:
    """One plan, carried out once: in the first process of its role that comes to its operation.

    The plan's keys: `directory` (for traces), `role`, `at` (the n-th operation) or `point` (by name), `kinds` (which
    operations count; empty: all), `action` (`kill`, `stop`, `fail`), `errno`, `persist_s` (fail again for so long).
    """

    def __init__(self, plan: dict[str, object], role: str = "") -> None:
        self.plan, self.role, self.count = plan, role, 0
        self.quiet: set[int] = set()  # threads that are at our own work

    def become(self, role: str) -> None:
        """Be a process of another role from here on, and leave its pid for whoever wants to kill it."""
        self.role, self.count = role, 0
        self._note("roles", f"{role} {_getpid()}\n")

    def _note(self, name: str, text: str, flags: int = os.O_APPEND) -> bool:
        try:
            fd = _open(f"{self.plan['directory']}/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
        except OSError:
            return False
        try:
            _write(fd, text.encode(errors="replace"))
        finally:
            _close(fd)
        return True

    def before(self, kind: str, subject: object) -> None:
        """Come to an operation.

        Raises:
            OSError: The plan says that it fails here.
        """
        plan = self.plan
        me = _thread.get_ident()
        if me in self.quiet or self.role != plan["role"] or (plan["kinds"] and kind not in plan["kinds"]):
            return
        name = _name(subject)
        if name.startswith("/proc") or name in ("roles", "trace", "fired"):
            return
        self.count += 1
        point = f"{kind} {name}".strip()
        self.quiet.add(me)
        try:
            self._note("trace", f"{self.role} {_getpid()} {self.count} {point}\n")
            if self.count == plan["at"] or point == plan["point"]:
                until = time.monotonic() + float(str(plan["persist_s"]))
                if self._note("fired", f"{until} {point}\n", os.O_EXCL):
                    self._act(until)
            if plan["action"] == "fail" and plan["persist_s"]:
                self._go_on_failing(kind)
        finally:
            self.quiet.discard(me)

    def _act(self, until: float) -> None:
        action, number = self.plan["action"], int(str(self.plan["errno"]))
        if action == "kill":
            _kill(_getpid(), signal.SIGKILL)
        elif action == "stop":
            _kill(_getpid(), signal.SIGSTOP)
        elif number == errno.EINTR:
            # Python repeats an interrupted call by itself: what is left of EINTR is the signal that caused it.
            _kill(_getpid(), signal.SIGCHLD)
        else:
            raise OSError(number, os.strerror(number))

    def _go_on_failing(self, kind: str) -> None:
        number = int(str(self.plan["errno"]))
        try:
            with open(f"{self.plan['directory']}/fired", encoding="utf-8") as file:
                until, point = file.readline().split(" ", 1)
        except (OSError, ValueError):
            return
        if point.split()[0] == kind and time.monotonic() < float(until):
            if number == errno.EINTR:
                _kill(_getpid(), signal.SIGCHLD)
            else:
                raise OSError(number, os.strerror(number))

    def install(self) -> None:
        """Replace the functions."""
        for kind, position in OPERATIONS.items():
            if hasattr(os, kind):
                setattr(os, kind, self._wrapped(kind, getattr(os, kind), position))
        fcntl.flock = self._wrapped("flock", fcntl.flock, 0)
        for kind in SOCKET_OPERATIONS:
            setattr(socket.socket, kind, self._wrapped(kind, getattr(socket.socket, kind), None))

    def _wrapped(self, kind: str, original: object, position: int | None) -> object:
        def operation(*args: object, **kwargs: object) -> object:
            self.before(kind, args[position] if position is not None and len(args) > position else "")
            return original(*args, **kwargs)  # type: ignore[operator]

        return operation


def _name(subject: object) -> str:
    if isinstance(subject, int):
        with contextlib.suppress(OSError):
            subject = os.readlink(f"/proc/self/fd/{subject}")
    text = os.fsdecode(subject) if isinstance(subject, str | bytes | os.PathLike) else ""
    if text.startswith("/proc"):
        return text
    for prefix in ("socket:", "pipe:", "/memfd:"):
        if text.startswith(prefix):
            return prefix.strip("/:")
    name = os.path.basename(text.rstrip("/").removesuffix(" (deleted)"))
    if name.startswith("env-"):
        return "env"  # a job's in the vault
    found = _TEMPORARY.match(name)
    return f"{found[1] or found[2]}~" if found else name


def run_keeper(plan: dict[str, object], arguments: list[str]) -> None:
    """Be `keeper.py` (the first of `arguments`), with a plan."""
    program = arguments[0]
    code = SourceFileLoader("keeper", program).get_code("keeper")
    names: dict[str, object] = {"__name__": "keeper", "__file__": program}
    exec(code, names)  # type: ignore[arg-type]
    faults = Faults(plan, "door")
    roles = {"start_attempt": "keeper", "run_pump": "pump", "run_adopted_guard": "guard", "adopt": "adopter"}
    for function, role in {**roles, "run_child": "child"}.items():
        names[function] = _entering(faults, role, names[function])
    faults.install()
    if plan.get("record"):
        import recorder

        recorder.install(plan)
    names["main"](arguments)  # type: ignore[operator]


def _entering(faults: Faults, role: str, function: object) -> object:
    def enter(*args: object, **kwargs: object) -> object:
        faults.become(role)
        return function(*args, **kwargs)  # type: ignore[operator]

    return enter


def wrapper_text(plan: dict[str, object]) -> str:
    """Return the text of a wrapper, for LOGIST_HOST_KEEPER_WRAPPER, that runs keepers with this plan."""
    return (
        f"import sys\nsys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
        f"import faulty\nfaulty.run_keeper({plan!r}, sys.argv[1:])\n"
    )


if sys.platform == "darwin":  # pragma: no cover
    raise ImportError("the points are those of Linux")
