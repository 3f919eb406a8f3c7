"""How aider is planned: its command line, its environment, and whose account it works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from logist_agent_aider.agent import AiderAgent

from logist_core.api import AgentContext, AttemptStatus, JobSpec, Last, LaunchError, LaunchSpec, UsageError

SESSION = "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"
Plan = Callable[..., LaunchSpec]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "aider"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


@pytest.fixture
def plan(tmp_path: Path, environment: Mapping[str, str]) -> Plan:
    """Plan a job, or resume one with `resume`, with settings and variables."""
    base = JobSpec(
        id="0" * 16, agent="aider", runtime="host", cwd=str(tmp_path), created_at=0.0, prompt="paint the fence"
    )

    def make(settings: Any = None, *, env: Any = None, resume: str | None = None, **job: Any) -> LaunchSpec:
        agent = AiderAgent({"model": "openai/gpt-5", **(settings or {})})
        ctx = AgentContext(environment={**environment, **(env or {})}, directory=str(tmp_path))
        spec = dataclasses.replace(base, **job)
        if resume is None:
            return agent.plan(spec, ctx)
        attempt = AttemptStatus(number=1, state="exited", nonce="0" * 32)
        launch = agent.resume(spec, ctx, Last(attempt=attempt, session_id=resume, directory="", reason="a limit"))
        assert launch is not None
        return launch

    return make


def words(launch: LaunchSpec) -> str:
    return " ".join(launch.argv[1:])


def ready(environment: Mapping[str, str], **env: str) -> bool | None:
    return (
        AiderAgent(
            {
                "model": "openai/gpt-5",
            }
        )
        .probe(AgentContext(environment={**environment, **env}))
        .logged_in
    )


def home(environment: Mapping[str, str], name: str, text: str) -> None:
    path = Path(environment["HOME"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_job_without_a_prompt_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="needs a prompt"):
        plan(prompt=" ")


def test_an_argument_that_takes_its_output_away_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="Logist reads its output"):
        plan(args=("--gui",))


def test_the_command_line(plan: Plan, tmp_path: Path) -> None:
    launch = plan({"auto_commits": False, "files": ["a.py"]}, args=("--dark-mode",))
    assert "--yes-always" in launch.argv and "--no-analytics" in launch.argv
    assert "--model openai/gpt-5 --no-auto-commits --message-file" in words(launch)
    assert words(launch).endswith("--dark-mode --file=a.py")
    assert (tmp_path / "prompt.md").read_text() == "paint the fence"
    assert "paint" not in words(launch)


def test_a_task_is_handed_over_with_what_happened(plan: Plan, tmp_path: Path) -> None:
    launch = plan(resume=SESSION)
    told = (tmp_path / "prompt.md").read_text()
    assert "paint the fence" in told and "a limit" in told
    assert launch.note is not None and "hand-over" in launch.note


def test_it_never_waits_for_a_login_in_a_browser(plan: Plan, environment: Mapping[str, str]) -> None:
    with pytest.raises(LaunchError, match="browser"):
        plan({"model": None})
    assert plan({"model": None}, env={"OPENAI_API_KEY": "k"})
    assert plan({"model": None}, args=("--model", "gpt-5"))
    home(environment, ".aider.conf.yml", "model: x")
    assert plan({"model": None})


def test_a_terminal_gets_its_prompt_as_an_argument(plan: Plan) -> None:
    launch = plan(pty=True)
    assert "--message paint the fence" in words(launch)
    assert "--yes-always" not in launch.argv


@pytest.mark.parametrize(
    ("model", "provider"),
    [("openai/gpt-5", "openai"), ("gpt-5", "openai"), ("sonnet", "anthropic"), ("gemini/pro", "google"), ("x", None)],
)
def test_whose_account_it_is(plan: Plan, model: str, provider: str | None) -> None:
    assert plan({"model": model}).provider == provider


def test_a_key_names_the_account(plan: Plan) -> None:
    launch = plan(env={"OPENAI_API_KEY": "k", "OPENAI_API_BASE": "http://h:1/v1"})
    assert (launch.credential or "").startswith("h:1:key-")


def test_whether_somebody_is_logged_in(environment: Mapping[str, str]) -> None:
    assert ready(environment) is False
    assert ready(environment, OPENAI_API_KEY="x") is True
    assert ready(environment, AIDER_MODEL="x") is None
