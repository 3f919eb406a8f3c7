"""What becomes of a run: the events of the real program, from its first to its exit, and the judgement of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_pi.agent import PiAgent

from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal

pytestmark = pytest.mark.fast

AGENT = PiAgent()

SESSION = {"type": "session", "version": 3, "id": "01a20220-a74d-7598-97eb-32eeefa55a52"}
USAGE = {"input": 100, "output": 7, "cost": {"total": 0.5}}
SAID = {"role": "assistant", "content": [{"type": "text", "text": "Done."}], "usage": USAGE, "stopReason": "stop"}


def end(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "message_end", "message": message}, {"type": "agent_end", "messages": [message]}]


def failed(words: str) -> list[dict[str, Any]]:
    return end({"role": "assistant", "content": [], "stopReason": "error", "errorMessage": words})


def retry(words: str) -> dict[str, Any]:
    return {"type": "auto_retry_start", "attempt": 1, "maxAttempts": 3, "delayMs": 2000, "errorMessage": words}


def read(*events: dict[str, Any]) -> list[Signal]:
    return [signal for event in events for signal in AGENT.parse(json.dumps(event), "out")]


def ended(code: int, *events: dict[str, Any]) -> Outcome:
    outcome = AGENT.outcome(ExitStatus(code=code), read(*events))
    assert outcome is not None
    return outcome


def test_an_answer_is_success() -> None:
    assert ended(0, SESSION, *end(SAID)).result is Result.SUCCEEDED


def test_an_empty_answer_is_none() -> None:
    assert ended(0, SESSION, *end({**SAID, "content": []})).result is Result.UNVERIFIED


def test_an_answer_that_was_cut_is_unverified() -> None:
    assert ended(0, SESSION, *end({**SAID, "stopReason": "length"})).result is Result.UNVERIFIED


def test_an_abort_is_an_interrupt() -> None:
    assert ended(0, SESSION, *end({**SAID, "stopReason": "aborted"})).result is Result.INTERRUPTED


@pytest.mark.parametrize(
    ("words", "claim", "hold", "later"),
    [
        ("401 Incorrect API key provided: dummy.", "auth_failed", True, False),
        ("429 You exceeded your current quota, please check your plan and billing details.", "billing", True, False),
        ("429 slow down", "rate_limited", False, True),
        ("503 The server is currently overloaded.", "overloaded", False, True),
        ("Connection error.", "network_down", False, True),
        ("400 This model's maximum context length is 128000 tokens.", "context_exhausted", False, False),
        ("404 model: fake-model", "model_unavailable", False, False),
        ("what?", "failed", False, False),
    ],
)
def test_exit_code_0_after_an_error_is_a_failure(words: str, claim: str, hold: bool, later: bool) -> None:
    given_up = {"type": "auto_retry_end", "success": False, "attempt": 3, "finalError": words}
    outcome = ended(0, SESSION, *failed(words), retry(words), *failed(words), given_up)
    assert (outcome.claim, outcome.hold, outcome.then is not None) == (Claim(claim), hold, later)
    assert outcome.result is Result.FAILED


def test_a_retry_that_helped_is_no_failure() -> None:
    assert ended(0, SESSION, *failed("503 later"), retry("503 later"), *end(SAID)).result is Result.SUCCEEDED


def test_a_tool_opens_and_closes() -> None:
    opened, closed = read(
        {"type": "tool_execution_start", "toolCallId": "call_1", "toolName": "bash"},
        {"type": "tool_execution_end", "toolCallId": "call_1", "toolName": "bash", "isError": True},
    )
    assert (opened.fields["tool_open"], closed.fields["tool_closed"], closed.claim) == (
        "call_1",
        "call_1",
        "tool_error",
    )
