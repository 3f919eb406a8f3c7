"""The dashboard as a person sees it: a real command, a real terminal, real jobs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.logist import Logist
from support.terminal import Terminal


@pytest.fixture
def dashboard(logist: Logist) -> Callable[..., Terminal]:
    def start(**options: Any) -> Terminal:
        environment = {k: v for k, v in logist.environment.items() if k != "NO_COLOR"}
        return Terminal([sys.executable, "-m", "logist_core", "dashboard"], environment, **{"cols": 120, **options})

    return start


def test_jobs_appear_change_and_end_before_ones_eyes(logist: Logist, dashboard: Callable[..., Terminal]) -> None:
    with dashboard() as terminal:
        terminal.until("No jobs yet", "q leaves")
        job = logist.shell("read x", "--pty", "--name", "first")
        terminal.until(job, "first", "running", "1 running")
        logist("kill", "--wait", job)
        terminal.until("cancelled", "1 ended")
        terminal.type("q")
        assert terminal.ended() == 0
        assert terminal.modes() == terminal.modes_before
        assert not terminal.cursor_hidden
        assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")


def test_what_a_job_prints_is_never_shown_raw(logist: Logist, dashboard: Callable[..., Terminal]) -> None:
    logist.ended(logist.submit("-a", "mock", "\x1b]0;owned\x07\x1b[2Jprompt", "--name", "evil"))
    with dashboard() as terminal:
        terminal.until("evil")
        terminal.signal(signal.SIGINT)
        assert terminal.ended() == 0
        assert b"owned" not in terminal.raw


def test_a_terminal_that_is_resized_is_drawn_anew(logist: Logist, dashboard: Callable[..., Terminal]) -> None:
    jobs = [logist.shell("true", "--name", f"job{number}") for number in range(6)]
    logist("wait", *jobs)
    with dashboard(rows=8) as terminal:
        terminal.until("3 more", "job5")
        terminal.resize(120, 40)
        terminal.signal(signal.SIGWINCH)
        terminal.until("job0", "q leaves")
        terminal.until("more", gone=True)
        terminal.signal(signal.SIGTERM)
        assert terminal.ended() == 0
        assert terminal.modes() == terminal.modes_before


def test_without_a_terminal_a_plain_table_is_printed_once(logist: Logist) -> None:
    job = logist.shell("true")
    logist.ended(job)
    ran = logist("dashboard", env={"COLUMNS": "120"})
    assert job in ran.stdout
    assert "\x1b" not in ran.stdout
