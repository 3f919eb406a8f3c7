"""A runtime without processes, for tests of supervisors and plugins: attempts end when the test says so.

It keeps the contract of `Runtime` (the conformance kit runs against it): its attempts live in files of the
attempt's directory, so that any process, with nothing but the handle, finds them as they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
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
    StartContext,
    StopLadder,
    Unsupported,
    Vitals,
    Watch,
)

_FILE = "fake.json"


class FakeRuntime:
    """A runtime whose attempts are files. Make one for each test; it closes nothing it doesn't own.

    Attributes:
        caps: Standard input, signs of life and a watch; no terminal.
        stops_with: How an attempt ends that is stopped.
        vitals: What `stats` returns.
        calls: Names of the methods called, in order, for assertions.
        fail_start: Raised by `start`, where it is set.
    """

    def __init__(self) -> None:
        """Hold no attempt."""
        self.caps = RuntimeCaps(stdin=True, stats=True, watch=True)
        self.stops_with: Callable[[StopLadder], ExitStatus | None] = lambda ladder: ExitStatus(
            signal=15 if ladder.steps else 9, source="fake"
        )
        self.vitals: Vitals | None = None
        self.calls: list[str] = []
        self.fail_start: Exception | None = None
        self._watches: dict[str, list[_FakeWatch]] = {}

    # What the test does

    def say(self, directory: str, text: str, stream: str = "out") -> None:
        """Let the attempt print `text`."""
        with (Path(directory) / f"{stream}.log").open("ab") as log:
            log.write(text.encode())

    def end(self, directory: str, exit: ExitStatus | None) -> None:
        """Let the attempt end; None: it vanishes without a trace."""
        record = _read(directory)
        assert record is not None, f"no attempt in {directory}"
        record["state"] = "gone" if exit is None else "exited"
        record["exit"] = None if exit is None else [exit.code, exit.signal, exit.ended_at]
        _write(directory, record)
        for watch in self._watches.get(directory, []):
            watch.fire()

    # The contract

    def health(self) -> Health:
        """Say that all is well."""
        return Health(ok=True, detail="fake")

    def start(self, launch: LaunchSpec, key: AttemptKey, context: StartContext) -> RuntimeHandle:
        """Record the attempt as running."""
        self.calls.append("start")
        if self.fail_start is not None:
            raise self.fail_start
        if _read(context.directory) is not None:
            known = self.find(key, context.directory)
            if known is not None:
                return known
            raise LaunchError(f"attempt {key} was given up before it ran")
        for stream in ("out", "err"):
            (Path(context.directory) / f"{stream}.log").touch(mode=0o600)
        _write(context.directory, {"nonce": key.nonce, "state": "running", "exit": None, "argv": list(launch.argv)})
        return _handle(context.directory, key.nonce)

    def find(self, key: AttemptKey, directory: str) -> RuntimeHandle | None:
        """Return the attempt of `key`; where there is none, see to it that there never will be."""
        record = _read(directory)
        if record is None:
            if os.path.isdir(directory):
                _write(directory, {"nonce": key.nonce, "state": "refused", "exit": None})
            return None
        found = record["nonce"] == key.nonce and record["state"] != "refused"
        return _handle(directory, key.nonce) if found else None

    def probe(self, handle: RuntimeHandle) -> Probe:
        """Read the attempt's file."""
        self.calls.append("probe")
        directory, nonce = handle.data.get("directory"), handle.data.get("nonce")
        record = _read(directory) if isinstance(directory, str) else None
        if record is None or record["nonce"] != nonce:
            return Probe(state=ProbeState.UNKNOWN, detail="no such attempt")
        if record["state"] == "exited":
            code, signum, ended_at = record["exit"]
            exit = ExitStatus(code=code, signal=signum, ended_at=ended_at, source="fake")
            return Probe(state=ProbeState.EXITED, exit=exit)
        return Probe(state=ProbeState.GONE if record["state"] == "gone" else ProbeState.RUNNING)

    def stop(self, handle: RuntimeHandle, ladder: StopLadder) -> Probe:
        """End the attempt with what `stops_with` says; None: it doesn't end."""
        self.calls.append("stop")
        if self.probe(handle).state is ProbeState.RUNNING:
            exit = self.stops_with(ladder)
            if exit is not None:
                self.end(str(handle.data["directory"]), exit)
        return self.probe(handle)

    def forget(self, handle: RuntimeHandle) -> None:
        """Nothing is held outside of the directory."""
        self.calls.append("forget")

    def write(self, handle: RuntimeHandle, data: bytes) -> None:
        """Keep what was typed in `stdin.log`."""
        self.calls.append("write")
        with (Path(str(handle.data["directory"])) / "stdin.log").open("ab") as log:
            log.write(data)

    def interrupt(self, handle: RuntimeHandle) -> None:
        """Note that it was asked for."""
        self.calls.append("interrupt")

    def stats(self, handle: RuntimeHandle) -> Vitals | None:
        """Return `vitals`."""
        return self.vitals

    def watch(self, handle: RuntimeHandle) -> Watch | None:
        """Return a watch that fires when the test ends the attempt through this object."""
        watch = _FakeWatch()
        self._watches.setdefault(str(handle.data["directory"]), []).append(watch)
        return watch

    def attach(self, handle: RuntimeHandle, *, cols: int, rows: int, read_only: bool) -> AttachChannel:
        """Refuse: there is nothing to see."""
        raise Unsupported("the fake runtime can't be attached to")


class _FakeWatch:
    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)

    def fire(self) -> None:
        with contextlib.suppress(OSError):
            self._theirs.send(b"!")

    def fileno(self) -> int:
        return self._ours.fileno()

    def drain(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            self._ours.recv(64)
        return True

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


def _handle(directory: str, nonce: str) -> RuntimeHandle:
    return RuntimeHandle(runtime="fake", version=1, data={"directory": directory, "nonce": nonce})


def _read(directory: str) -> dict[str, Any] | None:
    try:
        record = json.loads((Path(directory) / _FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _write(directory: str, record: dict[str, Any]) -> None:
    path = Path(directory) / _FILE
    new = path.with_suffix(".new")
    new.write_text(json.dumps(record))
    new.replace(path)
