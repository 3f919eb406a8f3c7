"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import pytest
from logist_agent_aider.agent import AiderAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract


class TestAider(AgentContract):
    hands_over = True
    program = "aider"

    @pytest.fixture
    def agent(self) -> Agent:
        return AiderAgent({"model": "openai/gpt-5"})


class TestPackaging(PackagingContract):
    dist = "logist-agent-aider"
