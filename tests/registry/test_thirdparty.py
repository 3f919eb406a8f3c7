"""The strangers' runtime and agent keep the same contracts as the shipped ones."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.distributions import THIRD_PARTY, install, python_path
from support.waiting import eventually

from logist_core.api import Agent, AttemptKey, LaunchSpec, Probe, ProbeState, Runtime, RuntimeHandle, StartContext
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.runtime_contract import RuntimeContract
from logist_core.testing.runtime_machine import RuntimeMachine, machine_test

KEY = AttemptKey("0" * 16, 1, "a" * 32)


@pytest.fixture(autouse=True)
def tiny(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("logist-runtime-tiny", "logist-agent-tiny"):
        install(THIRD_PARTY / name, site)
    monkeypatch.setenv("PYTHONPATH", python_path(site))
    yield


class TestRuntimeContract(RuntimeContract):
    factory = "logist_runtime_tiny.runtime:TinyRuntime"

    @pytest.fixture
    def runtime(self, tiny: None) -> Runtime:
        from logist_runtime_tiny.runtime import TinyRuntime

        runtime: Runtime = TinyRuntime()
        return runtime


class TinyMachine(RuntimeMachine):
    factory = "logist_runtime_tiny.runtime:TinyRuntime"


TestTinyMachine = pytest.mark.usefixtures("tiny")(machine_test(TinyMachine))


class TestAgentContract(AgentContract):
    @pytest.fixture
    def agent(self, tiny: None) -> Agent:
        from logist_agent_tiny.agent import TinyAgent

        agent: Agent = TinyAgent("sh", "tiny says:")
        return agent


@pytest.fixture
def start(tiny: None, tmp_path: Path) -> Iterator[Callable[[str], tuple[Runtime, RuntimeHandle]]]:
    from logist_runtime_tiny.runtime import TinyRuntime

    runtime: Runtime = TinyRuntime()
    directory = tmp_path / "attempt"
    directory.mkdir()

    def start(script: str) -> tuple[Runtime, RuntimeHandle]:
        launch = LaunchSpec(argv=("sh", "-c", script), cwd=str(tmp_path))
        context = StartContext(directory=str(directory), environment=dict(os.environ))
        return runtime, runtime.start(launch, KEY, context)

    yield start
    pid = directory / "tiny" / "pid"
    if pid.exists() and os.path.exists(f"/proc/{pid.read_text()}"):
        os.killpg(int(pid.read_text()), signal.SIGKILL)


def keeper_of(directory: Path) -> int:
    """Return the pid of the process that has the lock open, by the kernel's word."""
    inode = (directory / "tiny" / "lock").stat().st_ino
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if path.stat().st_ino == inode and int(path.parts[2]) != os.getpid():
                return int(path.parts[2])
        except OSError:
            continue
    raise AssertionError("there is no keeper")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_dead_keeper_is_unknown_while_its_agent_may_live_and_gone_afterwards(
    start: Callable[[str], tuple[Runtime, RuntimeHandle]], tmp_path: Path
) -> None:
    runtime, handle = start("exec sleep 600")
    running = runtime.probe(handle)
    assert running.state is ProbeState.RUNNING
    assert running.pid is not None
    keeper = keeper_of(tmp_path / "attempt")
    os.kill(keeper, signal.SIGKILL)
    orphaned = eventually(lambda: after(runtime.probe(handle), ProbeState.UNKNOWN), what="unknown")
    assert "may be the agent" in orphaned.detail
    os.kill(running.pid, signal.SIGKILL)
    gone = eventually(lambda: after(runtime.probe(handle), ProbeState.GONE), what="gone")
    assert gone.exit is None


def after(probe: Probe, state: ProbeState) -> Probe | None:
    return probe if probe.state is state else None


def test_an_attempt_whose_keeper_never_came_up_is_gone(
    start: Callable[[str], tuple[Runtime, RuntimeHandle]], tmp_path: Path
) -> None:
    from logist_runtime_tiny.runtime import TinyRuntime, _claim

    place = tmp_path / "attempt" / "tiny"
    place.mkdir()
    _claim(place, KEY.nonce)
    runtime = TinyRuntime()
    handle = runtime.find(KEY, str(place.parent))
    assert handle is not None
    assert runtime.probe(handle).state is ProbeState.GONE
