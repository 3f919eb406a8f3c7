"""How the pi coding agent is planned: its command line, its environment, and whose account it works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from logist_agent_pi.agent import PiAgent

from logist_core.api import AgentContext, AttemptStatus, JobSpec, Last, LaunchSpec, UsageError

SESSION = "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"
Plan = Callable[..., LaunchSpec]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "pi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


@pytest.fixture
def plan(tmp_path: Path, environment: Mapping[str, str]) -> Plan:
    """Plan a job, or resume one with `resume`, with settings and variables."""
    base = JobSpec(id="0" * 16, agent="pi", runtime="host", cwd=str(tmp_path), created_at=0.0, prompt="paint the fence")

    def make(settings: Any = None, *, env: Any = None, resume: str | None = None, **job: Any) -> LaunchSpec:
        agent = PiAgent({**(settings or {})})
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
    return PiAgent({}).probe(AgentContext(environment={**environment, **env})).logged_in


def home(environment: Mapping[str, str], name: str, text: str) -> None:
    path = Path(environment["HOME"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_job_without_a_prompt_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="needs a prompt"):
        plan(prompt=" ")


def test_an_argument_that_takes_its_output_away_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="Logist reads its output"):
        plan(args=("--mode",))


def test_the_prompt_goes_in_by_standard_input(plan: Plan) -> None:
    launch = plan()
    assert launch.stdin_data == b"paint the fence"
    assert "paint" not in words(launch)


def test_the_command_line(plan: Plan) -> None:
    launch = plan({"provider": "openai", "model": "gpt-5", "tools": ["read", "grep"]})
    assert words(launch) == "--print --mode json --provider openai --model gpt-5 --tools read,grep"
    assert launch.note is None
    assert plan().note


def test_a_conversation_is_taken_up_by_its_id(plan: Plan) -> None:
    assert words(plan(resume=SESSION, args=("--continue",))).endswith(f"--session {SESSION}")


@pytest.mark.parametrize(("prompt", "last"), [("paint", "paint"), ("@etc", " @etc"), ("--help", " --help")])
def test_a_terminal_gets_the_whole_screen_program(plan: Plan, prompt: str, last: str) -> None:
    assert plan(pty=True, prompt=prompt).argv[-1] == last


def test_whose_account_it_is(plan: Plan, environment: Mapping[str, str]) -> None:
    assert plan().provider is None
    assert (plan({"provider": "openai"}, env={"OPENAI_API_KEY": "k"}).credential or "").startswith("openai:key-")
    assert plan({"model": "anthropic/opus"}).provider == "anthropic"
    assert plan(args=("--provider", "groq")).provider == "groq"
    home(
        environment,
        ".pi/agent/models.json",
        '{"providers": {"mine": {"baseUrl": "http://h:1/v1", "apiKey": "MY_KEY"}}}',
    )
    mine = plan({"provider": "mine"}, env={"MY_KEY": "k"})
    assert (mine.credential or "").startswith("h:1:key-")
    home(environment, ".pi/agent/auth.json", '{"anthropic": {"type": "oauth", "refresh": "r"}}')
    home(environment, ".pi/agent/settings.json", '{"defaultProvider": "anthropic"}')
    assert (plan().credential or "").startswith("anthropic:login-")


def test_whether_somebody_is_logged_in(environment: Mapping[str, str]) -> None:
    assert ready(environment) is False
    assert ready(environment, OPENAI_API_KEY="x") is True
    home(environment, ".pi/agent/models.json", '{"providers": {}}')
    assert ready(environment) is None
    home(environment, ".pi/agent/auth.json", '{"openai": {"type": "api_key", "key": "k"}}')
    assert ready(environment) is True
