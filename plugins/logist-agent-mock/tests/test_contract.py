"""The mock agent passes the kit that every agent passes."""

from __future__ import annotations

import pytest
from logist_agent_mock.agent import MockAgent

from logist_core.api import Agent
from logist_core.testing.agent_contract import AgentContract

pytestmark = pytest.mark.fast

SAMPLES = (
    '{"type": "session", "session_id": "s-1", "turn": 2, "turns_before": 1, "resumed": true, "version": "0.1.0"}',
    '{"type": "prompt", "text": "say hello", "bytes": 9}',
    '{"type": "text", "text": "hello"}',
    '{"type": "tool", "state": "open", "id": "call-1", "name": "shell", "input": "make", "budget_s": 30}',
    '{"type": "tool", "state": "closed", "id": "call-1", "name": "shell", "ok": false, "exit_code": 2}',
    '{"type": "usage", "tokens_in": 10, "tokens_out": 3, "cost_usd": 0.0}',
    '{"type": "limit", "resets_at": 1893456000.5, "retry_in_s": 60}',
    '{"type": "ask", "kind": "permission", "text": "May I?"}',
    '{"type": "answer", "kind": "permission", "text": "y"}',
    '{"type": "input", "bytes": 3, "ended": false}',
    '{"type": "process", "kind": "daemon", "pid": 4711}',
    '{"type": "notice", "claim": "overloaded", "text": "529", "attempt": 1, "max_attempts": 10, "retry_in_s": 5}',
    '{"type": "result", "status": "error", "reason": "the tests still fail", "turns": 1, "tools": 2}',
)


class TestText(AgentContract):
    resumes = True

    @pytest.fixture
    def agent(self) -> Agent:
        return MockAgent({})


class TestJson(AgentContract):
    resumes = True
    sample_lines = SAMPLES

    @pytest.fixture
    def agent(self) -> Agent:
        return MockAgent({"format": "json", "scenario": "permission"})
