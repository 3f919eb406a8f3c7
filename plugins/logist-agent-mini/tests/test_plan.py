"""How mini-swe-agent is planned: its command line, its environment, and whose account it works on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from logist_agent_mini.agent import MiniAgent

from logist_core.api import AgentContext, AttemptStatus, JobSpec, Last, LaunchSpec, UsageError

SESSION = "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"
Plan = Callable[..., LaunchSpec]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "mini"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


@pytest.fixture
def plan(tmp_path: Path, environment: Mapping[str, str]) -> Plan:
    """Plan a job, or resume one with `resume`, with settings and variables."""
    base = JobSpec(
        id="0" * 16, agent="mini", runtime="host", cwd=str(tmp_path), created_at=0.0, prompt="paint the fence"
    )

    def make(settings: Any = None, *, env: Any = None, resume: str | None = None, **job: Any) -> LaunchSpec:
        agent = MiniAgent({"model": "openai/gpt-5", **(settings or {})})
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
        MiniAgent(
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
        plan(args=("--task=x",))


def test_the_command_line(plan: Plan, tmp_path: Path) -> None:
    launch = plan({"cost_limit_usd": 1.5})
    assert f"--config mini.yaml --config {tmp_path}/task.yaml --yolo --exit-immediately" in words(launch)
    assert words(launch).endswith("--model openai/gpt-5 --cost-limit 1.5")
    assert json.loads((tmp_path / "task.yaml").read_text()) == {"run": {"task": "paint the fence"}}
    assert "paint" not in words(launch)
    assert launch.note


def test_a_task_is_handed_over_with_what_happened(plan: Plan, tmp_path: Path) -> None:
    launch = plan(resume=SESSION)
    told = (tmp_path / "task.yaml").read_text()
    assert "paint the fence" in told and "a limit" in told
    assert launch.note is not None and "hand-over" in launch.note


def test_a_terminal_gets_its_prompt_as_an_argument(plan: Plan) -> None:
    launch = plan(pty=True)
    assert "--task=paint the fence" in launch.argv
    assert "--yolo" not in launch.argv


@pytest.mark.parametrize(
    ("model", "provider"), [("openai/gpt-5", "openai"), ("anthropic/opus", "anthropic"), ("x", None)]
)
def test_whose_account_it_is(plan: Plan, model: str, provider: str | None) -> None:
    assert plan({"model": model}).provider == provider


def test_a_key_names_the_account(plan: Plan) -> None:
    launch = plan(env={"OPENAI_API_KEY": "k", "OPENAI_API_BASE": "http://h:1/v1"})
    assert (launch.credential or "").startswith("h:1:key-")


def test_whether_somebody_is_logged_in(environment: Mapping[str, str]) -> None:
    assert ready(environment) is False
    assert ready(environment, OPENAI_API_KEY="x") is True
    home(environment, ".config/mini-swe-agent/.env", "OPENAI_API_KEY=x")
    assert ready(environment) is None
