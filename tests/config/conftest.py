"""A user's file and a repository, in a temporary directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from logist_core.config import Config


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    return tmp_path / "user" / "config.toml"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    (path / ".git").mkdir(parents=True)
    return path


@pytest.fixture
def load(user_file: Path, repo: Path) -> Callable[..., Config]:
    """Load a configuration from the texts of both files."""

    def load(user: str | None = None, project: str | None = None, *, cwd: Path | None = None) -> Config:
        if user is not None:
            user_file.parent.mkdir(exist_ok=True)
            user_file.write_text(user)
        if project is not None:
            (repo / ".logist.toml").write_text(project)
        return Config.load(cwd or repo, {"LOGIST_CONFIG": str(user_file)})

    return load
