"""The rules for every agent, with events as the real program prints them, and for the distribution."""

from __future__ import annotations

import json

import pytest
from logist_agent_opencode.agent import OpencodeAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.packaging import PackagingContract

EVENTS = (
    {"type": "step_start", "sessionID": "ses_dfde98f4cffeocYopSyq4UJEGk", "part": {"type": "step-start"}},
    {"type": "text", "sessionID": "ses_dfde98f4cffeocYopSyq4UJEGk", "part": {"type": "text", "text": "Done."}},
    {
        "type": "tool_use",
        "sessionID": "ses_dfde98f4cffeocYopSyq4UJEGk",
        "part": {"tool": "bash", "callID": "call_1", "state": {"status": "completed", "metadata": {"exit": 3}}},
    },
    {
        "type": "step_finish",
        "sessionID": "ses_dfde98f4cffeocYopSyq4UJEGk",
        "part": {"reason": "tool-calls", "tokens": {"input": 100, "output": 7}, "cost": 0.01},
    },
    {
        "type": "step_finish",
        "sessionID": "ses_dfde98f4cffeocYopSyq4UJEGk",
        "part": {"reason": "stop", "tokens": {"input": 100, "output": 7}, "cost": 0.01},
    },
    {"type": "step_finish", "sessionID": "ses_dfde98f4cffeocYopSyq4UJEGk", "part": {"reason": "unknown"}},
    {
        "type": "error",
        "sessionID": "ses_dfde98f4cffeocYopSyq4UJEGk",
        "error": {"name": "APIError", "data": {"message": "Incorrect API key", "statusCode": 401}},
    },
)


class TestOpencode(AgentContract):
    sample_lines = tuple(json.dumps(event) for event in EVENTS)
    resumes = True
    sessions = ("ses_dfde98f4cffeocYopSyq4UJEGk", "ses_dfde94871ffeKZ0njGQo9EVqtN")
    program = "opencode"

    @pytest.fixture
    def agent(self) -> Agent:
        return OpencodeAgent({"model": "openai/gpt-5"})


class TestPackaging(PackagingContract):
    dist = "logist-agent-opencode"
