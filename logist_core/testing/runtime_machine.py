"""`RuntimeMachine`: a runtime asked in any order, by anybody, compared at each step with a model of a few lines.

    class MyMachine(RuntimeMachine):
        factory = "my_package.runtime:MyRuntime"

    TestMyMachine = machine_test(MyMachine)

The contract's tests try what they were written for; the machine tries what nobody thought of: a start after a search, a
stop of what has ended, a search in another process while a keeper is being replaced. The model is trusted, for it is
small, and it learns what happened from files that the attempts write themselves, never from the runtime.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

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

#: A new interpreter that has nothing but what the journal keeps: the key, the directory, the handle's JSON.
_ELSEWHERE = """
import importlib, json, sys
from logist_core.api import AttemptKey, RuntimeHandle
module, _, name = sys.argv[1].partition(":")
runtime = getattr(importlib.import_module(module), name)()
asked = json.load(sys.stdin)
found = runtime.find(AttemptKey(*asked["key"]), asked["directory"])
probe = runtime.probe(RuntimeHandle(**asked["handle"]))
print(json.dumps([found is not None, probe.state.value, probe.exit and [probe.exit.code, probe.exit.signal]]))
"""

#: It says that it runs, and ends with the code that it is told; TERM ends it with a code of its own or the signal.
_SCRIPT = 'echo run >> "$1/runs"; read code < "$1/gate"; exit "$code"'
_POLITE = StopLadder(steps=(StopStep(signal="TERM", grace_s=5.0),))


@dataclass
class Modelled:
    """What the model knows of an attempt.

    Attributes:
        key: The attempt's.
        place: Where the attempt writes what it does.
        directory: The attempt's directory.
        state: `new`, `void` (searched for before it was started), `running` or `ended`.
        handle: The first handle that `start` or `find` returned.
        exit: (code, signal) once it has ended.
    """

    key: AttemptKey
    place: Path
    directory: str
    state: str = "new"
    handle: RuntimeHandle | None = None
    exit: tuple[int | None, int | None] | None = None

    def __repr__(self) -> str:
        """Return a short text for hypothesis' report."""
        return f"<attempt {self.key.attempt}, {self.state}>"


