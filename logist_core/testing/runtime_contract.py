"""`RuntimeContract`: what every runtime has to keep. Subclass it, give it a `runtime` fixture, run pytest.

    class TestMyRuntime(RuntimeContract):
        @pytest.fixture
        def runtime(self):
            return MyRuntime()

        factory = "my_package.runtime:MyRuntime"

The oracle bypasses the runtime under test: jobs write what they did to files of their own, and handles are used by a
new interpreter that knows nothing but their JSON. The jobs are `sh` scripts; a runtime whose attempts run elsewhere
overrides `shared` to a directory that is the same there.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from logist_core.api import (
    KILL_NOW,
    AttemptKey,
    LaunchError,
    LaunchSpec,
    Probe,
    ProbeState,
    Runtime,
    RuntimeHandle,
    StartContext,
    StopLadder,
    StopStep,
)

#: A new interpreter with nothing but the handle's JSON.
_PROBE_ELSEWHERE = """
import importlib, json, sys
from logist_core.api import RuntimeHandle
module, _, name = sys.argv[1].partition(":")
runtime = getattr(importlib.import_module(module), name)()
probe = runtime.probe(RuntimeHandle(**json.load(sys.stdin)))
print(json.dumps([probe.state.value, probe.exit and probe.exit.code]))
"""


class RuntimeContract:
    """The tests. Each starts what it needs and ends it."""

    #: `module:callable` that makes the runtime without arguments, in another interpreter.
    factory: str = ""
    #: Seconds that anything may take here.
    deadline_s = 30.0

    @pytest.fixture
    def runtime(self) -> Runtime:
        """Return the runtime under test; subclasses override it."""
        raise NotImplementedError("override the `runtime` fixture")

    @pytest.fixture
    def shared(self) -> Iterator[Path]:
        """Yield a directory that the attempts see under the same path."""
        with tempfile.TemporaryDirectory(prefix="contract-") as path:
            yield Path(path)

    @pytest.fixture
    def bench(self, runtime: Runtime, shared: Path) -> Iterator[Bench]:
        """Yield the means to start attempts; whatever runs at the end is killed."""
        bench = Bench(runtime, shared, self.deadline_s)
        try:
            yield bench
        finally:
            for handle in bench.handles:
                runtime.stop(handle, KILL_NOW)
                runtime.forget(handle)

    def test_health_is_good_and_says_why(self, runtime: Runtime) -> None:
        """A runtime under test can start attempts, and says what it checked."""
        health = runtime.health()
        assert health.ok, health.detail
        assert health.detail

    def test_start_forget_the_handle_find_probe_exit_code(self, bench: Bench) -> None:
        """With the handle lost, the key is enough to learn the exit."""
        attempt = bench.attempt()
        bench.start(attempt, "echo hello; exit 7")
        handle = bench.runtime.find(attempt.key, attempt.directory)
        assert handle is not None
        answer = bench.wait(handle)
        assert answer.state is ProbeState.EXITED
        assert answer.exit is not None
        assert (answer.exit.code, answer.exit.signal, answer.exit.exec_error) == (7, None, None)

    def test_start_is_idempotent_by_key(self, bench: Bench) -> None:
        """A second start, also after the end, starts nothing and returns the same handle."""
        attempt = bench.attempt()
        marker = bench.shared / "ran"
        first = bench.start(attempt, f"echo x >> {marker}; sleep 0.2")
        second = bench.start(attempt, f"echo x >> {marker}; sleep 0.2")
        assert first == second
        bench.wait(first)
        assert bench.start(attempt, f"echo x >> {marker}") == first
        assert marker.read_text() == "x\n"

    def test_start_called_at_once_from_many_threads_starts_one(self, bench: Bench) -> None:
        """Concurrent starts of one key run it once."""
        attempt = bench.attempt()
        marker = bench.shared / "ran"
        with ThreadPoolExecutor(8) as pool:
            handles = list(pool.map(lambda _: bench.start(attempt, f"echo x >> {marker}"), range(8)))
        assert all(handle == handles[0] for handle in handles)
        bench.wait(handles[0])
        assert marker.read_text() == "x\n"

    def test_find_is_none_for_what_was_never_started_and_settles_it(self, bench: Bench) -> None:
        """After None, the attempt can't come alive."""
        attempt = bench.attempt()
        assert bench.runtime.find(attempt.key, attempt.directory) is None
        marker = bench.shared / "ran"
        with pytest.raises(LaunchError):
            bench.start(attempt, f"echo x >> {marker}")
        assert not marker.exists()

    @pytest.mark.parametrize(
        ("argv", "cwd"),
        [
            (("no-such-program-at-all",), None),
            (("/no/such/path",), None),
            (("/dev/null",), None),
            (("true",), "/no/such/directory"),
        ],
        ids=["not in PATH", "no such path", "not executable", "bad directory"],
    )
    def test_what_can_not_be_executed_is_a_launch_error(
        self, bench: Bench, argv: tuple[str, ...], cwd: str | None
    ) -> None:
        """One line that names the culprit."""
        attempt = bench.attempt()
        with pytest.raises(LaunchError) as caught:
            bench.launch(attempt, LaunchSpec(argv=argv, cwd=cwd or str(bench.shared)))
        culprit = cwd or argv[0]
        assert culprit in caught.value.message
        assert "\n" not in caught.value.message

    def test_stop_ends_it_and_records_how_it_really_ended(self, bench: Bench) -> None:
        """An exit code of the program's own is kept."""
        handle = bench.start(bench.attempt(), "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")
        bench.output(handle, b"ready")
        answer = bench.runtime.stop(handle, StopLadder(steps=(StopStep(signal="TERM", grace_s=10.0),)))
        assert answer.state is ProbeState.EXITED
        assert answer.exit is not None
        assert answer.exit.code == 3

    def test_stop_kills_what_does_not_listen(self, bench: Bench) -> None:
        """The end of the ladder is a kill of the whole tree."""
        handle = bench.start(bench.attempt(), "trap '' TERM INT; echo ready; while :; do sleep 0.05; done")
        bench.output(handle, b"ready")
        answer = bench.runtime.stop(handle, StopLadder(steps=(StopStep(signal="TERM", grace_s=0.2),)))
        assert answer.state is ProbeState.EXITED
        assert answer.exit is not None
        assert answer.exit.signal == 9
        assert answer.exit.survivors == ()

    def test_stop_is_idempotent_and_changes_no_recorded_exit(self, bench: Bench) -> None:
        """Stopping what has ended changes nothing."""
        handle = bench.start(bench.attempt(), "exit 5")
        first = bench.wait(handle)
        assert bench.runtime.stop(handle, KILL_NOW).exit == first.exit
        assert bench.runtime.stop(handle, KILL_NOW).exit == first.exit

    def test_a_handle_is_json_and_works_in_a_new_interpreter(self, bench: Bench) -> None:
        """Nothing but the handle's JSON is needed."""
        handle = bench.start(bench.attempt(), "exit 9")
        bench.wait(handle)
        data = {"runtime": handle.runtime, "version": handle.version, "data": dict(handle.data)}
        assert self.factory, "set `factory` so that another interpreter can make the runtime"
        done = subprocess.run(
            [sys.executable, "-c", _PROBE_ELSEWHERE, self.factory],
            input=json.dumps(data),
            capture_output=True,
            text=True,
            timeout=self.deadline_s,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["exited", 9]

    def test_the_output_is_complete_once_it_has_ended(self, bench: Bench) -> None:
        """Both streams, each in its own log, to the last byte."""
        attempt = bench.attempt()
        handle = bench.start(attempt, "seq 20000; echo talk >&2")
        bench.wait(handle)
        assert Path(attempt.directory, "out.log").read_bytes() == b"".join(b"%d\n" % i for i in range(1, 20001))
        assert Path(attempt.directory, "err.log").read_bytes() == b"talk\n"

    def test_the_environment_arrives_and_is_never_on_disk(self, bench: Bench) -> None:
        """Secrets reach the program and no file."""
        attempt = bench.attempt()
        secret = secrets.token_hex(16)
        seen = bench.shared / "seen"
        handle = bench.start(
            attempt,
            f'printf %s "$LOGIST_JOB $LOGIST_ATTEMPT $LOGIST_NONCE $CONTRACT_SECRET" > {seen}; sleep 0.2',
            environment={"CONTRACT_SECRET": secret},
        )
        before = list(_files_with(Path(attempt.directory), secret.encode()))
        bench.wait(handle)
        assert seen.read_text() == f"{attempt.key.job_id} {attempt.key.attempt} {attempt.key.nonce} {secret}"
        assert before == []
        assert list(_files_with(Path(attempt.directory), secret.encode())) == []

    def test_a_tampered_handle_never_touches_anybody(self, bench: Bench) -> None:
        """Neither the attempt nor a bystander is signalled through a handle that is wrong."""
        bystander = subprocess.Popen(["sleep", "60"])
        try:
            handle = bench.start(bench.attempt(), "sleep 60")
            for tampered in _tamper(handle, bystander.pid):
                answer = bench.runtime.stop(tampered, KILL_NOW)
                assert answer.state in (ProbeState.UNKNOWN, ProbeState.GONE)
            assert bystander.poll() is None
            assert bench.runtime.probe(handle).state is ProbeState.RUNNING
        finally:
            bystander.kill()
            bystander.wait()

    def test_watch_tells_of_the_end(self, bench: Bench) -> None:
        """A watch becomes readable, and is over."""
        if not bench.runtime.caps.watch:
            pytest.skip("this runtime has no watch")
        gate = bench.shared / "gate"
        os.mkfifo(gate)
        handle = bench.start(bench.attempt(), f"cat {gate}; exit 4")
        watch = bench.runtime.watch(handle)
        assert watch is not None
        try:
            gate.write_bytes(b"")
            _await_readable(watch.fileno(), self.deadline_s)
            while watch.drain():
                _await_readable(watch.fileno(), self.deadline_s)
        finally:
            watch.close()
        answer = bench.wait(handle)
        assert answer.exit is not None
        assert answer.exit.code == 4


class _Attempt:
    def __init__(self, key: AttemptKey, directory: str) -> None:
        self.key, self.directory = key, directory


class Bench:
    """Starts attempts of the runtime under test, and waits for them."""

    def __init__(self, runtime: Runtime, shared: Path, deadline_s: float) -> None:
        self.runtime, self.shared, self.deadline_s = runtime, shared, deadline_s
        self.handles: list[RuntimeHandle] = []
        self._directories: dict[str, str] = {}
        self._count = 0

    def attempt(self) -> _Attempt:
        """Return a new key with a directory of its own."""
        self._count += 1
        directory = self.shared / f"attempt-{self._count}"
        directory.mkdir(mode=0o700)
        return _Attempt(AttemptKey("contract0", self._count, secrets.token_hex(16)), str(directory))

    def start(self, attempt: _Attempt, script: str, environment: Mapping[str, str] | None = None) -> RuntimeHandle:
        """Start a shell script."""
        return self.launch(attempt, LaunchSpec(argv=("sh", "-c", script), cwd=str(self.shared)), environment)

    def launch(
        self, attempt: _Attempt, launch: LaunchSpec, environment: Mapping[str, str] | None = None
    ) -> RuntimeHandle:
        """Start anything."""
        full = {"PATH": os.environ.get("PATH", os.defpath), **(environment or {})}
        handle = self.runtime.start(launch, attempt.key, StartContext(directory=attempt.directory, environment=full))
        self.handles.append(handle)
        self._directories[json.dumps(dict(handle.data), sort_keys=True, default=str)] = attempt.directory
        return handle

    def wait(self, handle: RuntimeHandle) -> Probe:
        """Wait for the end."""
        answer: Probe = self.eventually(
            lambda: None if (now := self.runtime.probe(handle)).state is ProbeState.RUNNING else now
        )
        return answer

    def output(self, handle: RuntimeHandle, text: bytes) -> None:
        """Wait until the standard output holds `text`."""
        directory = self._directories[json.dumps(dict(handle.data), sort_keys=True, default=str)]
        log = Path(directory, "out.log")
        self.eventually(lambda: log.exists() and text in log.read_bytes())

    def eventually(self, ask: Callable[[], Any]) -> Any:
        """Return the first true answer."""
        deadline = time.monotonic() + self.deadline_s
        while time.monotonic() < deadline:
            answer = ask()
            if answer:
                return answer
            time.sleep(0.01)
        pytest.fail(f"nothing in {self.deadline_s} s")


def _tamper(handle: RuntimeHandle, pid: int) -> Iterator[RuntimeHandle]:
    """Yield handles in which every number is a bystander's pid, and every text is another one."""
    for name, value in handle.data.items():
        if isinstance(value, bool):
            continue
        if isinstance(value, int) and name != "attempt":
            yield RuntimeHandle(runtime=handle.runtime, version=handle.version, data={**handle.data, name: pid})
        elif isinstance(value, str) and name != "job_id":
            changed = value[:-1] + ("0" if value[-1:] != "0" else "1")
            yield RuntimeHandle(runtime=handle.runtime, version=handle.version, data={**handle.data, name: changed})
    yield RuntimeHandle(runtime=handle.runtime, version=handle.version, data={})
    yield RuntimeHandle(runtime=handle.runtime, version=handle.version, data={"pid": pid, "nonce": "0" * 32})


def _files_with(directory: Path, needle: bytes) -> Iterator[str]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and needle in path.read_bytes():
            yield str(path)


def _await_readable(fd: int, deadline_s: float) -> None:
    import select

    assert select.select([fd], [], [], deadline_s)[0], f"nothing in {deadline_s} s"
