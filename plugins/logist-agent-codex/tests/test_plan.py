"""How the Codex CLI is planned: its command line, its environment, and whose account it works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from logist_agent_codex.agent import CodexAgent

from logist_core.api import AgentContext, AttemptStatus, JobSpec, Last, LaunchSpec, UsageError

SESSION = "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"
Plan = Callable[..., LaunchSpec]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "codex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


@pytest.fixture
def plan(tmp_path: Path, environment: Mapping[str, str]) -> Plan:
    """Plan a job, or resume one with `resume`, with settings and variables."""
    base = JobSpec(
        id="0" * 16, agent="codex", runtime="host", cwd=str(tmp_path), created_at=0.0, prompt="paint the fence"
    )

    def make(settings: Any = None, *, env: Any = None, resume: str | None = None, **job: Any) -> LaunchSpec:
        agent = CodexAgent({**(settings or {})})
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
    return CodexAgent({}).probe(AgentContext(environment={**environment, **env})).logged_in


def home(environment: Mapping[str, str], name: str, text: str) -> None:
    path = Path(environment["HOME"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_job_without_a_prompt_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="needs a prompt"):
        plan(prompt=" ")


def test_an_argument_that_takes_its_output_away_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="Logist reads its output"):
        plan(args=("--json",))


def test_the_prompt_goes_in_by_standard_input(plan: Plan) -> None:
    launch = plan()
    assert launch.stdin_data == b"paint the fence"
    assert "paint" not in words(launch)


def test_the_command_line(plan: Plan) -> None:
    launch = plan({"model": "gpt-5"}, args=("--add-dir", "../lib"))
    assert launch.argv[1:3] == ("exec", "--json")
    assert launch.argv[-1] == "-"
    assert "--model gpt-5 --add-dir ../lib -" in words(launch)
    assert 'sandbox_mode="workspace-write"' in launch.argv and 'approval_policy="never"' in launch.argv


def test_a_conversation_is_taken_up_by_its_id(plan: Plan) -> None:
    launch = plan(resume=SESSION)
    assert launch.argv[1:3] == ("exec", "resume")
    assert launch.argv[-2:] == (SESSION, "-")
    assert b"a limit" in launch.stdin_data


def test_without_a_sandbox_it_says_so(plan: Plan) -> None:
    launch = plan({"bypass_sandbox": True})
    assert "--dangerously-bypass-approvals-and-sandbox" in launch.argv
    assert launch.note


def test_a_terminal_gets_the_whole_screen_program(plan: Plan) -> None:
    launch = plan(pty=True)
    assert "exec" not in launch.argv
    assert launch.argv[-2:] == ("--", "paint the fence")


def test_a_key_names_the_account(plan: Plan) -> None:
    launch = plan(env={"OPENAI_API_KEY": "sk-1"})
    assert launch.provider == "openai"
    assert launch.credential is not None and launch.credential.startswith("openai:key-")


def test_a_stored_login_names_the_account_whatever_its_tokens_are(plan: Plan, environment: Mapping[str, str]) -> None:
    home(environment, ".codex/auth.json", '{"tokens": {"account_id": "acc-1", "refresh_token": "r1"}}')
    one = plan().credential
    home(environment, ".codex/auth.json", '{"tokens": {"account_id": "acc-1", "refresh_token": "r2"}}')
    assert one == plan().credential
    assert one is not None and one.startswith("openai:login-")


def test_a_stored_key_names_the_account(plan: Plan, environment: Mapping[str, str]) -> None:
    home(environment, ".codex/auth.json", '{"OPENAI_API_KEY": "sk-1"}')
    assert plan().credential == plan(env={"CODEX_API_KEY": "sk-1"}).credential


def test_a_provider_of_the_users_own_is_named_by_its_address(plan: Plan, environment: Mapping[str, str]) -> None:
    home(
        environment,
        ".codex/config.toml",
        'model_provider = "mine"\n[model_providers.mine]\nbase_url = "http://h:8080/v1"\nenv_key = "MY_KEY"\n',
    )
    launch = plan(env={"MY_KEY": "k"})
    assert launch.provider == "h:8080"
    assert launch.credential is not None and launch.credential.startswith("h:8080:key-")
    by_arguments = plan(args=("-c", "model_provider=other", "-c", "model_providers.other.base_url=http://g/v1"))
    assert by_arguments.provider == "g"
    assert plan(args=("-c", "model_provider=unknown")).provider == "unknown"


def test_whether_somebody_is_logged_in(environment: Mapping[str, str]) -> None:
    assert ready(environment) is False
    assert ready(environment, OPENAI_API_KEY="x") is True
    home(environment, ".codex/config.toml", 'model_provider = "mine"')
    assert ready(environment) is None
    home(environment, ".codex/auth.json", "{}")
    assert ready(environment) is True
