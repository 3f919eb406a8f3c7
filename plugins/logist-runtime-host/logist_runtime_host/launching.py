"""Starts attempts and finds them again. Invariant: at most one gate is ever opened for a key.

Who decides is the file system: `child.json` is made by `link`, either by a keeper that is about to open the gate or,
void, by `find`. All that a launcher does before can be repeated, by any number of processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from logist_core.api import (
    AttemptKey,
    LaunchError,
    LaunchSpec,
    LogistError,
    RuntimeHandle,
    RuntimeUnavailable,
    StartContext,
    Stdin,
)
from logist_runtime_host import keeper
from logist_runtime_host.files import AttemptFiles, handle_of
from logist_runtime_host.places import nonce_hash, socket_path
from logist_runtime_host.serving import new_keeper

#: No start below so many free bytes, or 1 % of the disk where that is less; and never below what the records need.
LOW_WATER_BYTES = 512 << 20
LEAST_FREE_BYTES = 256 << 10
LOW_WATER_INODES = 1024
LEAST_INODES = 32


def start(
    launch: LaunchSpec,
    key: AttemptKey,
    context: StartContext,
    *,
    cgroup: bool | str,
    kernel_exit_info: bool,
    min_free_bytes: int | None = None,
    timeout_s: float,
) -> RuntimeHandle:
    """Start the attempt, or return the handle of what was started for this key before; see `Runtime.start`."""
    _check(launch)
    deadline = time.monotonic() + timeout_s
    try:
        files = AttemptFiles(context.directory)
    except OSError as error:
        kind = RuntimeUnavailable if error.errno in keeper.SHORTAGE else LaunchError
        raise kind(f"attempt directory {context.directory}: {error.strerror}") from error
    with files, _launch_lock(files, timeout_s):
        if files.read("child.json") is None:
            if files.read("launch.json") is None:
                check_space(files, min_free_bytes)
            path = socket_path(key.nonce)
            record = {
                "schema": keeper.SCHEMA,
                "nonce": key.nonce,
                "job_id": key.job_id,
                "attempt": key.attempt,
                "at": time.time(),
                "launcher": os.getpid(),
                "socket": path,
                "pty": launch.pty,
                "stdin": launch.stdin.value,
                "linger": context.linger,
                "max_log_bytes": context.max_log_bytes,
                "cgroup": cgroup,
                "kernel_exit_info": kernel_exit_info,
                "respawn": _respawn(context),
                **_here(),
            }
            try:
                keeper.write_record(files.dir_fd, "launch.json", record, durable=False, replace=False)
            except OSError as error:
                raise RuntimeUnavailable(f"{context.directory}/launch.json: {error.strerror}") from error
            _must_be_ours(files, key)
            config = {
                **record,
                "role": "keeper",
                "directory": _text(context.directory),
                "nonce_hash": nonce_hash(key.nonce),
                "umask": _umask(),
                "cols": launch.cols,
                "rows": launch.rows,
                "secrets": _secrets(launch, context.environment),
            }
            program = {
                "argv": [_text(word) for word in launch.argv],
                "cwd": _text(launch.cwd),
                "env": _environment(launch, key, context.environment),
            }
            in_memory = [json.dumps(program).encode(), *([launch.stdin_data] if launch.stdin is Stdin.DATA else [])]
            answer = spawn(config, in_memory, _shim_log(files), deadline - time.monotonic(), serve=True)
            if answer.get("kind") != "busy":
                return _judge(answer, files, key, context.directory)
        _must_be_ours(files, key)
        return _await_other(files, key, context.directory, deadline)


def find(key: AttemptKey, directory: str, *, timeout_s: float) -> RuntimeHandle | None:
    """Return the handle of what was begun for `key`, or make sure that it never will be; see `Runtime.find`."""
    try:
        files = AttemptFiles(directory)
    except FileNotFoundError:
        return None  # `start` refuses a directory that doesn't exist
    except OSError as error:
        raise RuntimeUnavailable(f"attempt directory {directory}: {error.strerror}") from error
    with files, _launch_lock(files, timeout_s):
        launch = files.read("launch.json")
        if launch is not None and launch.get("nonce") != key.nonce:
            return None  # another attempt's; `start` refuses as well
        void = {"schema": keeper.SCHEMA, "nonce": key.nonce, "void": True, "at": time.time(), **_here()}
        try:
            if keeper.write_record(files.dir_fd, "child.json", void, durable=True, replace=False):
                # A living keeper tidies up itself. A dead one's lock may look held while its child is at its start.
                guard = keeper.lock_file(files.dir_fd, "shim.lock", 0.5)
                if guard is not None:
                    remove_outside(files, key.nonce)
                    os.close(guard)
                return None
        except OSError as error:
            raise RuntimeUnavailable(f"{directory}/child.json: {error.strerror}") from error
        return handle_of(key, directory) if files.child(key.nonce) else None


def spawn(
    config: Mapping[str, Any], in_memory: Sequence[bytes], log_fd: int, timeout_s: float, *, serve: bool
) -> dict[str, Any]:
    """Start a keeper with this configuration and return its answer; {} where it died without one.

    What is secret is in `in_memory`: files without a name, whose descriptors go over a socket that only the two of us
    have. Closes `log_fd`.

    Raises:
        RuntimeUnavailable: No process could be started.
        LogistError: It neither answered nor died in time.
    """
    deadline = time.monotonic() + max(0.1, timeout_s)
    files: list[int] = []
    try:
        try:
            for data in in_memory:
                files.append(keeper.SYSTEM.memory_file(data))
            control = new_keeper(log_fd, deadline - time.monotonic(), serve=serve)
        except TimeoutError:
            raise
        except OSError as error:
            raise RuntimeUnavailable(f"can't start a keeper: {error.strerror}") from error
        if control is None:
            return {}
        with control:
            control.settimeout(max(0.1, deadline - time.monotonic()))
            order = json.dumps(config).encode()
            order = len(order).to_bytes(4, "big") + order
            sent = socket.send_fds(control, [order], files) if files else 0
            control.sendall(order[sent:])
            answer = b""
            while not answer.endswith(b"\n") and (piece := control.recv(65536)):
                answer += piece
    except TimeoutError as error:
        raise LogistError(f"the keeper didn't answer within {timeout_s:.0f} s") from error
    except ConnectionError:
        answer = b""  # it died
    finally:
        for fd in (log_fd, *files):
            os.close(fd)
    return keeper.json_object(answer)


def check_space(files: AttemptFiles, min_free_bytes: int | None) -> None:
    """Refuse a start on a disk that is about to be full: a job that can't write its output is no use to anybody.

    Args:
        files: The attempt's.
        min_free_bytes: What must be free; None: `LOW_WATER_BYTES`, or 1 % of a disk where that is less.

    Raises:
        RuntimeUnavailable: Too few bytes or inodes are free.
    """
    found = os.fstatvfs(files.dir_fd)
    wanted = min_free_bytes
    if wanted is None:
        wanted = max(LEAST_FREE_BYTES, min(LOW_WATER_BYTES, found.f_blocks * found.f_frsize // 100))
    free = found.f_bavail * found.f_frsize
    # Some file systems count neither blocks nor inodes; they say 0.
    if found.f_blocks and free < wanted:
        text = f"the disk is nearly full: {_mib(free)} free at {files.directory}, {_mib(wanted)} wanted"
        raise RuntimeUnavailable(text, hint="free some space (logist rm), or lower runtimes.host.min_free")
    if wanted and found.f_files and found.f_favail < min(LOW_WATER_INODES, max(LEAST_INODES, found.f_files // 100)):
        text = f"the disk has only {found.f_favail} inodes left at {files.directory}"
        raise RuntimeUnavailable(text, hint="remove files (logist rm), or set runtimes.host.min_free to 0")


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def adopt(files: AttemptFiles, launch: Mapping[str, Any], *, timeout_s: float = 10.0) -> dict[str, Any]:
    """Start an adopter for an attempt whose guard and pump are dead; return its answer."""
    config = {
        **launch,
        "role": "adopter",
        "directory": _text(files.directory),
        "nonce_hash": nonce_hash(str(launch["nonce"])),
    }
    return spawn(config, [], _shim_log(files), timeout_s, serve=False)


def remove_outside(files: AttemptFiles, nonce: str) -> None:
    """Remove what an attempt that nobody guards any more may have left: socket, cgroup, reserve."""
    with contextlib.suppress(OSError, LogistError):
        path = socket_path(nonce)
        recorded = (files.read("shim.json") or {}).get("socket")
        if isinstance(recorded, str) and os.path.basename(recorded) == os.path.basename(path):
            path = recorded  # made under another XDG_RUNTIME_DIR
        keeper.remove_cgroup((files.child(nonce) or {}).get("cgroup"))
        # A child that waited at the gate may be just about to end.
        for root in (keeper.cgroup_root(), keeper.freezer_root()):
            keeper.remove_cgroup(os.path.join(root, keeper.cgroup_name(path)) if root else None, wait_s=0.5)
        os.unlink(path)
    for name in keeper.RESERVES:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=files.dir_fd)


def _check(launch: LaunchSpec) -> None:
    if not launch.argv or not launch.argv[0]:
        raise LaunchError("no program to run")
    for what, text in (("argument", "".join(launch.argv)), ("working directory", launch.cwd)):
        if "\0" in text:
            raise LaunchError(f"{what} with a NUL character", hint="remove it")
    if not os.path.isabs(launch.cwd):
        raise LaunchError(f"working directory {launch.cwd!r} is not absolute")


def _environment(launch: LaunchSpec, key: AttemptKey, environment: Mapping[str, str]) -> dict[str, str]:
    env = {_text(name): _text(value) for name, value in environment.items()}
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            raise LaunchError(f"environment variable {name!r} can't be passed on")
    if launch.pty and env.get("TERM", "dumb") in ("", "dumb"):
        env["TERM"] = "xterm-256color"
    if "PWD" in env:
        env["PWD"] = _text(launch.cwd)
    return {**env, "LOGIST_JOB": key.job_id, "LOGIST_ATTEMPT": str(key.attempt), "LOGIST_NONCE": key.nonce}


def _secrets(launch: LaunchSpec, environment: Mapping[str, str]) -> list[str]:
    """Return the values that the pump has to mask: without a terminal nothing passes through it."""
    return [_text(environment[name]) for name in launch.secrets if name in environment] if launch.pty else []


def _here() -> dict[str, str]:
    try:
        return keeper.identity()
    except OSError as error:
        raise RuntimeUnavailable(f"can't tell which machine this is: {error.strerror}") from error


def _umask() -> int:
    """Return this process's umask. To set it and to set it back, as is usual, would disturb other threads."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    value = os.umask(0o077)
    os.umask(value)
    return value


