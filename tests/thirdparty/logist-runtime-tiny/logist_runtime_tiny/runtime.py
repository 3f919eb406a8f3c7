"""The runtime. All state of an attempt is in `tiny/` of its directory:

`key` (who may start: written once), `lock` (held by the keeper for as long as it lives), `pid` (the agent's),
`exit` (how it ended), `stop` (the ladder somebody asked for).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from logist_core.api import (
    AttachChannel,
    AttemptKey,
    ExitStatus,
    Health,
    LaunchError,
    LaunchSpec,
    Probe,
    ProbeState,
    RuntimeCaps,
    RuntimeHandle,
    RuntimeUnavailable,
    StartContext,
    Stdin,
    StopLadder,
    Unsupported,
    Vitals,
    Watch,
)

VOID = "void"


class TinyRuntime:
    caps = RuntimeCaps()

    def health(self) -> Health:
        return Health(ok=True, detail="forks")

    def start(self, launch: LaunchSpec, key: AttemptKey, context: StartContext) -> RuntimeHandle:
        if launch.pty or launch.stdin is Stdin.OPEN:
            raise RuntimeUnavailable("the runtime tiny has neither terminals nor open inputs", hint="-r host")
        place = Path(context.directory, "tiny")
        place.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # it runs, or somebody is starting it
            os.close(lock)
            return _handle(key, context.directory)
        try:
            owner = _claim(place, key.nonce)
            if owner == VOID:
                raise LaunchError("a recovery has already found that this attempt never ran")
            if (place / "pid").exists() or (place / "exit").exists():
                return _handle(key, context.directory)
            self._spawn(launch, key, context, lock)
            return _handle(key, context.directory)
        finally:
            os.close(lock)  # the keeper has inherited it, and with it the lock

    def _spawn(self, launch: LaunchSpec, key: AttemptKey, context: StartContext, lock: int) -> None:
        marks = {"LOGIST_JOB": key.job_id, "LOGIST_ATTEMPT": str(key.attempt), "LOGIST_NONCE": key.nonce}
        order = {
            "argv": launch.argv,
            "cwd": launch.cwd,
            "env": {**context.environment, **marks},
            "stdin": base64.b64encode(launch.stdin_data).decode() if launch.stdin is Stdin.DATA else None,
            "directory": context.directory,
            "linger": context.linger,
        }
        keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), str(lock)]
        with subprocess.Popen(keeper, stdin=-1, stdout=-1, pass_fds=[lock], start_new_session=True, cwd="/") as process:
            answer, _ = process.communicate(json.dumps(order).encode())
        if answer != b"started":
            raise LaunchError(answer.decode(errors="replace") or "the keeper died before it started the agent")

    def find(self, key: AttemptKey, directory: str) -> RuntimeHandle | None:
        place = Path(directory, "tiny")
        place.mkdir(mode=0o700, exist_ok=True)
        # Whoever writes `key` first decides: after VOID no start can succeed any more.
        if _claim(place, VOID) == VOID:
            return None
        return _handle(key, directory)

    def probe(self, handle: RuntimeHandle) -> Probe:
        place = _place(handle)
        if place is None:
            return Probe(state=ProbeState.UNKNOWN, detail="there is no attempt of this handle here")
        pid = _read(place / "pid")
        if _keeper_lives(place):
            return Probe(state=ProbeState.RUNNING, pid=pid)
        # In this order: the keeper writes `exit` before it lets go of the lock.
        ended = _read(place / "exit")
        if ended is not None:
            return Probe(state=ProbeState.EXITED, pid=pid, exit=ExitStatus(**ended, source="tiny"))
        if pid is not None and _exists(pid):
            return Probe(state=ProbeState.UNKNOWN, pid=pid, detail="the keeper died; this pid may be the agent")
        return Probe(state=ProbeState.GONE, pid=pid, detail="keeper and agent are gone without an exit code")

    def stop(self, handle: RuntimeHandle, ladder: StopLadder) -> Probe:
        place = _place(handle)
        if place is None:
            return self.probe(handle)
        steps = [[step.signal, step.grace_s] for step in ladder.steps if step.signal]
        # The keeper signals: the agent is its own child, so the pid can't be another's.
        _write(place / "stop", steps)
        deadline = time.monotonic() + sum(step.grace_s for step in ladder.steps) + 5
        probe = self.probe(handle)
        while probe.state is ProbeState.RUNNING and time.monotonic() < deadline:
            time.sleep(0.02)
            probe = self.probe(handle)
        return probe

    def forget(self, handle: RuntimeHandle) -> None:
        pass  # there is nothing outside of the directory

    def write(self, handle: RuntimeHandle, data: bytes) -> None:
        raise Unsupported("the runtime tiny gives an agent no input")

    def interrupt(self, handle: RuntimeHandle) -> None:
        raise Unsupported("the runtime tiny can't interrupt")

    def stats(self, handle: RuntimeHandle) -> Vitals | None:
        return None

    def watch(self, handle: RuntimeHandle) -> Watch | None:
        return None

    def attach(self, handle: RuntimeHandle, *, cols: int, rows: int, read_only: bool) -> AttachChannel:
        raise Unsupported("the runtime tiny can't be attached to", hint="logist logs -f JOB")


def _handle(key: AttemptKey, directory: str) -> RuntimeHandle:
    return RuntimeHandle(runtime="tiny", version=1, data={"directory": directory, "nonce": key.nonce})


def _place(handle: RuntimeHandle) -> Path | None:
    """Return where the attempt of a handle is, or None where the handle is nobody's."""
    place = Path(str(handle.data.get("directory", "")), "tiny")
    try:
        return place if (place / "key").read_text() == handle.data.get("nonce") else None
    except OSError:
        return None


def _claim(place: Path, nonce: str) -> str:
    """Return who owns the attempt: `nonce` if nobody did before."""
    temporary = place / f"key.{os.getpid()}.{time.monotonic_ns()}"
    temporary.write_text(nonce)
    try:
        os.link(temporary, place / "key")
    except FileExistsError:
        return (place / "key").read_text()
    finally:
        temporary.unlink()
    return nonce


def _keeper_lives(place: Path) -> bool:
    try:
        lock = os.open(place / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _write(path: Path, value: object) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)
