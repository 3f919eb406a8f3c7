"""Plans mock runs and runs them as the real processes that they are."""

from __future__ import annotations

import dataclasses
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logist_agent_mock.agent import MockAgent

from logist_core.api import AgentContext, AttemptStatus, ExitStatus, JobSpec, Last, LaunchSpec, Signal

DEADLINE_S = 20.0


@dataclasses.dataclass(frozen=True)
class Run:
    """An ended run."""

    agent: MockAgent
    launch: LaunchSpec
    directory: Path
    code: int | None
    signal: int | None
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def signals(self) -> list[Signal]:
        return [signal for line in self.lines for signal in self.agent.parse(line, "out")]

    @property
    def outcome(self) -> Any:
        return self.agent.outcome(ExitStatus(code=self.code, signal=self.signal), self.signals)

    @property
    def last(self) -> Last:
        """What a resume is given of this run, where nobody saw the session's id."""
        attempt = AttemptStatus(number=1, state="exited", nonce="0" * 32)
        return Last(attempt=attempt, session_id=None, directory=str(self.directory))


def measured(argv: tuple[str, ...]) -> list[str]:
    """Return `argv`, under coverage where the tests are: `-I -S` keeps every other way of measuring out."""
    try:
        from coverage import Coverage
    except ImportError:
        return list(argv)
    current = Coverage.current()
    if current is None or argv[0] != sys.executable:
        return list(argv)
    data_file = os.path.abspath(current.config.data_file)
    options = ["-m", "coverage", "run", "--parallel-mode", f"--data-file={data_file}", "--rcfile=/dev/null"]
    options += ["--branch"] if current.config.branch else []
    source = f"--include={argv[3]}"
    return [argv[0], *options, source, *argv[3:]]


class Mock:
    """Plans and starts runs below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cwd = root / "work"
        self.cwd.mkdir()
        self.attempts = 0
        self.started: list[subprocess.Popen[bytes]] = []

    def job(self, **job: Any) -> JobSpec:
        asked = {"prompt": "say hello", **job}
        return JobSpec(id="0123456789abcdef", agent="mock", runtime="host", cwd=str(self.cwd), created_at=0.0, **asked)

    def plan(self, settings: dict[str, Any] | None = None, *, last: Last | None = None, **job: Any):
        """Return agent, plan and directory of a new attempt; a resume of `last` where given."""
        self.attempts += 1
        directory = self.root / f"attempt-{self.attempts}"
        directory.mkdir(mode=0o700)
        agent = MockAgent({"pace_s": 0.0, **(settings or {})})
        ctx = AgentContext(environment={"HOME": str(self.root)}, directory=str(directory), attempt=self.attempts)
        launch = agent.resume(self.job(**job), ctx, last) if last else agent.plan(self.job(**job), ctx)
        assert launch is not None
        return agent, launch, directory

    def run(
        self, settings: dict[str, Any] | None = None, *, typed: bytes = b"", last: Last | None = None, **job: Any
    ) -> Run:
        """Run to the end; `typed` is all that comes on an open standard input."""
        agent, launch, directory = self.plan(settings, last=last, **job)
        with subprocess.Popen(
            measured(launch.argv),
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL if launch.stdin == "null" else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
        ) as process:
            given = None if launch.stdin == "null" else launch.stdin_data or typed
            out, err = process.communicate(given, timeout=DEADLINE_S)
        code, killed_by = (process.returncode, None) if process.returncode >= 0 else (None, -process.returncode)
        return Run(agent, launch, directory, code, killed_by, out, err)

    def start(self, settings: dict[str, Any] | None = None, **job: Any) -> Live:
        """Start a run that doesn't end by itself, its output in a file as a runtime has it."""
        _, launch, directory = self.plan(settings, **job)
        out = (directory / "out.log").open("wb")
        err = (directory / "err.log").open("wb")
        process = subprocess.Popen(
            measured(launch.argv), cwd=launch.cwd, stdin=subprocess.PIPE, stdout=out, stderr=err, env={}
        )
        out.close()
        err.close()
        self.started.append(process)
        assert process.stdin is not None
        if launch.stdin == "data":
            process.stdin.write(launch.stdin_data)
            process.stdin.close()
        return Live(process, directory)

    def start_on_terminal(self, settings: dict[str, Any] | None = None, **job: Any) -> Terminal:
        """Start a run on a pseudo-terminal of its own."""
        _, launch, _ = self.plan(settings, pty=True, **job)
        pid, master = pty.fork()
        if pid == 0:
            argv = measured(launch.argv)
            os.execve(argv[0], argv, {"TERM": "xterm"})
        return Terminal(pid, master)

    def close(self) -> None:
        for process in self.started:
            process.kill()
            if process.stdin is not None:
                process.stdin.close()
            process.wait(DEADLINE_S)


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's value as soon as it is true; fail after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {DEADLINE_S:g} s in vain for {what}")


@dataclasses.dataclass(frozen=True)
class Live:
    """A running run with its output in files."""

    process: subprocess.Popen[bytes]
    directory: Path

    def output(self, name: str = "out.log") -> bytes:
        return (self.directory / name).read_bytes()

    def wait_for(self, text: bytes, name: str = "out.log") -> None:
        wait_for(lambda: text in self.output(name), repr(text))

    def type(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self, number: int | None = None) -> int:
        """Send the signal, where one is given, and return how the run ended."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


class Terminal:
    """A running run on a pseudo-terminal, whose other side is ours."""

    def __init__(self, pid: int, master: int) -> None:
        self.pid, self.master, self.seen, self.status = pid, master, b"", None
        os.set_blocking(master, False)

    def read(self) -> bytes:
        try:
            while data := os.read(self.master, 65536):
                self.seen += data
        except OSError:  # nothing there now, or nobody any more
            pass
        return self.seen

    def wait_for(self, text: bytes) -> None:
        wait_for(lambda: text in self.read(), f"{text!r} on the terminal")

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def end(self) -> int:
        """Wait for the end and return the exit code."""

        def ended() -> bool:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            return bool(pid)

        wait_for(ended, "the end of the run")
        self.read()
        assert self.status is not None
        return self.status

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[Mock]:
    """Return what plans and runs mock agents; what still runs at the end is killed."""
    mock = Mock(tmp_path)
    yield mock
    mock.close()


@pytest.fixture
def terminal(mock: Mock) -> Iterator[Callable[..., Terminal]]:
    """Return what starts runs on terminals; what still runs at the end is killed."""
    started: list[Terminal] = []

    def start(settings: dict[str, Any] | None = None, **job: Any) -> Terminal:
        started.append(mock.start_on_terminal(settings, **job))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable[[Callable[[], Any], str], Any]:
    """Return the poll with a deadline."""
    return wait_for


@pytest.fixture(name="measured")
def measured_fixture() -> Callable[[tuple[str, ...]], list[str]]:
    """Return what has a program's coverage measured."""
    return measured