def _text(value: str) -> str:
    """Return `value` so that the keeper, which runs in UTF-8, gets the very bytes that this process means."""
    return os.fsencode(value).decode("utf-8", "surrogateescape")


def _respawn(context: StartContext) -> dict[str, Any] | None:
    if context.respawn is None:
        return None
    wanted = context.respawn
    return {"argv": list(wanted.argv), "env": dict(wanted.env), "lock": wanted.lock}


def _shim_log(files: AttemptFiles) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open("shim.err", flags, 0o600, dir_fd=files.dir_fd)
    except OSError as error:
        raise RuntimeUnavailable(f"{files.directory}/shim.err: {error.strerror}") from error


@contextlib.contextmanager
def _launch_lock(files: AttemptFiles, timeout_s: float) -> Iterator[None]:
    try:
        fd = keeper.lock_file(files.dir_fd, "launch.lock", timeout_s)
    except OSError as error:
        raise RuntimeUnavailable(f"{files.directory}/launch.lock: {error.strerror}") from error
    if fd is None:
        raise LogistError(f"{files.directory}: another process has been starting this attempt for {timeout_s:.0f} s")
    try:
        yield
    finally:
        os.close(fd)


def _must_be_ours(files: AttemptFiles, key: AttemptKey) -> None:
    if files.launch(key.nonce) is None:
        raise LaunchError(f"{files.directory} belongs to another attempt than {key}")


