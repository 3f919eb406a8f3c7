"""The machine accepts the fake runtime, and finds each of the ways in which a runtime may break its promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from logist_core.api import (
    AttemptKey,
    ExitStatus,
    LaunchSpec,
    Probe,
    ProbeState,
    RuntimeHandle,
    StartContext,
    StopLadder,
)
from logist_core.testing.fake_runtime import FakeRuntime
from logist_core.testing.runtime_machine import Modelled, RuntimeMachine, machine_test


class CountingRuntime(FakeRuntime):
    """A fake that writes down each run, as a program would."""

    def start(self, launch: LaunchSpec, key: AttemptKey, context: StartContext) -> RuntimeHandle:
        new = not (Path(context.directory) / "fake.json").exists()
        handle = super().start(launch, key, context)
        if new:
            self.ran(launch)
        return handle

    def ran(self, launch: LaunchSpec) -> None:
        with (Path(launch.cwd) / "runs").open("ab") as file:
            file.write(b"run\n")


class FakeMachine(RuntimeMachine):
    factory = f"{__name__}:CountingRuntime"
    deadline_s = 1.0

    def end(self, attempt: Modelled, code: int) -> None:
        FakeRuntime().end(attempt.directory, ExitStatus(code=code, source="fake"))

    @rule()
    def ask_in_a_new_interpreter(self) -> None:
        """A fake that this module makes isn't known elsewhere."""

    def left(self, attempt: Modelled) -> list[int]:
        return []


class RunsTwice(CountingRuntime):
    def start(self, launch: LaunchSpec, key: AttemptKey, context: StartContext) -> RuntimeHandle:
        self.ran(launch)
        return super().start(launch, key, context)


class ForgetsWithTheObject(CountingRuntime):
    def __init__(self) -> None:
        super().__init__()
        self.known: set[str] = set()

    def start(self, launch: LaunchSpec, key: AttemptKey, context: StartContext) -> RuntimeHandle:
        self.known.add(key.nonce)
        return super().start(launch, key, context)

    def find(self, key: AttemptKey, directory: str) -> RuntimeHandle | None:
        return super().find(key, directory) if key.nonce in self.known else None


class InventsAnExit(CountingRuntime):
    def probe(self, handle: RuntimeHandle) -> Probe:
        answer = super().probe(handle)
        if answer.state is ProbeState.EXITED:
            return Probe(state=ProbeState.EXITED, exit=ExitStatus(code=0, source="fake"))
        return answer


class BelievesAnyHandle(CountingRuntime):
    def stop(self, handle: RuntimeHandle, ladder: StopLadder) -> Probe:
        self.end(str(handle.data["directory"]), ExitStatus(signal=9, source="fake"))
        return super().probe(handle)


class StartsWhatWasGivenUp(CountingRuntime):
    def find(self, key: AttemptKey, directory: str) -> RuntimeHandle | None:
        there = (Path(directory) / "fake.json").exists()
        return super().find(key, directory) if there else None


class LeaksDescriptors(CountingRuntime):
    kept: list[Any] = []  # noqa: RUF012 - that is the defect

    def forget(self, handle: RuntimeHandle) -> None:
        self.kept.append(open("/dev/null"))  # noqa: SIM115


TestFakeRuntime = machine_test(FakeMachine)

BROKEN = [RunsTwice, ForgetsWithTheObject, InventsAnExit, BelievesAnyHandle, StartsWhatWasGivenUp, LeaksDescriptors]


@pytest.mark.parametrize("runtime", BROKEN, ids=lambda runtime: runtime.__name__)
def test_a_runtime_that_breaks_a_promise_is_found_out(runtime: type[FakeRuntime]) -> None:
    class Machine(FakeMachine):
        factory = f"{__name__}:{runtime.__name__}"

    unhurried = settings(
        machine_test(Machine, examples=200, steps=20).settings, phases=[Phase.generate], derandomize=True
    )
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(Machine, settings=unhurried)
    for file in LeaksDescriptors.kept:
        file.close()
