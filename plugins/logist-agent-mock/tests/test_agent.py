"""What the mock agent plans, refuses to plan, and remembers of a session."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from logist_agent_mock import agent as agent_module
from logist_agent_mock.agent import MockAgent

from logist_core.api import AgentContext, AttemptStatus, JobSpec, Last, LaunchError, UsageError

pytestmark = pytest.mark.fast


@pytest.fixture
def plan(tmp_path):
    """Return what plans a run with settings, and gives the plan and the content of the plan file."""

    def make(job=None, **settings):
        spec = JobSpec(
            agent="mock",
            runtime="host",
            cwd=str(tmp_path),
            created_at=0.0,
            **{"id": "0123456789abcdef", "prompt": "say hello", **(job or {})},
        )
        launch = MockAgent(settings).plan(spec, AgentContext(directory=str(tmp_path)))
        return launch, json.loads((tmp_path / "mock-plan.json").read_text())

    return make


def last_of(directory, session_id=None, **last):
    attempt = AttemptStatus(number=1, state="exited", nonce="0" * 32)
    return Last(attempt=attempt, session_id=session_id, directory=str(directory), **last)


def test_the_prompt_goes_by_standard_input(plan):
    launch, content = plan()
    assert (launch.stdin, launch.stdin_data) == ("data", b"say hello")
    assert content["prompt"] is None
    assert launch.argv[:3] == (sys.executable, "-I", "-S")


@pytest.mark.parametrize(
    ("job", "settings", "stdin"),
    [
        ({}, {"scenario": "permission"}, "open"),
        ({}, {"scenario": "permission", "stdin": "null"}, "null"),
        ({}, {"stdin": "open"}, "open"),
        ({}, {"stdin": "null"}, "null"),
        ({"pty": True}, {}, "open"),
        ({"prompt": None}, {}, "null"),
    ],
)
def test_the_prompt_goes_by_the_plan_file_where_standard_input_is_taken(plan, job, settings, stdin):
    launch, content = plan(job, **settings)
    assert (launch.stdin, launch.stdin_data) == (stdin, b"")
    assert content["prompt"] == job.get("prompt", "say hello")
    assert not content["prompt_on_stdin"]


@pytest.mark.parametrize(
    ("prompt", "data"),
    [
        ("gr\u00fcn", "gr\u00fcn".encode()),
        ("raw \udcff", b"raw \xff"),
        ("lone \ud800", b"lone ?"),
        ("nul \0", b"nul \0"),
    ],
)
def test_any_prompt_can_be_passed_on(plan, prompt, data):
    assert plan({"prompt": prompt})[0].stdin_data == data


def test_a_prompt_that_is_no_unicode_survives_the_plan_file(plan):
    assert plan({"prompt": "lone \ud800"}, stdin="open")[1]["prompt"] == "lone \ud800"


def test_the_session_depends_on_job_attempt_and_seed(plan, tmp_path):
    first = plan()[0].session_id
    assert plan()[0].session_id == first
    assert plan(seed=1)[0].session_id != first
    assert plan({"id": "fedcba9876543210"})[0].session_id != first


def test_arguments_are_refused_with_what_to_write(plan):
    with pytest.raises(UsageError, match="takes no arguments after `--`") as caught:
        plan({"args": ("-x",)})
    assert "--agent-set" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scenario": "none"}, "`scenario` must be one of success, error"),
        ({"format": "xml"}, "`format` must be one of text, json"),
        ({"speed": -1.0}, "`speed` must be a number from 0 to 1e[+]06, not -1.0"),
        ({"pace_s": float("nan")}, "`pace_s` must be a number"),
        ({"reset_s": float("inf")}, "`reset_s` must be a number"),
        ({"tokens": 0}, "`tokens` must be a number from 1"),
        ({"delay_s": "x"}, "`delay_s` must be a number"),
        ({"ignore": ["KILL"]}, "`ignore` takes HUP, INT, QUIT, TERM, not 'KILL'"),
        ({"script": "a", "replay": "b"}, "`script` and `replay` are both set"),
        ({"script": "a\0b"}, "can't hold NUL"),
    ],
)
def test_a_wrong_setting_is_named(plan, settings, message):
    with pytest.raises(UsageError, match=message):
        plan(**settings)


def test_without_a_directory_there_is_no_plan(tmp_path):
    job = JobSpec(id="0" * 16, agent="mock", runtime="host", cwd="/", created_at=0.0)
    with pytest.raises(LaunchError, match="needs the attempt's directory"):
        MockAgent({}).plan(job, AgentContext())
    with pytest.raises(LaunchError, match=r"can't write the plan file .*: No such file or directory"):
        MockAgent({}).plan(job, AgentContext(directory=str(tmp_path / "none")))


def test_a_plan_file_is_not_written_through_a_link(plan, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    os.symlink(victim, tmp_path / "mock-plan.json.new")
    with pytest.raises(LaunchError, match="can't write the plan file"):
        plan()
    assert victim.read_text() == "kept"


def test_a_broken_installation_is_an_answer_and_a_launch_error(plan, monkeypatch):
    monkeypatch.setattr(agent_module, "_PROGRAM", Path("/nonexistent/program.py"))
    monkeypatch.setattr(sys, "executable", "")
    readiness = MockAgent({}).probe(AgentContext())
    assert not readiness.installed
    assert len(readiness.problems) == 2
    with pytest.raises(LaunchError, match=r"program\.py is missing"):
        plan()


def test_it_is_ready_without_a_login(plan):
    readiness = MockAgent({}).probe(AgentContext())
    assert (readiness.installed, readiness.version, readiness.logged_in) == (True, "0.1.0", None)


def test_a_resume_finds_the_session_in_the_last_attempts_directory(plan, tmp_path):
    launch, _ = plan()
    resumed = self_resume(tmp_path, last_of(tmp_path))
    assert resumed.session_id == launch.session_id


def self_resume(tmp_path, last, **settings):
    job = JobSpec(id="0" * 16, agent="mock", runtime="host", cwd=str(tmp_path), created_at=0.0, prompt="first words")
    fresh = tmp_path / "fresh"
    fresh.mkdir(exist_ok=True)
    return MockAgent(settings).resume(job, AgentContext(directory=str(fresh), attempt=2), last)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"session_id": 1}', b"\xff", b"[" * 100_000, b'{"session_id": ""}'],
)
def test_a_session_file_that_is_spoilt_is_no_session(tmp_path, content):
    (tmp_path / "mock-session.json").write_bytes(content)
    assert self_resume(tmp_path, last_of(tmp_path)) is None


def test_a_session_seen_in_the_output_overrules_the_file(tmp_path):
    (tmp_path / "mock-session.json").write_text('{"session_id": "other", "turns": 5, "resets_at": 9.0}')
    resumed = self_resume(tmp_path, last_of(tmp_path, "seen"))
    content = json.loads((tmp_path / "fresh" / "mock-plan.json").read_text())
    assert resumed.session_id == "seen"
    assert (content["turns_before"], content["resets_at"]) == (0, None)


def test_fields_of_a_session_file_that_are_spoilt_are_left_out(tmp_path):
    (tmp_path / "mock-session.json").write_text('{"session_id": "s", "turns": "many", "resets_at": Infinity}')
    assert self_resume(tmp_path, last_of(tmp_path)).session_id == "s"
    content = json.loads((tmp_path / "fresh" / "mock-plan.json").read_text())
    assert (content["turns_before"], content["resets_at"]) == (0, None)


@pytest.mark.parametrize(
    ("last", "prompt"),
    [
        ({"prompt": "now the docs"}, b"now the docs"),
        ({"reason": "usage limit"}, b"Go on where you stopped (usage limit)."),
        ({}, b"Go on where you stopped."),
    ],
)
def test_a_resume_says_what_it_is_told_to_or_its_own_words(tmp_path, last, prompt):
    assert self_resume(tmp_path, last_of(tmp_path, "s", **last)).stdin_data == prompt
