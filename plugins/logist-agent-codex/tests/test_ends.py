"""What becomes of a run: the events of the real program, from its first to its exit, and the judgement of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_codex.agent import CodexAgent

from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal

pytestmark = pytest.mark.fast

AGENT = CodexAgent()

THREAD = {"type": "thread.started", "thread_id": "01a20212-1ad8-79b3-9353-25c56954675f"}
TURN = {"type": "turn.started"}
ANSWER = {"type": "item.completed", "item": {"id": "item_1", "type": "agent_message", "text": "Done."}}
DONE = {"type": "turn.completed", "usage": {"input_tokens": 200, "output_tokens": 14}}


def failed(words: str) -> list[dict[str, Any]]:
    return [THREAD, TURN, {"type": "error", "message": words}, {"type": "turn.failed", "error": {"message": words}}]


def read(*events: dict[str, Any]) -> list[Signal]:
    return [signal for event in events for signal in AGENT.parse(json.dumps(event), "out")]


def ended(code: int, *events: dict[str, Any]) -> Outcome:
    outcome = AGENT.outcome(ExitStatus(code=code), read(*events))
    assert outcome is not None
    return outcome


def test_an_answer_is_success() -> None:
    assert ended(0, THREAD, TURN, ANSWER, DONE).result is Result.SUCCEEDED


def test_the_session_and_the_tokens_are_read() -> None:
    fields = {name: value for signal in read(THREAD, DONE) for name, value in signal.fields.items()}
    assert fields == {"session_id": THREAD["thread_id"], "tokens_in": 200, "tokens_out": 14}


def test_an_empty_answer_is_none() -> None:
    assert ended(0, THREAD, TURN, DONE).result is Result.UNVERIFIED


def test_a_kill_in_the_middle_is_a_failure() -> None:
    outcome = AGENT.outcome(ExitStatus(signal=9), read(THREAD, TURN, ANSWER))
    assert outcome is not None and outcome.result is Result.FAILED


@pytest.mark.parametrize(
    ("words", "claim", "hold", "later"),
    [
        (
            "unexpected status 401 Unauthorized: Incorrect API key provided: x., url: http://h",
            "auth_failed",
            True,
            False,
        ),
        ("Missing environment variable: `OPENAI_API_KEY`.", "auth_failed", True, False),
        ("Quota exceeded. Check your plan and billing details.", "billing", True, False),
        ("Your workspace is out of credits.", "billing", True, False),
        ("exceeded retry limit, last status: 429 Too Many Requests, request id: r", "rate_limited", False, True),
        ("You've hit your usage limit. Try again in 2 days 3 hours.", "rate_limited", False, True),
        ("unexpected status 503 Service Unavailable: overloaded", "overloaded", False, True),
        ("Selected model is at capacity. Please try a different model.", "overloaded", False, True),
        ("stream disconnected before completion: error sending request", "network_down", False, True),
        ("Codex ran out of room in the model's context window. Start a new thread.", "context_exhausted", False, False),
        ("The model `gpt-9` does not exist or you do not have access to it.", "model_unavailable", False, False),
        ("internal error; agent loop died unexpectedly", "crashed", False, False),
        ("something nobody has heard of", "failed", False, False),
    ],
)
def test_a_failed_turn(words: str, claim: str, hold: bool, later: bool) -> None:
    outcome = ended(1, *failed(words))
    assert (outcome.claim, outcome.hold, outcome.then is not None) == (Claim(claim), hold, later)
    assert outcome.result is Result.FAILED


def test_reconnecting_names_the_cause_before_it_gives_up() -> None:
    (signal,) = read({"type": "error", "message": "Reconnecting... 2/5 (unexpected status 401 Unauthorized: no)"})
    assert (signal.claim, signal.final) == (Claim.AUTH_FAILED, False)
    assert signal.fields == {"attempt": 2, "max_attempts": 5}


def test_reconnecting_that_helped_is_no_failure() -> None:
    again = {"type": "error", "message": "Reconnecting... 1/5 (unexpected status 503: overloaded)"}
    assert ended(0, THREAD, TURN, again, ANSWER, DONE).result is Result.SUCCEEDED


def test_what_the_model_says_about_limits_counts_for_nothing() -> None:
    said = {"type": "item.completed", "item": {"type": "agent_message", "text": "You've hit your usage limit. 401."}}
    assert {signal.claim for signal in read(said)} == {Claim.WORKING}


def test_a_command_opens_and_closes() -> None:
    item = {"id": "item_2", "type": "command_execution", "exit_code": 3, "status": "failed"}
    opened, closed = read({"type": "item.started", "item": item}, {"type": "item.completed", "item": item})
    assert (opened.fields["tool_open"], closed.fields["tool_closed"]) == ("item_2", "item_2")
    assert closed.claim is Claim.TOOL_ERROR


def test_a_warning_says_nothing() -> None:
    assert read({"type": "item.completed", "item": {"type": "error", "message": "Model metadata not found. 429"}}) == []
