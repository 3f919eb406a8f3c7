"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import pytest
from logist_agent_mini.agent import MiniAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract


class TestMini(AgentContract):
    hands_over = True
    program = "mini"

    @pytest.fixture
    def agent(self) -> Agent:
        return MiniAgent({"model": "openai/gpt-5"})


class TestPackaging(PackagingContract):
    dist = "logist-agent-mini"
