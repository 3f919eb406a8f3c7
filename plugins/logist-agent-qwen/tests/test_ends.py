"""What becomes of a run: the events of the real program, from its first to its exit, and the judgement of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_qwen.agent import QwenAgent

from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal

pytestmark = pytest.mark.fast

AGENT = QwenAgent()

INIT = {"type": "system", "subtype": "init", "session_id": "557b99bd-1b8e-4488-a4d8-60da989a4503", "model": "qwen3"}
WORD = {"type": "assistant", "message": {"content": [{"type": "text", "text": "Done."}]}}
DONE = {"type": "result", "subtype": "success", "is_error": False, "result": "Done.", "usage": {"input_tokens": 3}}


def failed(words: str) -> list[dict[str, Any]]:
    said = {"type": "assistant", "message": {"content": [{"type": "text", "text": words}]}}
    return [
        said,
        {"type": "result", "subtype": "error_during_execution", "is_error": True, "error": {"message": words}},
    ]


def read(*events: dict[str, Any]) -> list[Signal]:
    return [signal for event in events for signal in AGENT.parse(json.dumps(event), "out")]


def ended(code: int, *events: dict[str, Any]) -> Outcome:
    outcome = AGENT.outcome(ExitStatus(code=code), read(*events))
    assert outcome is not None
    return outcome


def test_an_answer_is_success() -> None:
    assert ended(0, INIT, WORD, DONE).result is Result.SUCCEEDED


def test_an_empty_answer_is_none() -> None:
    assert ended(0, INIT, {**DONE, "result": " "}).result is Result.UNVERIFIED


@pytest.mark.parametrize(
    ("words", "claim", "hold", "later"),
    [
        ("[API Error: 401 Incorrect API key provided: dummy.]", "auth_failed", True, False),
        ("No auth type is selected. Please configure an auth type", "auth_failed", True, False),
        (
            "[API Error: 429 You exceeded your current quota, please check your plan and billing]",
            "billing",
            True,
            False,
        ),
        ("[API Error: 429 slow down]", "rate_limited", False, True),
        ("Qwen OAuth quota exceeded", "rate_limited", False, True),
        ("[API Error: 503 The server is currently overloaded.]", "overloaded", False, True),
        ("[API Error: No stream activity for 240000ms after 3 chunks]", "network_down", False, True),
        ("[API Error: 400 This model's maximum context length is 128000 tokens.]", "context_exhausted", False, False),
        ("[API Error: what?]", "failed", False, False),
    ],
)
def test_a_failed_result(words: str, claim: str, hold: bool, later: bool) -> None:
    outcome = ended(1, INIT, *failed(words))
    assert (outcome.claim, outcome.hold, outcome.then is not None) == (Claim(claim), hold, later)


def test_a_retry_carries_its_delay_and_claims_nothing() -> None:
    data = {"reason": "retry", "attempt": 1, "maxRetries": 10, "delayMs": 60000}
    (signal,) = read({"type": "system", "subtype": "retry", "data": data})
    assert signal.claim is None
    assert signal.fields == {"attempt": 1, "max_attempts": 10, "retry_in_s": 60.0}


def test_a_tool_opens_and_closes() -> None:
    call = {"type": "tool_use", "id": "call_1", "name": "run_shell_command", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "call_1", "is_error": True}
    opened, closed = read(
        {"type": "assistant", "message": {"content": [call]}}, {"type": "user", "message": {"content": [result]}}
    )
    assert (opened.fields["tool_open"], closed.fields["tool_closed"], closed.claim) == (
        "call_1",
        "call_1",
        "tool_error",
    )


def test_too_many_turns_are_a_budget() -> None:
    outcome = AGENT.outcome(ExitStatus(code=55), read(INIT, WORD))
    assert outcome is not None and outcome.claim is Claim.BUDGET_EXCEEDED
