from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest


def complete(words: str) -> list[str]:
    """Return what a bash would be offered after `words`."""
    typed = words.split(" ")
    env = {
        **os.environ,
        "_LOGIST_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(typed) - 1),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "logist_core"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stderr == ""
    return [line.partition(",")[2] for line in ran.stdout.splitlines() if line]


def test_commands_complete() -> None:
    assert complete("logist st") == ["status", "stop"]
    assert "run" in complete("logist ")


def test_jobs_complete_by_id_name_and_last(jobs: Any) -> None:
    job = jobs.ended(name="builder")
    assert complete("logist status b") == ["builder"]
    assert complete(f"logist status {job[:5]}") == [job]
    assert set(complete("logist logs ")) == {"builder", job, "@last"}
    assert complete("logist run --after b") == ["builder"]


def test_plugins_complete_from_metadata() -> None:
    assert complete("logist run -a mo") == ["mock"]
    assert complete("logist run --runtime h") == ["host"]


def test_options_complete() -> None:
    assert complete("logist logs --fo") == ["--follow"]


def test_without_a_home_no_job_completes() -> None:
    assert complete("logist status ") == []


def test_a_home_that_cannot_be_used_completes_nothing(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.ended(name="builder")
    jobs.home.path.chmod(0o755)
    assert complete("logist status b") == []
