"""`logist show`: what an agent did, turn by turn. On journals and logs, without an agent's run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logist_core.api import LaunchSpec, OutputFormat
from logist_core.supervise.planfile import save_plan

Run = Callable[..., Any]

EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "session", "session_id": "s-1", "turn": 1},
    {"type": "text", "text": "I look at \x1b[31mit\x1b]0;owned\x07."},
    {"type": "tool", "state": "open", "id": "1", "name": "shell", "input": "make test"},
    {"type": "tool", "state": "closed", "id": "1", "name": "shell", "ok": False, "exit_code": 2},
    {"type": "text", "text": "The key is hunter2-hunter2.\n" + "\n".join(f"line {n}" for n in range(30))},
    {"type": "usage", "tokens_in": 2184, "tokens_out": 204, "cost_usd": 0.5},
    {"type": "result", "status": "success", "turns": 1},
)


@pytest.fixture
def told(jobs: Any) -> str:
    """A job of an agent that tells its conversation."""
    job: str = jobs.ended(0, prompt="mend it", secrets=("KEY",))
    log(jobs, job, "".join(json.dumps(event) + "\n" for event in EVENTS), OutputFormat.JSON_LINES)
    return job


def log(jobs: Any, job: str, text: str, output: OutputFormat) -> Path:
    directory: Path = jobs.log(job, text.encode())
    save_plan(str(directory), LaunchSpec(argv=("x",), cwd="/", output=output))
    return directory


def test_turns_tools_and_totals_are_shown_without_escapes_and_secrets(
    told: str, logist_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "hunter2-hunter2")
    shown = logist_here("show", told)
    assert shown.code == 0
    assert "  1 I look at it." in shown.out
    assert "shell  make test  failed" in shown.out
    assert "exit 2" in shown.out
    assert "The key is [redacted]." in shown.out
    assert "more lines (--full)" in shown.out
    assert "2 turns, 1 tool call (1 failed), 2,184 tokens in, 204 out, $0.5000" in shown.out
    assert "> mend it" in shown.out
    assert "\x1b" not in shown.out
    assert "hunter2" not in shown.out


def test_everything_is_shown_with_full(told: str, logist_here: Run) -> None:
    shown = logist_here("show", told, "--full").out
    assert "line 29" in shown
    assert "more lines" not in shown


def test_programs_get_the_same_as_json(told: str, logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "hunter2-hunter2")
    shown = logist_here("show", told, "--json")
    assert (shown.json["schema"], shown.json["id"], shown.json["prompt"]) == (1, told, "mend it")
    (attempt,) = shown.json["attempts"]
    assert (attempt["attempt"], attempt["ok"], attempt["cost_usd"]) == (1, True, 0.5)
    first, second = attempt["turns"]
    assert first["tools"] == [
        {"name": "shell", "text": "make test", "path": None, "closed": True, "ok": False, "result": "exit 2"}
    ]
    assert second["texts"][0].startswith("The key is [redacted].")
    assert "hunter2" not in shown.out


def test_of_plain_text_the_end_is_shown(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended(0, prompt="x")
    log(jobs, job, "".join(f"step {n}\n" for n in range(100)), OutputFormat.TEXT)
    shown = logist_here("show", job)
    assert "step 99" in shown.out
    assert "step 79" not in shown.out
    assert f"logist logs {job}" in shown.err
    assert logist_here("show", job, "--json").json["attempts"][0]["turns"] is None


def test_an_attempt_that_is_not_there_is_not_found(told: str, logist_here: Run) -> None:
    shown = logist_here("show", told, "--attempt", "2")
    assert shown.code == 3
    assert "no attempt 2" in shown.err


def test_a_line_that_is_no_event_is_passed_over(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended(0)
    noise = 'warning: {"type"\n{"type": "text", "te\n' + '{"type": "text", "text": "still here"}'
    log(jobs, job, noise, OutputFormat.JSON_LINES)
    assert "  1 still here" in logist_here("show", job).out


def test_a_job_that_has_not_started_shows_nothing_but_itself(jobs: Any, logist_here: Run) -> None:
    job = jobs.make(prompt="later")
    shown = logist_here("show", job)
    assert shown.code == 0
    assert shown.out.splitlines() == [f"job {job}: mock on host, queued", "  > later"]
