"""A supervised home for each test; see `support.world`."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.world import ScriptedRegistry, World

from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="lg-") as run:  # short: there are sockets below it
        monkeypatch.setenv("XDG_RUNTIME_DIR", run)
        home = Home.open(tmp_path / "home")
        yield World(home, JobStore(home), ScriptedRegistry())


@pytest_asyncio.fixture
async def supervised(world: World) -> AsyncIterator[World]:
    await world.start()
    yield world
    if world.supervisor is not None:
        await world.leave()