class RuntimeMachine(RuleBasedStateMachine):
    """The machine. Set `factory`; override the methods below where your runtime has no local processes."""

    #: `module:callable` that makes the runtime without arguments, here and in another interpreter.
    factory: str = ""
    #: Seconds that anything may take here.
    deadline_s = 30.0
    #: So many descriptors the runtime may hold for itself, however many attempts there were (a server of its own, say).
    own_descriptors = 0

    attempts = Bundle("attempts")

    # What a subclass may override

    def supervising(self, handle: RuntimeHandle) -> list[int]:
        """Return processes of yours whose death must not harm the attempt; each may be killed. None by default."""
        return []

    def end(self, attempt: Modelled, code: int) -> None:
        """Let a running attempt end with `code`."""
        deadline = time.monotonic() + self.deadline_s
        while True:
            try:
                fd = os.open(attempt.place / "gate", os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError as error:
                if error.errno != errno.ENXIO or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)  # its shell hasn't come to the gate yet
        os.write(fd, b"%d\n" % code)
        os.close(fd)

    def runs(self, attempt: Modelled) -> int:
        """Return how often the attempt's program ran, from what it wrote itself."""
        try:
            return (attempt.place / "runs").read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def left(self, attempt: Modelled) -> list[int]:
        """Return processes that are left of an ended attempt; Linux: those with its nonce in their environment."""
        found = []
        mark = b"LOGIST_NONCE=" + attempt.key.nonce.encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    # The rules

    @initialize()
    def begin(self) -> None:
        """Make the runtime."""
        assert self.factory, "set `factory` to `module:callable`"
        self.root = Path(tempfile.mkdtemp(prefix="machine-"))
        self.runtime = self._new_runtime()
        self.all: list[Modelled] = []
        self.descriptors = _descriptors()

    def _new_runtime(self) -> Runtime:
        module, _, name = self.factory.partition(":")
        runtime: Runtime = getattr(import_module(module), name)()
        return runtime

    @rule(target=attempts)
    def prepare(self) -> Modelled:
        """A directory and a key; nothing is started."""
        number = len(self.all) + 1
        place = self.root / str(number)
        directory = place / "attempt"
        directory.mkdir(mode=0o700, parents=True)
        os.mkfifo(place / "gate")
        attempt = Modelled(AttemptKey("machine0", number, secrets.token_hex(16)), place, str(directory))
        self.all.append(attempt)
        return attempt

    @rule(attempt=attempts)
    def start(self, attempt: Modelled) -> None:
        """Start it, or start it again, which starts nothing."""
        launch = LaunchSpec(argv=("sh", "-c", _SCRIPT, "sh", str(attempt.place)), cwd=str(attempt.place))
        context = StartContext(directory=attempt.directory, environment={"PATH": os.environ.get("PATH", os.defpath)})
        try:
            handle = self.runtime.start(launch, attempt.key, context)
        except LaunchError:
            assert attempt.state == "void", f"{attempt} was refused"
            return
        assert attempt.state != "void", "it was started after a search had settled that it never would be"
        self._is_the_handle(attempt, handle)
        if attempt.state == "new":
            attempt.state = "running"
            self._eventually(lambda: self.runs(attempt) >= 1, "its first sign of life")

    @rule(attempt=attempts)
    def forget_the_handle_and_find(self, attempt: Modelled) -> None:
        """Find it by its key; what was never started is settled by that."""
        handle = self.runtime.find(attempt.key, attempt.directory)
        if attempt.state in ("new", "void"):
            assert handle is None, f"{attempt} was found, and never started"
            attempt.state = "void"
        else:
            assert handle is not None, f"{attempt} was not found"
            self._is_the_handle(attempt, handle)

    @rule(attempt=attempts)
    def probe(self, attempt: Modelled) -> None:
        """Look at it."""
        if attempt.handle is not None:
            self._agrees(attempt, self.runtime.probe(attempt.handle))

    @rule(attempt=attempts, code=st.sampled_from([0, 1, 37, 126, 127, 255]))
    def let_it_end(self, attempt: Modelled, code: int) -> None:
        """Let it end by itself and wait for that."""
        if attempt.state == "running":
            self.end(attempt, code)
            self._ends(attempt, {(code, None)})

    @rule(attempt=attempts, ladder=st.sampled_from([KILL_NOW, _POLITE]))
    def stop(self, attempt: Modelled, ladder: StopLadder) -> None:
        """Stop it; what has ended stays as it was."""
        if attempt.handle is None:
            return
        answer = self.runtime.stop(attempt.handle, ladder)
        if attempt.state == "running":
            assert answer.state is ProbeState.EXITED, answer
            self._ends(attempt, {(None, 9), (None, 15)} if ladder.steps else {(None, 9)})
        self._agrees(attempt, answer)

    @rule(attempt=attempts)
    def forget(self, attempt: Modelled) -> None:
        """Have the runtime release what it holds; of a running attempt that is nothing."""
        if attempt.handle is not None:
            self.runtime.forget(attempt.handle)
            self._agrees(attempt, self.runtime.probe(attempt.handle))

    @rule(attempt=attempts, choice=st.integers(0, 7))
    def kill_a_supervising_process(self, attempt: Modelled, choice: int) -> None:
        """Kill -9 one of the runtime's own processes: the attempt goes on."""
        if attempt.handle is None or attempt.state != "running":
            return
        pids = self.supervising(attempt.handle)
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[choice % len(pids)], 9)
            deadline = time.monotonic() + self.deadline_s
            while len(self.supervising(attempt.handle)) < len(pids) and time.monotonic() < deadline:
                self._agrees(attempt, self.runtime.probe(attempt.handle))
                time.sleep(0.01)

    @rule()
    def go_on_with_a_new_object(self) -> None:
        """Whoever held the runtime is dead: another object takes its place."""
        self.runtime = self._new_runtime()

    @rule(attempt=attempts)
    def ask_in_a_new_interpreter(self, attempt: Modelled) -> None:
        """Find and look at it with nothing but what the journal keeps."""
        if attempt.handle is None:
            return
        handle = attempt.handle
        asked = {
            "key": [attempt.key.job_id, attempt.key.attempt, attempt.key.nonce],
            "directory": attempt.directory,
            "handle": {"runtime": handle.runtime, "version": handle.version, "data": dict(handle.data)},
        }
        done = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE, self.factory],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=self.deadline_s,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        state = "exited" if attempt.state == "ended" else "running"
        assert json.loads(done.stdout) == [True, state, list(attempt.exit) if attempt.exit else None]

    @rule(attempt=attempts, digit=st.integers(0, 31))
    def use_a_tampered_handle(self, attempt: Modelled, digit: int) -> None:
        """A handle of nobody ends nobody."""
        if attempt.handle is None:
            return
        data: dict[str, Any] = dict(attempt.handle.data)
        nonce = attempt.key.nonce
        names = [name for name, value in data.items() if value == nonce]
        for name in names or list(data)[:1]:
            data[name] = nonce[:digit] + ("0" if nonce[digit] != "0" else "1") + nonce[digit + 1 :]
        tampered = RuntimeHandle(runtime=attempt.handle.runtime, version=attempt.handle.version, data=data)
        assert self.runtime.stop(tampered, KILL_NOW).state in (ProbeState.UNKNOWN, ProbeState.GONE)
        self.runtime.forget(tampered)
        self._agrees(attempt, self.runtime.probe(attempt.handle))

    @invariant()
    def nothing_ran_twice(self) -> None:
        """Every attempt ran once if it was started, else never."""
        for attempt in getattr(self, "all", []):
            assert self.runs(attempt) == (attempt.state in ("running", "ended")), attempt

    def teardown(self) -> None:
        """End everything, and look what is left."""
        if not hasattr(self, "all"):
            return
        try:
            for attempt in self.all:
                if attempt.handle is not None:
                    self.runtime.stop(attempt.handle, KILL_NOW)
                    self.runtime.forget(attempt.handle)
            for attempt in self.all:
                self._eventually(lambda attempt=attempt: not self.left(attempt), f"the end of all of {attempt}")
            self.runtime = self._new_runtime()  # what the last object held goes with it
            gc.collect()
            left = _descriptors() - self.descriptors
            assert len(left) <= self.own_descriptors, f"descriptors are left: {sorted(left)}"
        finally:
            shutil.rmtree(self.root, ignore_errors=True)

    # The model's word

    def _is_the_handle(self, attempt: Modelled, handle: RuntimeHandle) -> None:
        assert json.loads(json.dumps(dict(handle.data))) == dict(handle.data), "a handle is JSON"
        assert attempt.handle is None or handle == attempt.handle, "the same attempt has two handles"
        attempt.handle = handle

    def _agrees(self, attempt: Modelled, answer: Probe) -> None:
        if attempt.state == "ended":
            assert answer.state is ProbeState.EXITED and answer.exit is not None, (attempt, answer)
            assert (answer.exit.code, answer.exit.signal) == attempt.exit, (attempt, answer)
        else:
            assert answer.state is ProbeState.RUNNING, (attempt, answer)

    def _ends(self, attempt: Modelled, allowed: set[tuple[int | None, int | None]]) -> None:
        def ended() -> Probe | None:
            assert attempt.handle is not None
            answer = self.runtime.probe(attempt.handle)
            return None if answer.state is ProbeState.RUNNING else answer

        answer = self._eventually(ended, f"the end of {attempt}")
        assert answer.state is ProbeState.EXITED and answer.exit is not None, answer
        attempt.exit = (answer.exit.code, answer.exit.signal)
        assert attempt.exit in allowed, f"it ended with {attempt.exit}, not with one of {allowed}"
        attempt.state = "ended"

    def _eventually(self, ask: Any, what: str) -> Any:
        deadline = time.monotonic() + self.deadline_s
        while not (answer := ask()):
            assert time.monotonic() < deadline, f"{what}: not within {self.deadline_s} s"
            time.sleep(0.005)
        return answer


def _descriptors() -> set[str]:
    """Return this process's descriptors and what each is, but for hypothesis' own files."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                found.add(f"{name}: {os.readlink(f'/proc/self/fd/{name}')}")
    return {text for text in found if ".hypothesis" not in text}


def machine_test(machine: type[RuntimeMachine], *, examples: int = 6, steps: int = 15) -> Any:
    """Return the test class of a machine for pytest to collect: so many runs of so many steps."""
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    return case
