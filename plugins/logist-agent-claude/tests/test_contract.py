"""The rules for every agent, with the events of the real program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from logist_agent_claude.agent import ClaudeAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract

SESSION = "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"
EVENTS = (
    {"type": "system", "subtype": "init", "session_id": SESSION, "model": "claude-opus-4-8[1m]"},
    {
        "type": "system",
        "subtype": "api_retry",
        "attempt": 1,
        "max_retries": 10,
        "retry_delay_ms": 573.1,
        "error_status": 529,
        "error": "overloaded",
    },
    {"type": "system", "subtype": "status", "status": "requesting"},
    {"type": "system", "subtype": "hook_response", "hook_name": "PreToolUse:Bash", "exit_code": 2},
    {"type": "system", "subtype": "permission_denied", "tool_name": "Bash"},
    {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1795362391}},
    {"type": "stream_event", "event": {"type": "content_block_delta", "index": 0}},
    {"type": "tool_progress", "tool_use_id": "toolu_1", "tool_name": "Bash", "elapsed_time_seconds": 30},
    {"type": "auth_status", "isAuthenticating": False, "error": "token revoked"},
    {
        "type": "assistant",
        "message": {
            "model": "claude-opus-4-8",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "make"}}],
        },
    },
    {
        "type": "assistant",
        "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "Credit balance is too low"}]},
        "error": "billing_error",
    },
    {
        "type": "user",
        "message": {"content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "", "is_error": True}]},
    },
    {
        "type": "result",
        "subtype": "success",
        "is_error": True,
        "api_error_status": 429,
        "result": "You've hit your limit · resets 3:46pm (UTC)",
        "num_turns": 1,
        "session_id": SESSION,
        "total_cost_usd": 0.5,
        "usage": {"input_tokens": 3, "output_tokens": 4},
        "permission_denials": [{"tool_name": "Bash"}],
        "terminal_reason": "completed",
    },
    {"hook_event_name": "StopFailure", "error": "rate_limit"},
)


class TestClaude(AgentContract):
    sample_lines = tuple(json.dumps(event) for event in EVENTS)
    resumes = True

    @pytest.fixture
    def agent(self) -> Agent:
        return ClaudeAgent()

    @pytest.fixture
    def environment(self, program: Path, tmp_path: Path) -> Mapping[str, str]:
        return {"PATH": str(program.parent), "HOME": str(tmp_path)}
