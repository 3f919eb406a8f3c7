"""Attempts of the host runtime without a supervisor: start them, talk to their pump by hand, see what is left."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logist_runtime_host import keeper
from logist_runtime_host.places import nonce_hash
from logist_runtime_host.runtime import HostRuntime

from logist_core.api import KILL_NOW, AttemptKey, LaunchSpec, Probe, ProbeState, RuntimeHandle, StartContext
from support.waiting import eventually


@dataclass
class Attempt:
    """One attempt and its directory."""

    runtime: HostRuntime
    key: AttemptKey
    directory: Path
    handle: RuntimeHandle

    def record(self, name: str) -> dict[str, Any]:
        path = self.directory / name
        found: dict[str, Any] = json.loads(eventually(lambda: path.exists() and path.read_bytes(), what=str(path)))
        return found

    @property
    def out(self) -> bytes:
        return (self.directory / "out.log").read_bytes()

    def probe(self) -> Probe:
        return self.runtime.probe(self.handle)

    def ended(self, within_s: float = 30.0) -> Probe:
        def over() -> Probe | None:
            probe = self.probe()
            return None if probe.state is ProbeState.RUNNING else probe

        return eventually(over, within_s=within_s, what=f"the end of {self.directory}")

    @property
    def guard(self) -> int:
        return int(self.record("shim.json")["pid"])

    @property
    def pump(self) -> int:
        session = self.record("shim.json")["session"]

        def found() -> int | None:
            pids = [p.pid for p in keeper.SYSTEM.processes() if p.session == session and p.state not in "ZX"]
            return next((pid for pid in pids if pid not in (self.guard, session)), None)

        return eventually(found, what="a pump") or 0

    def connect(self) -> socket.socket:
        """Connect to the pump without a word."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(self.record("shim.json")["socket"])
        connection.settimeout(10)
        return connection

    def hello(self, role: str = "control", **more: Any) -> bytes:
        greeting = {"proto": keeper.PROTO, "nonce_hash": nonce_hash(self.key.nonce), "role": role, **more}
        return keeper.frame_json(keeper.HELLO, greeting)

    def end(self) -> None:
        self.runtime.stop(self.handle, KILL_NOW)


@dataclass
class Attempts:
    """Starts attempts below one directory."""

    root: Path
    runtime: HostRuntime = field(default_factory=HostRuntime)
    attempts: list[Attempt] = field(default_factory=list)

    def prepare(self) -> tuple[AttemptKey, StartContext]:
        number = len(list(self.root.glob("a*"))) + 1
        directory = self.root / f"a{number}"
        directory.mkdir(mode=0o700)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        return AttemptKey("job0", number, secrets.token_hex(16)), StartContext(
            directory=str(directory), environment=environment
        )

    def start(self, *argv: str, prepared: tuple[AttemptKey, StartContext] | None = None, **options: Any) -> Attempt:
        key, context = prepared or self.prepare()
        handle = self.runtime.start(LaunchSpec(argv=argv, cwd=str(self.root), **options), key, context)
        attempt = Attempt(self.runtime, key, Path(context.directory), handle)
        self.attempts.append(attempt)
        return attempt

    def shell(self, script: str, **options: Any) -> Attempt:
        return self.start("sh", "-c", script, **options)


@contextmanager
def attempts_in_a_place_of_their_own() -> Iterator[Attempts]:
    """Yield `Attempts` with a private runtime directory; at the end nothing of them may be left."""
    root = Path(tempfile.mkdtemp(prefix="la-"))
    (root / "run").mkdir(mode=0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(root / "run")
    attempts = Attempts(root)
    try:
        yield attempts
    finally:
        for attempt in attempts.attempts:
            with suppress(Exception):
                attempt.end()
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
        shutil.rmtree(root, ignore_errors=True)
