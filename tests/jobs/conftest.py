"""A private home, store and memory directory for each test."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.types.job import JobSpec


@pytest.fixture(autouse=True)
def memory_base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Lead everything that goes to memory, or to the runtime directory, to a place of this test's own."""
    base = tempfile.mkdtemp(prefix="logist-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", base)
    yield Path(base)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def store(home: Home) -> JobStore:
    return JobStore(home)


@pytest.fixture
def make_spec() -> Callable[..., JobSpec]:
    plain = JobSpec(id="0" * 16, agent="mock", runtime="host", cwd="/", created_at=1.5)

    def make(**changes: object) -> JobSpec:
        return dataclasses.replace(plain, **{"id": new_id(), **changes})

    return make


@pytest.fixture
def job(store: JobStore, make_spec: Callable[..., JobSpec]) -> str:
    """The id of a queued job."""
    return store.create(make_spec(), None).id


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script of this folder, or a piece of code, in a process of its own."""

    def run(code: str, *args: object, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        script = [str(Path(__file__).with_name(code))] if code.endswith(".py") else ["-c", code]
        argv = [*prefix, sys.executable, *script, *map(str, args)]
        # Not measured: what is killed in the middle would leave a broken data file, and measuring imports much.
        env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=env)

    return run


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until a condition holds, 20 s at most."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "the condition never came true"
            time.sleep(0.005)

    return wait
