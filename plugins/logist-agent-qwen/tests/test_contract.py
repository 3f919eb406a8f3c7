"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import json

import pytest
from logist_agent_qwen.agent import QwenAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract

EVENTS = (
    {
        "type": "system",
        "subtype": "init",
        "session_id": "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6",
        "model": "qwen3",
        "qwen_code_version": "0.24.4",
    },
    {
        "type": "system",
        "subtype": "retry",
        "data": {"reason": "retry", "attempt": 1, "maxRetries": 10, "delayMs": 60000},
    },
    {"type": "stream_event", "event": {"type": "content_block_delta"}},
    {
        "type": "assistant",
        "message": {"content": [{"type": "tool_use", "id": "call_1", "name": "run_shell_command", "input": {}}]},
    },
    {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "call_1", "is_error": True}]}},
    {"type": "assistant", "message": {"content": [{"type": "text", "text": "Done."}]}},
    {
        "type": "result",
        "subtype": "error_during_execution",
        "is_error": True,
        "error": {"message": "[API Error: 401 no]"},
    },
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Done.",
        "num_turns": 2,
        "usage": {"input_tokens": 3, "output_tokens": 4},
    },
)


class TestQwen(AgentContract):
    sample_lines = tuple(json.dumps(event) for event in EVENTS)
    resumes = True
    program = "qwen"

    @pytest.fixture
    def agent(self) -> Agent:
        return QwenAgent({"auth_type": "openai"})


class TestPackaging(PackagingContract):
    dist = "logist-agent-qwen"
