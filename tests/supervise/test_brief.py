"""Attempts that are over before anybody could watch them are settled as any other, without a watch."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from support.world import World, true_at_last

from logist_core.api import ExitStatus, RuntimeHandle, Watch
from logist_core.supervise import daemon
from logist_core.supervise.brief import is_over_soon
from logist_core.testing.fake_runtime import FakeRuntime

pytestmark = pytest.mark.asyncio


class Wire:
    """A watch that the test fires, and that says that it is over, or not."""

    def __init__(self, *, over: bool) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.over = over

    def fileno(self) -> int:
        return self.ours.fileno()

    def drain(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            self.ours.recv(64)
        return not self.over

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


class Brief(FakeRuntime):
    """A runtime whose attempts end while they are started, or as soon as somebody watches."""

    def __init__(self, wire: Wire | None) -> None:
        super().__init__()
        self.wire = wire

    def watch(self, handle: RuntimeHandle) -> Watch | None:
        self.end(str(handle.data["directory"]), ExitStatus(code=3, source="fake"))
        if self.wire is not None:
            self.wire.theirs.send(b"!")
        return self.wire


@pytest.mark.parametrize("wire", [None, Wire(over=True)], ids=["nothing to watch", "watched for a moment"])
async def test_a_short_job_is_settled_with_its_output_and_never_watched(
    world: World, monkeypatch: pytest.MonkeyPatch, wire: Wire | None
) -> None:
    watched: list[Any] = []
    monkeypatch.setattr(daemon, "AttemptWatch", lambda *args: watched.append(args))
    world.registry.runtime = Brief(wire)
    await world.start()
    job = world.submit()
    status = await world.ended(job)
    assert (status.lifecycle.value, status.exit and status.exit.code, len(status.attempts)) == ("failed", 3, 1)
    assert world.kinds(job) == [
        *("job.created", "attempt.starting", "attempt.running", "attempt.exited", "job.finished"),
    ]
    await true_at_last(lambda: "forget" in world.registry.runtime.calls)
    await world.leave()
    assert watched == []
    assert world.registry.runtime.calls.count("forget") == 1
    assert wire is None or wire.ours.fileno() == -1


async def test_news_that_is_no_end_does_not_end_the_look(world: World) -> None:
    wire = Wire(over=False)
    wire.theirs.send(b"!")
    assert not await is_over_soon(wire, within_s=0.01)
    wire.over = True
    wire.theirs.send(b"!")
    assert await is_over_soon(wire)
    wire.close()
