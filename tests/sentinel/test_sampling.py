"""When signs of life are sampled: they cost something, and an agent whose output goes on has shown that it lives."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from support.world import ScriptedRegistry, World, true_at_last

from logist_core.api import Vitals
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore


@pytest_asyncio.fixture
async def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="lg-") as run:  # short: there are sockets below it
        monkeypatch.setenv("XDG_RUNTIME_DIR", run)
        home = Home.open(tmp_path / "home")
        world = World(home, JobStore(home), ScriptedRegistry())
        await world.start()
        yield world
        await world.leave()


@pytest.mark.asyncio
async def test_nothing_is_sampled_while_output_progresses(supervised: World) -> None:
    supervised.registry.runtime.vitals = Vitals(cpu_s=1.0)
    seen = supervised.registry.sentinel.observations
    job = supervised.submit()
    await supervised.running(job)
    for number in range(5):
        looks = len(seen)
        supervised.say(job, f'{{"news": "number {number}"}}\n')
        await true_at_last(lambda looks=looks: len(seen) > looks)  # type: ignore[misc]
    assert all(later.vitals is None for earlier, later in pairwise(seen) if later.progress > earlier.progress)
    await true_at_last(lambda: seen[-1].vitals is not None)
    assert seen[-1].progress == seen[-2].progress
    supervised.end(job)
    await supervised.ended(job)
