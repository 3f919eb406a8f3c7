"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import json

import pytest
from logist_agent_copilot.agent import CopilotAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract

EVENTS = (
    {"type": "user.message", "data": {"content": "hi"}},
    {"type": "assistant.message_delta", "data": {"deltaContent": "Do"}},
    {"type": "assistant.message", "data": {"content": "Done.", "model": "gpt-5"}},
    {"type": "tool.execution_start", "data": {"toolCallId": "call_1", "toolName": "bash"}},
    {"type": "tool.execution_partial_result", "data": {"toolCallId": "call_1"}},
    {
        "type": "tool.execution_complete",
        "data": {"toolCallId": "call_1", "success": True, "shellExecution": {"exitCode": 3}},
    },
    {"type": "model.call_failure", "data": {"statusCode": 503, "retryAttempt": 1, "errorMessage": "overloaded"}},
    {
        "type": "session.error",
        "data": {"errorType": "rate_limit", "message": "Last error: 429 slow down", "statusCode": 429},
    },
    {"type": "abort", "data": {"reason": "user_initiated"}},
    {"type": "result", "sessionId": "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6", "exitCode": 1, "usage": {}},
)


class TestCopilot(AgentContract):
    sample_lines = tuple(json.dumps(event) for event in EVENTS)
    resumes = True
    program = "copilot"

    @pytest.fixture
    def agent(self) -> Agent:
        return CopilotAgent({})


class TestPackaging(PackagingContract):
    dist = "logist-agent-copilot"
