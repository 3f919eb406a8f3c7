from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from logist_core.cli.text import one_line
from logist_core.dashboard.board import Board, compose
from logist_core.dashboard.screen import MOST_PER_S, Pace, print_once, render, watch
from logist_core.types.job import JobStatus, Lifecycle

NOW = 1_800_000_000.0


def board(*statuses: JobStatus, **options: Any) -> Board:
    return compose(statuses, now=NOW, clean=one_line, **{"limit": None, **options})


def job(number: int, lifecycle: Lifecycle = Lifecycle.RUNNING, **fields: Any) -> JobStatus:
    plain = {"id": f"{number:04d}", "name": None, "agent": "mock", "runtime": "host", "created_at": NOW}
    return JobStatus(**{**plain, "lifecycle": lifecycle, **fields})


def drawn(shown: Board, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(render(shown, **options))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_title_counts_and_the_rows_follow() -> None:
    text = drawn(board(job(1), job(2, Lifecycle.HELD, reason="log in"), job(3, Lifecycle.FAILED)), footer="q leaves")
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[0] == "logist   1 needs you   1 running   1 ended"
    assert [line.split()[0] for line in lines[3:6]] == ["0002", "0001", "0003"]
    assert "log in" in lines[3]
    assert lines[-1] == "q leaves"


def test_markup_in_what_a_job_says_means_nothing() -> None:
    assert "[bold red]x[/]" in drawn(board(job(1, name="[bold red]x[/]")))


def test_an_empty_board_says_how_to_start() -> None:
    assert "logist run" in drawn(board())


def test_what_does_not_fit_and_what_cannot_be_read_is_counted() -> None:
    text = drawn(board(*(job(n) for n in range(9)), limit=4, problems=2))
    assert "5 more" in text
    assert "2 unreadable" in text


def test_a_plain_board_has_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_once(board(job(1, Lifecycle.FAILED)), width=100)
    out = capsys.readouterr().out
    assert "0001" in out
    assert "\x1b" not in out


def test_drawing_is_limited_to_a_few_times_a_second() -> None:
    pace = Pace()
    assert pace.wait_s(100.0) == 0.0
    pace.drew(100.0)
    assert pace.wait_s(100.1) == pytest.approx(1 / MOST_PER_S - 0.1)
    assert pace.wait_s(101.0) == 0.0


def watching(waits: Callable[[float], bool]) -> tuple[str, int]:
    """Watch a board that changes all the time; return what was written and how often it was drawn."""
    draws = 0

    def changing(_room: int) -> Board:
        nonlocal draws
        draws += 1
        return board(job(draws))

    console = Console(file=io.StringIO(), width=80, height=20, force_terminal=True)
    watch(changing, waits, footer="q leaves", console=console)
    return console.file.getvalue(), draws  # type: ignore[attr-defined]


def test_changes_that_come_all_the_time_are_drawn_a_few_times_a_second() -> None:
    end = time.monotonic() + 1.0

    def always_changing(timeout_s: float) -> bool:
        time.sleep(min(timeout_s, 0.01))
        return time.monotonic() > end

    _, draws = watching(always_changing)
    assert 2 <= draws <= MOST_PER_S + 2


def test_leaving_restores_the_screen_and_the_cursor() -> None:
    written, draws = watching(lambda _timeout_s: True)
    assert draws == 1
    assert "\x1b[?1049h" in written
    assert written.rindex("\x1b[?1049l") > written.rindex("\x1b[?1049h")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
