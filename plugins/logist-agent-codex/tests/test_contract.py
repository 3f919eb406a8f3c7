"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import json

import pytest
from logist_agent_codex.agent import CodexAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract

EVENTS = (
    {"type": "thread.started", "thread_id": "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"},
    {"type": "turn.started"},
    {
        "type": "item.started",
        "item": {"id": "item_2", "type": "command_execution", "command": "make", "status": "in_progress"},
    },
    {
        "type": "item.completed",
        "item": {"id": "item_2", "type": "command_execution", "exit_code": 3, "status": "failed"},
    },
    {"type": "item.completed", "item": {"id": "item_1", "type": "agent_message", "text": "Done."}},
    {"type": "error", "message": "Reconnecting... 2/5 (unexpected status 401 Unauthorized: Incorrect API key)"},
    {"type": "turn.failed", "error": {"message": "Quota exceeded. Check your plan and billing details."}},
    {"type": "turn.completed", "usage": {"input_tokens": 200, "output_tokens": 14}},
)


class TestCodex(AgentContract):
    sample_lines = tuple(json.dumps(event) for event in EVENTS)
    resumes = True
    program = "codex"

    @pytest.fixture
    def agent(self) -> Agent:
        return CodexAgent({})


class TestPackaging(PackagingContract):
    dist = "logist-agent-codex"
