"""What the end of a run means."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_agent_claude.events import parse_line
from logist_agent_claude.outcome import judge

from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal, Source

pytestmark = pytest.mark.fast

INIT = {"type": "system", "subtype": "init", "session_id": "s", "model": "m"}
DONE = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "result": "All tests pass.",
    "permission_denials": [],
    "terminal_reason": "completed",
}


def ended(*events: dict[str, Any], code: int | None = None, signal: int | None = None) -> Outcome:
    signals = [signal for event in events for signal in parse_line(json.dumps(event), "out")]
    return judge(ExitStatus(code=code, signal=signal), signals)


def failed(status: int | None, text: str, **more: Any) -> dict[str, Any]:
    return {**DONE, "is_error": True, "api_error_status": status, "result": text, **more}


def test_a_success_with_exit_0_has_succeeded() -> None:
    outcome = ended(INIT, DONE, code=0)
    assert outcome == Outcome(result=Result.SUCCEEDED, reason="the result event says success", claim=Claim.COMPLETED)


def test_denied_tools_are_named_in_the_reason_of_a_success() -> None:
    denials = [{"tool_name": "Bash"}, {"tool_name": "Write"}]
    outcome = ended(INIT, {**DONE, "permission_denials": denials}, code=0)
    assert outcome.result is Result.SUCCEEDED
    assert "2 tool calls were denied (Bash, Write)" in outcome.reason
    assert "allowed_tools" in outcome.reason


def test_a_success_with_another_exit_code_is_unverified() -> None:
    outcome = ended(INIT, DONE, code=143)
    assert outcome.result is Result.UNVERIFIED
    assert "exit code 143" in outcome.reason


def test_a_success_that_said_nothing_is_unverified() -> None:
    outcome = ended(INIT, {**DONE, "result": ""}, code=0)
    assert outcome.result is Result.UNVERIFIED
    assert "empty answer" in outcome.reason


def test_a_success_with_an_end_of_its_own_is_unverified() -> None:
    outcome = ended(INIT, {**DONE, "terminal_reason": "background_requested"}, code=0)
    assert outcome.result is Result.UNVERIFIED
    assert "background_requested" in outcome.reason


def test_exit_0_without_a_result_is_unverified() -> None:
    assert ended(INIT, code=0).result is Result.UNVERIFIED
    assert ended(code=0).result is Result.UNVERIFIED


@pytest.mark.parametrize(
    ("status", "text"), [(401, "Invalid API key"), (403, "Failed to authenticate"), (None, "Not logged in")]
)
def test_a_refused_login_holds_the_job(status: int | None, text: str) -> None:
    outcome = ended(INIT, failed(status, text), code=1)
    assert (outcome.result, outcome.claim, outcome.hold) == (Result.FAILED, Claim.AUTH_FAILED, True)
    assert text in outcome.reason
    assert "logist resume" in outcome.reason
    assert outcome.then is None


def test_an_empty_account_holds_the_job() -> None:
    outcome = ended(INIT, failed(400, "Credit balance is too low"), code=1)
    assert (outcome.claim, outcome.hold) == (Claim.BILLING, True)


def test_a_usage_limit_is_waited_out_until_its_reset() -> None:
    rejected = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1795362391}}
    outcome = ended(INIT, rejected, failed(429, "You've hit your limit · resets 3:46pm (UTC)"), code=1)
    assert outcome.claim is Claim.RATE_LIMITED
    assert not outcome.hold
    assert outcome.then is not None
    assert outcome.then.at == 1795362391.0
    assert outcome.then.same_session


def test_a_reset_that_is_only_told_in_words_counts_from_when_it_was_read() -> None:
    words = Signal(
        claim=Claim.RATE_LIMITED,
        source=Source.EVENT,
        rule="claude:result",
        text="result: success, You've hit your limit · resets 3pm (UTC)",
        at=1780401600.0,  # 12:00 in UTC
        final=True,
    )
    outcome = judge(ExitStatus(code=1), [words])
    assert outcome.then is not None
    assert outcome.then.at == 1780401600.0 + 3 * 3600 + 60


def test_the_second_of_an_event_counts_more_than_the_minute_of_later_words() -> None:
    limit = Signal(claim=Claim.RATE_LIMITED, source=Source.EVENT, rule="claude:x", at=1780401600.0)
    event = dataclasses.replace(limit, fields={"resets_at": 1780412440.0})
    words = dataclasses.replace(limit, text="result: You've hit your limit · resets 3pm (UTC)", final=True)
    outcome = judge(ExitStatus(code=1), [event, words])
    assert outcome.then is not None
    assert outcome.then.at == 1780412440.0


@pytest.mark.parametrize(
    ("status", "text", "claim"),
    [
        (429, "API Error: Request rejected (429)", Claim.RATE_LIMITED),
        (529, "API Error: 529 Overloaded.", Claim.OVERLOADED),
        (500, "API Error: 500 Internal server error", Claim.OVERLOADED),
        (None, "API Error: Unable to connect to API (ECONNREFUSED)", Claim.NETWORK_DOWN),
        (None, "API Error: The operation timed out.", Claim.NETWORK_DOWN),
    ],
)
def test_the_providers_trouble_is_waited_out_with_back_off(status: int | None, text: str, claim: Claim) -> None:
    outcome = ended(INIT, failed(status, text), code=1)
    assert outcome.claim is claim
    assert outcome.then is not None
    assert outcome.then.at is None
    assert outcome.then.same_session


@pytest.mark.parametrize(
    ("event", "claim", "advice"),
    [
        (failed(400, "Prompt is too long", terminal_reason="prompt_too_long"), Claim.CONTEXT_EXHAUSTED, "smaller task"),
        ({**DONE, "subtype": "error_max_turns", "errors": ["Reached"]}, Claim.BUDGET_EXCEEDED, "logist resume"),
        ({**DONE, "subtype": "error_max_budget_usd"}, Claim.BUDGET_EXCEEDED, "logist resume"),
        (failed(404, "There's an issue with the selected model (x)."), Claim.MODEL_UNAVAILABLE, "--agent-set model"),
        (failed(400, "API Error: 400 unheard of"), Claim.FAILED, "unheard of"),
        ({**DONE, "terminal_reason": "hook_stopped"}, Claim.HOOK_BLOCKED, "hook_stopped"),
    ],
)
def test_what_time_does_not_mend_fails_with_its_reason(event: dict[str, Any], claim: Claim, advice: str) -> None:
    outcome = ended(INIT, event, code=1)
    assert (outcome.result, outcome.claim, outcome.then, outcome.hold) == (Result.FAILED, claim, None, False)
    assert advice in outcome.reason


def test_an_interrupt_is_no_success_although_it_exits_with_0() -> None:
    event = {**DONE, "subtype": "error_during_execution", "is_error": True, "terminal_reason": "aborted_streaming"}
    assert ended(INIT, event, code=0).result is Result.INTERRUPTED


def test_a_result_without_a_class_takes_it_from_the_message_before_it() -> None:
    message = {"model": "<synthetic>", "content": [{"type": "text", "text": "Payment needed"}]}
    outcome = ended(
        INIT, {"type": "assistant", "message": message, "error": "billing_error"}, failed(400, "Payment needed"), code=1
    )
    assert (outcome.claim, outcome.hold) == (Claim.BILLING, True)


def test_a_conversation_that_is_gone_says_how_to_start_afresh() -> None:
    errors = ["No conversation found with session ID: 6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"]
    event = {"type": "result", "subtype": "error_during_execution", "is_error": True, "errors": errors}
    outcome = ended(event, code=1)
    assert (outcome.result, outcome.then) == (Result.FAILED, None)
    assert "logist retry" in outcome.reason


def test_a_killed_run_has_failed_and_names_the_last_trouble() -> None:
    retry = {"type": "system", "subtype": "api_retry", "attempt": 2, "error": "overloaded", "error_status": 529}
    outcome = ended(INIT, retry, signal=9)
    assert (outcome.result, outcome.claim, outcome.then) == (Result.FAILED, Claim.OVERLOADED, None)
    assert "killed by signal 9" in outcome.reason
    assert "529" in outcome.reason


def test_trouble_that_was_overcome_is_not_the_reason_of_a_kill() -> None:
    retry = {"type": "system", "subtype": "api_retry", "attempt": 2, "error": "overloaded", "error_status": 529}
    delta = {"type": "stream_event", "event": {"type": "content_block_delta"}}
    outcome = ended(INIT, retry, delta, code=143)
    assert outcome.claim is None
    assert outcome.reason == "exit code 143, no result event"


@pytest.mark.parametrize("exit", [{"signal": 6}, {"signal": 11}, {"code": 134}, {"code": 139}])
def test_dying_of_itself_is_a_crash(exit: dict[str, int]) -> None:
    outcome = ended(INIT, **exit)
    assert (outcome.result, outcome.claim) == (Result.FAILED, Claim.CRASHED)


def test_only_the_programs_own_last_word_counts() -> None:
    text = Signal(claim=Claim.COMPLETED, source=Source.TEXT, rule="x/y", final=True, fields={"answered": True})
    assert judge(ExitStatus(code=0), [text]).result is Result.UNVERIFIED


FINAL = st.fixed_dictionaries(
    {
        "type": st.just("result"),
        "subtype": st.sampled_from(["success", "error_max_turns", "error_during_execution", ""]),
        "is_error": st.booleans(),
        "api_error_status": st.none() | st.sampled_from([400, 401, 404, 429, 500, 529]),
        "result": st.sampled_from(["", "Done.", "Credit balance is too low", "Not logged in"]),
        "terminal_reason": st.sampled_from(["completed", "aborted_tools", "prompt_too_long", "max_turns"]),
    }
)


@given(event=FINAL, code=st.integers(0, 255))
def test_success_needs_exit_0_and_an_answer_without_an_error(event: dict[str, Any], code: int) -> None:
    outcome = ended(INIT, event, code=code)
    clean = code == 0 and not event["is_error"] and not event["subtype"].startswith("error") and event["result"]
    assert (outcome.result is Result.SUCCEEDED) == bool(clean and event["terminal_reason"] == "completed")
    assert outcome.reason
    assert not (outcome.hold and outcome.then)
