"""Attempts of the real host runtime, in a directory of one's choice, without a job around them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime

from logist_core.api import KILL_NOW, AttemptKey, LaunchSpec, Probe, ProbeState, RuntimeHandle, StartContext
from support.waiting import eventually


@dataclass
class Attempt:
    """One attempt: where it is, and what its records say."""

    runtime: HostRuntime
    directory: Path
    nonce: str
    handle: RuntimeHandle | None = None

    def probe(self) -> Probe:
        assert self.handle is not None
        return self.runtime.probe(self.handle)

    def ended(self, *, within_s: float = 60.0) -> Probe:
        return eventually(
            lambda: answer if (answer := self.probe()).state is not ProbeState.RUNNING else None, within_s=within_s
        )

    def record(self, name: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads((self.directory / name).read_bytes())
        except (OSError, ValueError):
            return {}
        return value

    @property
    def guard(self) -> int:
        return int(self.record("shim.json")["pid"])

    @property
    def pump(self) -> int:
        """The pid of the pump: in the guard's session, and not the guard."""

        def found() -> int | None:
            shim = self.record("shim.json")
            pids = [p.pid for p in keeper.SYSTEM.processes() if p.session == shim.get("session") and p.state != "Z"]
            return next((pid for pid in pids if pid != shim["pid"]), None)

        return eventually(found, what="a pump") or 0

    def log(self, name: str = "out.log") -> bytes:
        return (self.directory / name).read_bytes()

    def holds(self, text: bytes) -> bytes:
        return eventually(lambda: log if text in (log := self.log()) else b"", what=repr(text))


@dataclass
class Attempts:
    """Starts attempts, and ends them when the test is over."""

    root: Path
    runtime: HostRuntime = field(default_factory=HostRuntime)
    all: list[Attempt] = field(default_factory=list)

    def shell(self, script: str, *, directory: Path | None = None, **options: Any) -> Attempt:
        """Run a shell script as an attempt whose directory is `directory`, which need not exist."""
        number = len(self.all) + 1
        place = directory or self.root / f"a{number}"
        place.mkdir(mode=0o700, exist_ok=True)
        nonce = secrets.token_hex(16)
        attempt = Attempt(self.runtime, place, nonce)
        self.all.append(attempt)
        context = StartContext(
            directory=str(place), environment=dict(os.environ), max_log_bytes=options.pop("max_log_bytes", None)
        )
        options.setdefault("cwd", str(self.root))
        launch = LaunchSpec(argv=("sh", "-c", script), **options)
        attempt.handle = self.runtime.start(launch, AttemptKey("job0", number, nonce), context)
        return attempt

    def close(self) -> None:
        for attempt in self.all:
            if attempt.handle is None:
                continue
            session = attempt.record("shim.json").get("session")
            if attempt.directory.exists():
                self.runtime.stop(attempt.handle, KILL_NOW)
            tree = keeper.Tree(attempt.nonce, 0, "", cgroup=None, keeper=None, sessions=())
            left = [m.pid for m in tree.members()]
            left += [p.pid for p in keeper.SYSTEM.processes() if session and p.session == session and p.state != "Z"]
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.runtime.forget(attempt.handle)


@contextmanager
def attempts_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Attempts]:
    """Give a laboratory in a directory of its own, short because a socket's path must be."""
    root = Path(tempfile.mkdtemp(prefix="la-"))
    (root / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / "run"))
    lab = Attempts(root)
    try:
        yield lab
    finally:
        lab.close()
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def mounted(place: Path, kind: str, *options: str) -> Iterator[Path]:
    """Mount a file system of `kind` (`tmpfs`, `ramfs`) at `place` for as long as the block lasts."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", kind, "-o", ",".join(("mode=700", *options)), "none", str(place)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        what = f"a {kind} can't be mounted here: {made.stderr.strip()}"
        if os.environ.get("LOGIST_REQUIRE_REAL"):
            pytest.fail(f"{what}, and LOGIST_REQUIRE_REAL is set")
        pytest.skip(what)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