def _judge(answer: Mapping[str, Any], files: AttemptFiles, key: AttemptKey, directory: str) -> RuntimeHandle:
    if answer.get("ok"):
        return handle_of(key, directory)
    text = str(answer.get("error") or "the keeper died before it could say why")
    if answer.get("kind") == "exec" or answer.get("kind") == "void":
        raise LaunchError(text)
    status = files.exit_status()
    if status is not None and status.exec_error:
        raise LaunchError(status.exec_error)
    if files.child(key.nonce) is not None:
        return handle_of(key, directory)  # it died after it had opened the gate: the pump goes on
    # Its end of the socket is closed, so the keeper is dead or about to exit; nothing else can open this gate.
    raise RuntimeUnavailable(f"the attempt could not be started: {text}", hint=f"see {directory}/shim.err")


def _await_other(files: AttemptFiles, key: AttemptKey, directory: str, deadline: float) -> RuntimeHandle:
    """Return the handle of an attempt that an earlier call, perhaps of a process that is dead, has started."""
    while True:
        child = files.read("child.json")
        if child is not None and child.get("void"):
            raise LaunchError("this attempt was given up before it ran", hint="start a new attempt")
        status = files.exit_status()
        if status is not None and status.exec_error:
            raise LaunchError(status.exec_error)
        if child is not None:
            return handle_of(key, directory)
        if not files.is_held("shim.lock"):
            raise RuntimeUnavailable("an earlier keeper of this attempt died before the program was started")
        if time.monotonic() >= deadline:
            raise LogistError("an earlier keeper of this attempt has not started the program in time")
        time.sleep(0.01)
