"""Attaching that doesn't go well. That it goes well is tested with real jobs in test_foreground.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.terminal import Terminal

from logist_core.api import LaunchSpec
from logist_core.cli import foreground
from logist_core.supervise import client, control, terminal
from logist_core.supervise.planfile import save_plan
from logist_core.supervise.terminal import AttachEnd

Run = Callable[..., Any]


@pytest.fixture
def job(jobs: Any) -> str:
    """A running job with a terminal that nobody can be connected to."""
    job: str = jobs.running()
    directory: Path = jobs.log(job, b"what it wrote\r\n")
    save_plan(str(directory), LaunchSpec(argv=("x",), cwd="/", pty=True))
    return job


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreground, "on_terminal", lambda: True)
    monkeypatch.setattr(foreground, "_let_read", lambda: None)


def test_a_terminal_that_cannot_be_attached_to_is_shown_as_output(jobs: Any, job: str) -> None:
    with Terminal([sys.executable, "-m", "logist_core", "attach", job], dict(os.environ)) as screen:
        screen.until("can't attach", "what it wrote")
        jobs.add(job, *jobs.end(3))
        assert screen.ended() == 5
        assert "failed in" in screen.text


@pytest.mark.usefixtures("at_a_terminal")
def test_a_connection_that_is_lost_is_said(job: str, logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "attach", lambda *_, **__: AttachEnd(reason="lost", detail="no pump answers"))
    ran = logist_here("attach", job)
    assert ran.code == 1
    assert "the connection is lost: no pump answers" in ran.err
    assert f"Come back: logist attach {job}" in ran.err
    assert ran.out == ""


@pytest.mark.usefixtures("at_a_terminal")
def test_one_looks_on_without_typing_when_asked(job: str, logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def attach(open_channel: Callable[[int, int], Any], *, read_only: bool) -> AttachEnd:
        asked.append(read_only)
        open_channel(80, 24)
        return AttachEnd(reason="detached")

    monkeypatch.setattr(terminal, "attach", attach)
    monkeypatch.setattr(control, "open_channel", lambda *_, **options: asked.append(options["read_only"]))
    assert logist_here("attach", "--read-only", job).code == 0
    assert asked == [True, True]


@pytest.mark.usefixtures("at_a_terminal")
def test_an_attempt_is_attached_to_once_and_its_end_is_waited_for(
    jobs: Any, job: str, logist_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attach(*_: object, **__: object) -> AttachEnd:
        jobs.add(job, *jobs.end(0))
        return AttachEnd(reason="exited")

    monkeypatch.setattr(terminal, "attach", attach)
    ran = logist_here("attach", job)
    assert ran.code == 0
    assert ran.err.splitlines()[-1].startswith("logist: succeeded")


def test_a_job_that_becomes_held_ends_the_watch_with_what_to_do(
    jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.ended(1)

    def notify(*_: object, **__: object) -> None:
        jobs.add(job, *jobs.start(2), jobs.exited(1, 2), ("job.held", {"reason": "log in first"}))

    monkeypatch.setattr(client, "notify", notify)
    ran = logist_here("retry", "-f", job)
    assert ran.code == 4
    assert "held for a person: log in first" in ran.err
    assert f"logist resume {job}" in ran.err
