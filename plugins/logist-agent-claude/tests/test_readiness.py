"""Looking for the program and a login; the program that is found is a small stand-in."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from logist_agent_claude import readiness as module
from logist_agent_claude.agent import ClaudeAgent

from logist_core.api import AgentContext, Readiness


def probe(ctx: AgentContext, **more: str) -> Readiness:
    return ClaudeAgent().probe(dataclasses.replace(ctx, environment={**ctx.environment, **more}))


def home(ctx: AgentContext) -> Path:
    return Path(ctx.environment["HOME"])


def test_an_installed_program_is_found_with_its_version(ctx: AgentContext, program: Path) -> None:
    ready = probe(ctx, ANTHROPIC_API_KEY="sk-ant-dummy")
    assert ready == Readiness(installed=True, version="2.1.197", path=str(program), logged_in=True)


def test_a_missing_program_comes_with_the_line_that_installs_it(ctx: AgentContext, program: Path) -> None:
    program.unlink()
    ready = probe(ctx)
    assert not ready.installed
    assert ready.problems == ("claude is not in PATH",)
    assert ready.hint == "npm install -g @anthropic-ai/claude-code"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("#!/bin/sh\nexit 3\n", "failed with exit code 3"),
        ("#!/bin/sh\n", "failed with exit code 0"),
        ("#!/no/such/interpreter\n", "can't be run"),
    ],
)
def test_a_broken_program_is_a_problem(ctx: AgentContext, program: Path, script: str, problem: str) -> None:
    program.write_text(script)
    ready = probe(ctx)
    assert ready.installed
    assert ready.version is None
    assert problem in ready.problems[0]


def test_a_program_that_hangs_is_given_up(ctx: AgentContext, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(module, "VERSION_TIMEOUT_S", 0.2)
    assert "didn't answer within 0.2 s" in probe(ctx, PATH=f"{program.parent}:/usr/bin:/bin").problems[0]


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"])
def test_a_credential_in_the_environment_is_a_login(ctx: AgentContext, name: str) -> None:
    assert probe(ctx, **{name: "x"}).logged_in is True


def test_a_credentials_file_is_a_login(ctx: AgentContext) -> None:
    directory = home(ctx) / ".claude"
    directory.mkdir()
    (directory / ".credentials.json").write_text("{}")
    assert probe(ctx).logged_in is True


def test_the_configuration_may_lie_elsewhere(ctx: AgentContext, tmp_path: Path) -> None:
    (tmp_path / ".credentials.json").write_text("{}")
    assert probe(ctx, CLAUDE_CONFIG_DIR=str(tmp_path)).logged_in is True


def test_a_stored_key_is_a_login(ctx: AgentContext) -> None:
    (home(ctx) / ".claude.json").write_text(json.dumps({"primaryApiKey": "sk-ant-dummy"}))
    assert probe(ctx).logged_in is (None if sys.platform == "darwin" else True)


@pytest.mark.parametrize("variable", ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"])
def test_another_providers_login_cannot_be_told(ctx: AgentContext, variable: str) -> None:
    assert probe(ctx, **{variable: "1"}).logged_in is None


def test_a_helper_program_may_have_a_key(ctx: AgentContext) -> None:
    directory = home(ctx) / ".claude"
    directory.mkdir()
    (directory / "settings.json").write_text(json.dumps({"apiKeyHelper": "/opt/key"}))
    assert probe(ctx).logged_in is None


@pytest.mark.skipif(sys.platform == "darwin", reason="the keychain can't be read here")
@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_without_any_trace_of_a_login_there_is_none(ctx: AgentContext, content: str | None) -> None:
    if content is not None:
        (home(ctx) / ".claude.json").write_text(content)
    ready = probe(ctx)
    assert ready.logged_in is False
    assert ready.problems == ("not logged in",)
    assert ready.hint is not None
    assert "/login" in ready.hint


def test_probing_writes_nothing(ctx: AgentContext) -> None:
    probe(ctx)
    assert list(home(ctx).iterdir()) == []
