"""How opencode is planned: its command line, its environment, and whose account it works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from logist_agent_opencode.agent import OpencodeAgent

from logist_core.api import AgentContext, AttemptStatus, JobSpec, Last, LaunchError, LaunchSpec, UsageError

SESSION = "ses_dfde98f4cffeocYopSyq4UJEGk"
Plan = Callable[..., LaunchSpec]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "opencode"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


@pytest.fixture
def plan(tmp_path: Path, environment: Mapping[str, str]) -> Plan:
    """Plan a job, or resume one with `resume`, with settings and variables."""
    base = JobSpec(
        id="0" * 16, agent="opencode", runtime="host", cwd=str(tmp_path), created_at=0.0, prompt="paint the fence"
    )

    def make(settings: Any = None, *, env: Any = None, resume: str | None = None, **job: Any) -> LaunchSpec:
        agent = OpencodeAgent({"model": "openai/gpt-5", **(settings or {})})
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
        OpencodeAgent(
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
        plan(args=("--format",))


def test_the_prompt_goes_in_by_standard_input(plan: Plan) -> None:
    launch = plan()
    assert launch.stdin_data == b"paint the fence"
    assert "paint" not in words(launch)


def test_the_command_line(plan: Plan) -> None:
    launch = plan({"agent": "build", "approve_all": True})
    assert words(launch) == "run --format json --model openai/gpt-5 --agent build --auto"
    assert launch.note


def test_a_conversation_is_taken_up_by_its_id(plan: Plan) -> None:
    assert f"--session {SESSION}" in words(plan(resume=SESSION, args=("-c",)))


def test_it_never_goes_to_its_vendors_model_unasked(plan: Plan, environment: Mapping[str, str]) -> None:
    with pytest.raises(LaunchError, match="hosted model"):
        plan({"model": None})
    assert plan({"model": None}, args=("--model", "anthropic/x")).provider == "anthropic"
    home(environment, ".config/opencode/opencode.json", '{"model": "google/gemini"}')
    assert plan({"model": None}).provider == "google"


def test_a_terminal_gets_the_whole_screen_program(plan: Plan) -> None:
    assert plan(pty=True).argv[-1] == "--prompt=paint the fence"


def test_whose_account_it_is(plan: Plan, environment: Mapping[str, str]) -> None:
    assert (plan(env={"OPENAI_API_KEY": "k"}).credential or "").startswith("openai:key-")
    config = '{"provider": {"mine": {"options": {"baseURL": "http://h:1/v1", "apiKey": "k"}}}}'
    launch = plan({"model": "mine/m"}, env={"OPENCODE_CONFIG_CONTENT": config})
    assert launch.provider == "h:1"
    assert (launch.credential or "").startswith("h:1:key-")
    home(environment, ".local/share/opencode/auth.json", '{"openai": {"type": "oauth", "refresh": "r"}}')
    assert (plan().credential or "").startswith("openai:login-")


def test_whether_somebody_is_logged_in(environment: Mapping[str, str], tmp_path: Path) -> None:
    assert ready(environment) is False
    assert ready(environment, OPENAI_API_KEY="x") is True
    (tmp_path / "c.json").write_text('{"model": "mine/m"}')
    assert ready(environment, OPENCODE_CONFIG=str(tmp_path / "c.json")) is None
    home(environment, ".local/share/opencode/auth.json", '{"openai": {"type": "api", "key": "k"}}')
    assert ready(environment) is True
