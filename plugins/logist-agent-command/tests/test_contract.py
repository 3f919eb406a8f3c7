"""The command agent passes the kit that every agent passes."""

from __future__ import annotations

import dataclasses

import pytest
from logist_agent_command.agent import CommandAgent

from logist_core.api import Agent, JobSpec
from logist_core.testing.agent_contract import AgentContract

pytestmark = pytest.mark.fast


class TestCommand(AgentContract):
    @pytest.fixture
    def agent(self) -> Agent:
        return CommandAgent({})

    @pytest.fixture
    def job(self, tmp_path) -> JobSpec:
        cwd = tmp_path / "work"
        cwd.mkdir()
        return JobSpec(
            id="0123456789abcdef",
            agent="command",
            runtime="host",
            cwd=str(cwd),
            created_at=0.0,
            args=("sh", "-c", "ls"),
        )

    def test_it_adds_nothing_to_the_command_line(self, agent, job, ctx):
        assert agent.plan(dataclasses.replace(job, args=("sh", "a b", "*", "--", "")), ctx).argv[1:] == (
            "a b",
            "*",
            "--",
            "",
        )
