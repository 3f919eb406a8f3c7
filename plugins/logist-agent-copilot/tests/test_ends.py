"""What becomes of a run: the events of the real program, from its first to its exit, and the judgement of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_copilot.agent import CopilotAgent

from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal

pytestmark = pytest.mark.fast

AGENT = CopilotAgent()

STARTED = {"type": "user.message", "data": {"content": "hi"}}
WORD = {"type": "assistant.message", "data": {"content": "Done.", "model": "gpt-5"}}


def result(code: int) -> dict[str, Any]:
    return {"type": "result", "sessionId": "454bb9ce-c21a-454b-aae1-c4856d46e0fb", "exitCode": code}


def error(message: str, **data: Any) -> dict[str, Any]:
    return {"type": "session.error", "data": {"message": message, **data}}


def read(*events: dict[str, Any]) -> list[Signal]:
    return [signal for event in events for signal in AGENT.parse(json.dumps(event), "out")]


def ended(code: int, *events: dict[str, Any]) -> Outcome:
    outcome = AGENT.outcome(ExitStatus(code=code), read(*events))
    assert outcome is not None
    return outcome


def test_an_answer_is_success() -> None:
    assert ended(0, STARTED, WORD, result(0)).result is Result.SUCCEEDED


def test_an_empty_answer_is_none() -> None:
    assert ended(0, STARTED, result(0)).result is Result.UNVERIFIED


@pytest.mark.parametrize(
    ("event", "claim", "hold", "later"),
    [
        (
            error("Authentication failed with provider", errorType="authentication", statusCode=401),
            "auth_failed",
            True,
            False,
        ),
        (
            error("Last error: 429 You exceeded your current quota", errorType="rate_limit", statusCode=429),
            "billing",
            True,
            False,
        ),
        (error("Last error: 429 slow down", errorType="rate_limit", statusCode=429), "rate_limited", False, True),
        (error("retried 5 times. Last error: 503 later", errorType="query", statusCode=503), "overloaded", False, True),
        (
            error("Model 'x' not found on provider", errorType="query", statusCode=404),
            "model_unavailable",
            False,
            False,
        ),
        (
            error("400 This model's maximum context length is 9", errorType="query", statusCode=400),
            "context_exhausted",
            False,
            False,
        ),
        (error("what?", errorType="query"), "failed", False, False),
    ],
)
def test_the_error_before_the_result_is_the_cause(event: dict[str, Any], claim: str, hold: bool, later: bool) -> None:
    outcome = ended(1, STARTED, event, result(1))
    assert (outcome.claim, outcome.hold, outcome.then is not None) == (Claim(claim), hold, later)


def test_a_failed_request_names_the_cause_before_it_gives_up() -> None:
    (signal,) = read(
        {"type": "model.call_failure", "data": {"statusCode": 503, "retryAttempt": 1, "errorMessage": "x"}}
    )
    assert (signal.claim, signal.fields["attempt"]) == (Claim.OVERLOADED, 2)


def test_a_failed_request_without_an_answer_is_the_network() -> None:
    (signal,) = read({"type": "model.call_failure", "data": {"retryAttempt": 0, "errorMessage": "odd"}})
    assert signal.claim is Claim.NETWORK_DOWN


def test_trouble_that_passed_is_no_failure() -> None:
    trouble = {"type": "model.call_failure", "data": {"statusCode": 503}}
    assert ended(0, STARTED, trouble, WORD, result(0)).result is Result.SUCCEEDED


def test_an_interrupt_is_one() -> None:
    outcome = ended(1, STARTED, {"type": "abort", "data": {"reason": "user_initiated"}}, result(1))
    assert outcome.result is Result.INTERRUPTED


def test_a_tool_opens_and_closes() -> None:
    opened, closed = read(
        {"type": "tool.execution_start", "data": {"toolCallId": "call_1", "toolName": "bash"}},
        {"type": "tool.execution_complete", "data": {"toolCallId": "call_1", "success": False}},
    )
    assert (opened.fields["tool_open"], closed.fields["tool_closed"], closed.claim) == (
        "call_1",
        "call_1",
        "tool_error",
    )
