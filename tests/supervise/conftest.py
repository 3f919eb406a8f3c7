"""A supervised home for each test; see `support.world`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.world import ScriptedRegistry, World

from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    home = Home.open(tmp_path / "home")
    return World(home, JobStore(home), ScriptedRegistry())


@pytest_asyncio.fixture
async def supervised(world: World) -> AsyncIterator[World]:
    await world.start()
    yield world
    if world.supervisor is not None:
        await world.leave()
