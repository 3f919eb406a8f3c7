"""What becomes of a run: the events of the real program, from its first to its exit, and the judgement of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_opencode.agent import OpencodeAgent

from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal

pytestmark = pytest.mark.fast

AGENT = OpencodeAgent({"model": "openai/gpt-5"})

SESSION = "ses_dfde98f4cffeocYopSyq4UJEGk"
START = {"type": "step_start", "sessionID": SESSION, "part": {"type": "step-start"}}
WORD = {"type": "text", "sessionID": SESSION, "part": {"type": "text", "text": "Done."}}


def finish(reason: str) -> dict[str, Any]:
    part = {"reason": reason, "tokens": {"input": 100, "output": 7}, "cost": 0.5}
    return {"type": "step_finish", "sessionID": SESSION, "part": part}


def error(name: str, **data: Any) -> dict[str, Any]:
    return {"type": "error", "sessionID": SESSION, "error": {"name": name, "data": data}}


def read(*events: dict[str, Any]) -> list[Signal]:
    return [signal for event in events for signal in AGENT.parse(json.dumps(event), "out")]


def ended(code: int, *events: dict[str, Any]) -> Outcome:
    outcome = AGENT.outcome(ExitStatus(code=code), read(*events))
    assert outcome is not None
    return outcome


def test_an_answer_is_success() -> None:
    assert ended(0, START, WORD, finish("stop")).result is Result.SUCCEEDED


def test_an_empty_answer_is_none() -> None:
    assert ended(0, START, finish("stop")).result is Result.UNVERIFIED


def test_an_answer_that_was_cut_is_unverified() -> None:
    outcome = ended(0, START, WORD, finish("length"))
    assert outcome.result is Result.UNVERIFIED
    assert "output limit" in outcome.reason


def test_no_output_at_all_is_unverified() -> None:
    assert ended(0).result is Result.UNVERIFIED


def test_a_step_before_a_tool_is_no_end() -> None:
    assert ended(0, START, WORD, finish("tool-calls")).result is Result.UNVERIFIED


def test_a_stream_that_breaks_off_is_trouble_until_a_step_ends_well() -> None:
    (broken,) = read(finish("unknown"))
    assert broken.claim is Claim.FAILED
    assert ended(0, START, finish("unknown"), START, WORD, finish("stop")).result is Result.SUCCEEDED


def test_the_session_the_tokens_and_the_cost_are_read() -> None:
    (signal,) = read(finish("stop"))
    assert signal.fields == {"session_id": SESSION, "tokens_in": 100, "tokens_out": 7, "cost_usd": 0.5}


@pytest.mark.parametrize(
    ("event", "claim", "hold", "later"),
    [
        (error("APIError", message="Incorrect API key provided: x.", statusCode=401), "auth_failed", True, False),
        (error("ProviderAuthError", message="no"), "auth_failed", True, False),
        (error("APIError", message="You exceeded your current quota", statusCode=429), "billing", True, False),
        (error("APIError", message="slow down", statusCode=429), "rate_limited", False, True),
        (error("APIError", message="later", statusCode=503), "overloaded", False, True),
        (error("APIError", message="Cannot connect to API: Unable to connect."), "network_down", False, True),
        (error("ContextOverflowError", message="too many"), "context_exhausted", False, False),
        (error("APIError", message="model: fake-model", statusCode=404), "model_unavailable", False, False),
        (error("UnknownError", message="Unexpected server error"), "failed", False, False),
    ],
)
def test_an_error(event: dict[str, Any], claim: str, hold: bool, later: bool) -> None:
    outcome = ended(1, event)
    assert (outcome.claim, outcome.hold, outcome.then is not None) == (Claim(claim), hold, later)


def test_a_tool_that_failed_is_a_tool_error() -> None:
    state = {"status": "completed", "metadata": {"exit": 3}}
    part = {"tool": "bash", "callID": "call_1", "state": state}
    (signal,) = read({"type": "tool_use", "sessionID": SESSION, "part": part})
    assert (signal.claim, signal.fields["tool_closed"]) == (Claim.TOOL_ERROR, "call_1")
