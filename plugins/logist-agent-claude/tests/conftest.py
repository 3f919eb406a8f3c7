"""A job, and a program that stands in for the CLI."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logist_core.api import AgentContext, JobSpec


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """An executable called `claude` in a directory of its own; it prints a version."""
    path = tmp_path / "bin" / "claude"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho '2.1.197 (Claude Code)'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def ctx(program: Path, tmp_path: Path) -> AgentContext:
    """What an agent is told of an attempt on a machine where the CLI is installed and nobody is logged in."""
    home = tmp_path / "home"
    home.mkdir()
    return AgentContext(environment={"PATH": str(program.parent), "HOME": str(home)}, directory=str(tmp_path))


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., JobSpec]:
    """Make a job with some fields changed."""
    base = JobSpec(
        id="0123456789abcdef", agent="claude", runtime="host", cwd=str(tmp_path), created_at=0.0, prompt="say hello"
    )

    def make(**changes: Any) -> JobSpec:
        return dataclasses.replace(base, **changes)

    return make
