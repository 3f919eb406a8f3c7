"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import json

import pytest
from logist_agent_pi.agent import PiAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract

EVENTS = (
    {"type": "session", "version": 3, "id": "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"},
    {
        "type": "message_update",
        "message": {
            "role": "assistant",
            "content": [{"type": "text", "text": "Done."}],
            "model": "m",
            "usage": {"input": 3, "output": 4, "cost": {"total": 0.1}},
            "stopReason": "stop",
        },
    },
    {
        "type": "message_end",
        "message": {
            "role": "assistant",
            "content": [{"type": "text", "text": "Done."}],
            "model": "m",
            "usage": {"input": 3, "output": 4, "cost": {"total": 0.1}},
            "stopReason": "stop",
        },
    },
    {
        "type": "message_end",
        "message": {"role": "assistant", "content": [], "stopReason": "error", "errorMessage": "429 slow down"},
    },
    {"type": "tool_execution_start", "toolCallId": "call_1", "toolName": "bash"},
    {"type": "tool_execution_update", "toolCallId": "call_1"},
    {"type": "tool_execution_end", "toolCallId": "call_1", "toolName": "bash", "isError": True},
    {
        "type": "agent_end",
        "messages": [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "Done."}],
                "model": "m",
                "usage": {"input": 3, "output": 4, "cost": {"total": 0.1}},
                "stopReason": "stop",
            }
        ],
    },
    {
        "type": "agent_end",
        "messages": [{"role": "assistant", "content": [], "stopReason": "error", "errorMessage": "429 slow down"}],
    },
    {"type": "auto_retry_start", "attempt": 1, "maxAttempts": 3, "delayMs": 2000, "errorMessage": "429 slow down"},
    {"type": "auto_retry_end", "success": False, "attempt": 3, "finalError": "429 slow down"},
)


class TestPi(AgentContract):
    sample_lines = tuple(json.dumps(event) for event in EVENTS)
    resumes = True
    program = "pi"

    @pytest.fixture
    def agent(self) -> Agent:
        return PiAgent({})


class TestPackaging(PackagingContract):
    dist = "logist-agent-pi"
