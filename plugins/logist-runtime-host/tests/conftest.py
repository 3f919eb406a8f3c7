"""A laboratory for attempts: starts them, kills what is around them, and fails a test that leaves anything behind."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.files import AttemptFiles
from logist_runtime_host.places import socket_path
from logist_runtime_host.runtime import HostRuntime
from logist_runtime_host.serving import WRAPPER_VARIABLE, forget_server

from logist_core.api import AttemptKey, LaunchSpec, Probe, ProbeState, RuntimeHandle, StartContext

DEADLINE_S = 30.0


class Attempt:
    """One attempt under test."""

    def __init__(self, lab: Lab, runtime: HostRuntime, key: AttemptKey, directory: Path) -> None:
        self.lab, self.runtime, self.key, self.directory = lab, runtime, key, directory
        self.handle: RuntimeHandle | None = None

    def probe(self) -> Probe:
        assert self.handle is not None
        return self.runtime.probe(self.handle)

    def wait(self, deadline_s: float = DEADLINE_S) -> Probe:
        """Wait for the end, as seen by `probe`."""
        return self.lab.eventually(
            lambda: answer if (answer := self.probe()).state is not ProbeState.RUNNING else None,
            f"the end of {self.directory}",
            deadline_s,
        )

    def record(self, name: str) -> dict[str, Any]:
        try:
            with AttemptFiles(str(self.directory)) as files:
                return files.read(name) or {}
        except FileNotFoundError:
            return {}

    def out(self) -> bytes:
        return (self.directory / "out.log").read_bytes()

    def out_has(self, text: bytes, deadline_s: float = DEADLINE_S) -> bytes:
        """Wait until the output holds `text`."""
        return self.lab.eventually(lambda: out if text in (out := self.out()) else None, repr(text), deadline_s)

    @property
    def pid(self) -> int:
        return int(self.record("child.json")["pid"])

    def guard(self) -> int:
        """Return the pid of the guard (keeper or successor) that holds the lock now."""
        return int(self.record("shim.json")["pid"])

    def pump(self) -> int | None:
        """Return the pid of the pump: in the keeper's session, and not the guard."""
        shim = self.record("shim.json")
        found = [p.pid for p in keeper.SYSTEM.processes() if p.session == shim.get("session") and p.state != "Z"]
        found = [pid for pid in found if pid != shim["pid"]]
        return found[0] if found else None

    def family(self) -> list[int]:
        """Return the living processes of the attempt's tree."""
        tree = keeper.Tree(self.key.nonce, 0, "", cgroup=None, keeper=None, sessions=())
        return [member.pid for member in tree.members()]


class Lab:
    """Makes attempts below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.attempts: list[Attempt] = []
        self.zombies_before = zombies()  # somebody else's children in this process
        self.runtime = HostRuntime()

    def prepare(self, runtime: HostRuntime | None = None) -> Attempt:
        number = len(self.attempts) + 1
        directory = self.root / f"a{number}"
        directory.mkdir(mode=0o700)
        attempt = Attempt(self, runtime or self.runtime, AttemptKey("job0", number, secrets.token_hex(16)), directory)
        self.attempts.append(attempt)
        return attempt

    def start(
        self, *argv: str, runtime: HostRuntime | None = None, env: dict[str, str] | None = None, **kw: Any
    ) -> Attempt:
        attempt = self.prepare(runtime)
        context = StartContext(
            directory=str(attempt.directory),
            environment={**os.environ, **(env or {})},
            linger=kw.pop("linger", False),
            respawn=kw.pop("respawn", None),
        )
        kw.setdefault("cwd", str(self.root))
        attempt.handle = attempt.runtime.start(LaunchSpec(argv=argv, **kw), attempt.key, context)
        return attempt

    def shell(self, script: str, **kw: Any) -> Attempt:
        return self.start("sh", "-c", script, **kw)

    @staticmethod
    def eventually(ask: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
        """Return the first true answer of `ask`, which is asked until the deadline."""
        deadline = time.monotonic() + deadline_s
        while True:
            answer = ask()
            if answer:
                return answer
            if time.monotonic() > deadline:
                pytest.fail(f"not in {deadline_s:.0f} s: {what}")
            time.sleep(0.005)

    @staticmethod
    def kill(pid: int | None, number: int = signal.SIGKILL) -> None:
        """Kill, and wait until it is dead."""
        assert pid and pid > 1
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(pid)
            signal.pidfd_send_signal(fd, number)
            if number == signal.SIGKILL:
                keeper.wait_readable(fd, 10.0)
            os.close(fd)

    def leftovers(self) -> list[str]:
        """Return what is left of all attempts, a line each."""
        found = []
        for attempt in self.attempts:
            found += [f"{attempt.directory.name}: process {pid}" for pid in attempt.family()]
            session = attempt.record("shim.json").get("session")
            for process in keeper.SYSTEM.processes():
                # A zombie here waits for init, which may take its time; it is no longer ours.
                if session is not None and process.session == session and process.state != "Z":
                    found.append(f"{attempt.directory.name}: guard or pump {process.pid}")
            if os.path.exists(socket_path(attempt.key.nonce)):
                found.append(f"{attempt.directory.name}: its socket")
            name = keeper.cgroup_name(socket_path(attempt.key.nonce))
            roots = [root for root in (keeper.cgroup_root(), keeper.freezer_root()) if root]
            if any(os.path.exists(os.path.join(root, name)) for root in roots):
                found.append(f"{attempt.directory.name}: its cgroup")
        return found + [f"zombie {pid}" for pid in zombies() - self.zombies_before]

    def tidy(self) -> None:
        """End everything that a failed test left."""
        for attempt in self.attempts:
            session = attempt.record("shim.json").get("session")
            for pid in attempt.family():
                self.kill(pid)
            for process in keeper.SYSTEM.processes():
                if session is not None and process.session == session:
                    self.kill(process.pid)
            keeper.remove_cgroup(attempt.record("child.json").get("cgroup"))


def zombies() -> set[int]:
    return {pid for pid in keeper.SYSTEM.children(os.getpid()) if is_zombie(pid)}


def is_zombie(pid: int) -> bool:
    process = keeper.SYSTEM.process(pid)
    return process is not None and process.state == "Z"


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    # Short, because a socket's path must be; private, because tests run beside one another and beside real jobs.
    root = Path(tempfile.mkdtemp(prefix="lh-"))
    runtime_dir = root / "run"
    runtime_dir.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_dir))
    if "COVERAGE_PROCESS_CONFIG" in os.environ or "COVERAGE_PROCESS_START" in os.environ:
        monkeypatch.setenv(WRAPPER_VARIABLE, str(Path(__file__).with_name("covered_keeper.py")))
    for name in ("LOGIST_JOB", "LOGIST_ATTEMPT", "LOGIST_NONCE"):
        monkeypatch.delenv(name, raising=False)
    forget_server()
    lab = Lab(root)
    descriptors = set(os.listdir("/dev/fd"))
    try:
        yield lab
        for attempt in lab.attempts:
            if attempt.handle is not None:
                attempt.runtime.forget(attempt.handle)
        deadline = time.monotonic() + 10.0
        while (left := lab.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left, left
        forget_server()
        assert len(os.listdir("/dev/fd")) <= len(descriptors), "descriptors leaked"
    finally:
        lab.tidy()
        shutil.rmtree(root, ignore_errors=True)
