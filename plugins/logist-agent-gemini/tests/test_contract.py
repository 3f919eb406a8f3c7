"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import json

import pytest
from logist_agent_gemini.agent import GeminiAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract

EVENTS = (
    {"type": "init", "session_id": "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6", "model": "gemini-2.5-flash"},
    {"type": "message", "role": "assistant", "content": "Hello ", "delta": True},
    {"type": "tool_use", "tool_name": "run_shell_command", "tool_id": "run_1", "parameters": {"command": "make"}},
    {"type": "tool_result", "tool_id": "run_1", "status": "error", "output": "boom"},
    {"type": "error", "severity": "warning", "message": "Loop detected, stopping execution"},
    {
        "type": "result",
        "status": "error",
        "error": {"type": "unknown", "message": "[API Error: terminated]"},
        "stats": {},
    },
    {"type": "result", "status": "success", "stats": {"input_tokens": 100, "output_tokens": 7, "tool_calls": 1}},
)


class TestGemini(AgentContract):
    sample_lines = tuple(json.dumps(event) for event in EVENTS)
    resumes = True
    program = "gemini"

    @pytest.fixture
    def agent(self) -> Agent:
        return GeminiAgent({})


class TestPackaging(PackagingContract):
    dist = "logist-agent-gemini"
