"""A fake provider, the real programs, and an environment in which they know nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_provider.harness import Provider, agent_program, run_provider


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    """A fake provider in a network namespace of its own, with nothing but loopback."""
    with run_provider(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def claude() -> str:
    """The path of the pinned Claude Code CLI."""
    return agent_program("claude")
