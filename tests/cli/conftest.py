"""Commands run in this process, on a home whose jobs are made of journal events; no agent runs here."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from logist_core.cli.main import run
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.supervise import singleton
from logist_core.types.job import JobSpec


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.err)["error"]


@dataclass
class Jobs:
    """A home, and the means to put jobs into any state by writing their journals."""

    home: Home
    store: JobStore
    now: float = field(default_factory=time.time)

    def make(self, *events: tuple[str, dict[str, Any]], **fields: Any) -> str:
        plain: dict[str, Any] = {"agent": "mock", "runtime": "host", "cwd": "/", "created_at": self.now}
        environment = fields.pop("environment", None)
        spec = JobSpec(id=new_id(), **{**plain, **fields})
        self.store.create(spec, environment)
        self.add(spec.id, *events)
        return spec.id

    def add(self, job: str, *events: tuple[str, dict[str, Any]]) -> None:
        with self.store.transaction(job, "supervisor") as tx:
            for kind, data in events:
                tx.append(kind, **data)

    def running(self, *events: tuple[str, dict[str, Any]], **fields: Any) -> str:
        return self.make(*self.start(), *events, **fields)

    def ended(self, code: int = 0, **fields: Any) -> str:
        return self.make(*self.start(), *self.end(code), **fields)

    def held(self, reason: str = "log in first", **fields: Any) -> str:
        return self.make(*self.start(), self.exited(1), ("job.held", {"reason": reason}), **fields)

    def start(self, number: int = 1, *, resumed: bool = False) -> tuple[tuple[str, dict[str, Any]], ...]:
        return (
            (
                "attempt.starting",
                {"attempt": number, "nonce": f"{number:032x}", "runtime": "host", "resumed": resumed},
            ),
            ("attempt.running", {"attempt": number, "pid": 4711, "handle": None, "started_at": self.now}),
        )

    def end(self, code: int = 0, number: int = 1) -> tuple[tuple[str, dict[str, Any]], ...]:
        result = "succeeded" if code == 0 else "failed"
        return (
            self.exited(code, number),
            ("job.finished", {"lifecycle": result, "outcome": result, "reason": f"exit code {code}"}),
        )

    def exited(self, code: int, number: int = 1) -> tuple[str, dict[str, Any]]:
        data = {"attempt": number, "code": code, "signal": None, "ended_at": self.now + 4, "source": "keeper"}
        return "attempt.exited", {**data, "survivors": []}

    def activity(self, state: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        plain = {"state": state, "since": self.now, "source": "text", "rule": "default/any", "stream": "out"}
        return "activity.changed", {**plain, "offset": 0, "text": None, "confidence": 0.9, "expires": None, **fields}

    def log(self, job: str, out: bytes = b"", err: bytes = b"", attempt: int = 1) -> Path:
        directory = self.store.make_attempt_dir(job, attempt)
        for name, data in (("out", out), ("err", err)):
            with (directory / f"{name}.log").open("ab") as file:
                file.write(data)
        return directory


@pytest.fixture(autouse=True)
def private_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lead everything that commands touch to places of this test's own."""
    run_dir = tempfile.mkdtemp(prefix="lg-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    user_home = tmp_path / "my-user"
    user_home.mkdir()
    for name in [name for name in os.environ if name.startswith(("LOGIST_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(user_home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", run_dir)
    monkeypatch.setenv("LOGIST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGIST_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("COLUMNS", "100")
    yield
    shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture
def logist_here(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command in this process."""

    def call(*args: str) -> Ran:
        before = dict(os.environ)
        capsys.readouterr()
        try:
            code = run(list(args))
        finally:
            # `--home` and its like are handed on through the environment, which here outlives the command.
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)
        printed = capsys.readouterr()
        return Ran(int(code), printed.out, printed.err)

    return call


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """A home that counts as supervised, so that no command starts a supervisor for jobs that aren't real."""
    home = Home.open(tmp_path / "home")
    lock = singleton.acquire(home.path)
    assert lock is not None
    yield Jobs(home, JobStore(home))
    os.close(lock)
