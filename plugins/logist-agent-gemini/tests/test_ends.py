"""What becomes of a run: the events of the real program, from its first to its exit, and the judgement of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_gemini.agent import GeminiAgent

from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal

pytestmark = pytest.mark.fast

AGENT = GeminiAgent()

INIT = {"type": "init", "session_id": "fef7ac19-12d2-462f-820f-0d0980e0025c", "model": "gemini-2.5-flash"}
WORD = {"type": "message", "role": "assistant", "content": "Done.", "delta": True}
DONE = {"type": "result", "status": "success", "stats": {"input_tokens": 100, "output_tokens": 7, "tool_calls": 1}}


def failed(words: str, kind: str = "unknown") -> dict[str, Any]:
    return {"type": "result", "status": "error", "error": {"type": kind, "message": words}, "stats": {}}


def read(*events: dict[str, Any]) -> list[Signal]:
    return [signal for event in events for signal in AGENT.parse(json.dumps(event), "out")]


def ended(code: int, *events: dict[str, Any]) -> Outcome:
    outcome = AGENT.outcome(ExitStatus(code=code), read(*events))
    assert outcome is not None
    return outcome


def test_an_answer_is_success() -> None:
    assert ended(0, INIT, WORD, DONE).result is Result.SUCCEEDED


def test_an_empty_answer_is_none() -> None:
    assert ended(0, INIT, DONE).result is Result.UNVERIFIED


def test_a_loop_that_was_detected_is_no_success_though_the_result_says_so() -> None:
    loop = {"type": "error", "severity": "warning", "message": "Loop detected, stopping execution"}
    outcome = ended(0, INIT, WORD, loop, DONE)
    assert outcome.result is Result.UNVERIFIED
    assert "Loop detected" in outcome.reason


def test_too_many_turns_are_a_budget_though_the_result_says_success() -> None:
    turns = {"type": "error", "severity": "error", "message": "Maximum session turns exceeded"}
    assert ended(0, INIT, WORD, turns, DONE).claim is Claim.BUDGET_EXCEEDED


def test_a_failed_result_with_exit_code_0_is_a_failure() -> None:
    assert ended(0, INIT, WORD, failed("[API Error: terminated]")).result is Result.FAILED


def test_an_exit_code_of_its_own_is_known_where_it_said_nothing() -> None:
    outcome = AGENT.outcome(ExitStatus(code=41), [])
    assert outcome is not None and (outcome.claim, outcome.hold) == (Claim.AUTH_FAILED, True)


def test_exit_code_144_is_a_status_and_no_signal() -> None:
    outcome = AGENT.outcome(ExitStatus(code=139), read(INIT, failed("[API Error: what?]")))
    assert outcome is not None and outcome.claim is Claim.FAILED


@pytest.mark.parametrize(
    ("words", "claim", "hold", "later"),
    [
        ('[API Error: {"error":{"code":400,"message":"API key not valid.","details":[]}}]', "auth_failed", True, False),
        (
            '[API Error: {"error":{"code":403,"message":"The caller does not have permission"}}]',
            "auth_failed",
            True,
            False,
        ),
        (
            "[API Error: You have exhausted your daily quota on this model.]\nTo increase your limits, request a quota "
            "increase, or switch to another /auth method",
            "rate_limited",
            False,
            True,
        ),
        ("[API Error: The model is overloaded. Please try again later.]", "overloaded", False, True),
        ("[API Error: terminated]", "network_down", False, True),
        ("[API Error: models/x is not found for API version v1beta]", "model_unavailable", False, False),
        (
            '[API Error: {"error":{"code":400,"message":"The input token count (9) exceeds"}}]',
            "context_exhausted",
            False,
            False,
        ),
        ("[API Error: what?]", "failed", False, False),
    ],
)
def test_a_failed_result(words: str, claim: str, hold: bool, later: bool) -> None:
    outcome = ended(1, INIT, failed(words))
    assert (outcome.claim, outcome.hold, outcome.then is not None) == (Claim(claim), hold, later)


def test_a_tool_opens_and_closes() -> None:
    opened, closed = read(
        {"type": "tool_use", "tool_name": "run_shell_command", "tool_id": "run_1"},
        {"type": "tool_result", "tool_id": "run_1", "status": "error"},
    )
    assert (opened.fields["tool_open"], closed.fields["tool_closed"], closed.claim) == ("run_1", "run_1", "tool_error")


def test_what_the_user_said_is_no_answer() -> None:
    assert ended(0, INIT, {**WORD, "role": "user"}, DONE).result is Result.UNVERIFIED
