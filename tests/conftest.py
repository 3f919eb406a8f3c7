"""Fixtures for everybody: a home of one's own, and nothing left running behind a test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.logist import Logist

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("default")


@pytest.fixture
def logist(tmp_path: Path) -> Iterator[Logist]:
    """The `logist` command in a fresh home, with a fresh HOME and configuration. Fails if anything is left running."""
    run_dir = Path(tempfile.mkdtemp(prefix="lg-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    user_home = tmp_path / "user"
    user_home.mkdir()
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("LOGIST_JOB", "LOGIST_NONCE", "XDG_"))},
        "HOME": str(user_home),
        "LOGIST_HOME": str(tmp_path / "home"),
        "LOGIST_CONFIG": str(tmp_path / "config.toml"),
        "XDG_RUNTIME_DIR": str(run_dir),
        "NO_COLOR": "1",
    }
    command = Logist(tmp_path / "home", environment)
    try:
        yield command
        left = command.clean_up()
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
    assert not left, f"left running: {left}"
