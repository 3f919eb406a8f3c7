"""What the lines of `--output-format stream-json` say; the lines are in the schema of the real program."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_agent_claude.events import MOST_TEXT, WORK_LEASE_S, parse_line

from logist_core.api import Claim, Signal, Source, step_key

pytestmark = pytest.mark.fast

SESSION = "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"


def said(event: object) -> list[Signal]:
    return list(parse_line(json.dumps(event), "out"))


def one(event: object) -> Signal:
    (signal,) = said(event)
    return signal


def claims(event: object) -> list[Claim | None]:
    return [signal.claim for signal in said(event)]


def assistant(*blocks: dict[str, Any], model: str = "claude-opus-4-8", **more: Any) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": list(blocks)}
    return {"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": SESSION, **more}


def synthetic(text: str, **more: Any) -> dict[str, Any]:
    return assistant({"type": "text", "text": text}, model="<synthetic>", **more)


def tool_result(content: object, *, is_error: bool | None = None) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": content}
    if is_error is not None:
        block["is_error"] = is_error
    return {"type": "user", "message": {"role": "user", "content": [block]}, "session_id": SESSION}


def result(**more: Any) -> dict[str, Any]:
    base = {"type": "result", "subtype": "success", "is_error": False, "api_error_status": None, "num_turns": 2}
    usage = {"input_tokens": 200, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 4, "output_tokens": 14}
    end = {"result": "Done.", "session_id": SESSION, "total_cost_usd": 0.00135, "usage": usage}
    return {**base, **end, "permission_denials": [], "terminal_reason": "completed", **more}


def api_error(status: int | None, text: str, **more: Any) -> dict[str, Any]:
    return result(is_error=True, api_error_status=status, result=text, **more)


def test_the_first_event_names_session_and_model() -> None:
    event = {
        "type": "system",
        "subtype": "init",
        "session_id": SESSION,
        "model": "claude-opus-4-8[1m]",
        "permissionMode": "acceptEdits",
        "claude_code_version": "2.1.197",
    }
    signal = one(event)
    assert signal.claim is Claim.WORKING
    assert signal.source is Source.EVENT
    assert signal.rule == "claude:system/init"
    assert signal.fields == {
        "session_id": SESSION,
        "model": "claude-opus-4-8[1m]",
        "version": "2.1.197",
        "permission_mode": "acceptEdits",
    }


@pytest.mark.parametrize(
    ("error", "status", "claim"),
    [
        ("authentication_failed", 401, Claim.AUTH_FAILED),
        ("rate_limit", 429, Claim.RATE_LIMITED),
        ("overloaded", 529, Claim.OVERLOADED),
        ("server_error", 500, Claim.OVERLOADED),
        ("unknown", 503, Claim.OVERLOADED),
        ("unknown", None, Claim.NETWORK_DOWN),
        ("unknown", 418, Claim.FAILED),
    ],
)
def test_a_retry_says_why_and_when(error: str, status: int | None, claim: Claim) -> None:
    event = {
        "type": "system",
        "subtype": "api_retry",
        "attempt": 3,
        "max_retries": 10,
        "retry_delay_ms": 2119.1,
        "error_status": status,
        "error": error,
    }
    signal = one(event)
    assert signal.claim is claim
    assert signal.fields == {"attempt": 3, "max_attempts": 10, "retry_in_s": pytest.approx(2.1191)}
    assert signal.lease_s == pytest.approx(122.1191)
    assert not signal.final


def test_a_retry_without_figures_is_still_a_retry() -> None:
    signal = one({"type": "system", "subtype": "api_retry", "error": "rate_limit", "error_status": 429})
    assert signal.claim is Claim.RATE_LIMITED
    assert signal.fields == {}


def test_a_rejected_rate_limit_event_holds_the_time_of_the_reset() -> None:
    info = {"status": "rejected", "resetsAt": 1795362391, "rateLimitType": "five_hour", "overageStatus": "rejected"}
    signal = one({"type": "rate_limit_event", "rate_limit_info": info})
    assert signal.claim is Claim.RATE_LIMITED
    assert signal.fields == {"resets_at": 1795362391.0, "limit": "five_hour"}


@pytest.mark.parametrize(
    "info",
    [
        {"status": "allowed", "resetsAt": 1783173600, "rateLimitType": "five_hour", "isUsingOverage": False},
        {"status": "allowed_warning", "utilization": 0.85},
        {"status": "rejected", "isUsingOverage": True},
        {"status": "rejected", "overageStatus": "allowed_warning"},
        {"unifiedWindows": {"five_hour": {"utilization": 0.16}}},
        None,
    ],
)
def test_other_rate_limit_events_say_nothing(info: object) -> None:
    assert said({"type": "rate_limit_event", "rate_limit_info": info}) == []


def test_a_tool_call_opens_and_its_result_closes() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "make", "timeout": 900000}}
    opened = one(assistant(call))
    assert opened.claim is Claim.WORKING
    action = step_key('Bash {"command": "make", "timeout": 900000}')
    assert opened.fields == {"tool_open": "toolu_1", "tool": "Bash", "tool_budget_s": 900.0, "action": action}
    assert opened.lease_s == 910.0
    closed = one(tool_result("ok", is_error=False))
    assert closed.claim is Claim.WORKING
    assert closed.fields == {"tool_closed": "toolu_1", "result": step_key("ok")}


def test_each_call_of_a_message_is_opened() -> None:
    calls = [{"type": "tool_use", "id": f"toolu_{n}", "name": "Read", "input": {}} for n in (1, 2)]
    assert [signal.fields["tool_open"] for signal in said(assistant(*calls))] == ["toolu_1", "toolu_2"]


def test_a_failed_tool_is_a_tool_error_and_closed_all_the_same() -> None:
    signal = one(tool_result("Exit code 3\nboom", is_error=True))
    assert signal.claim is Claim.TOOL_ERROR
    assert signal.fields == {"tool_closed": "toolu_1", "error": step_key("Exit code 3\nboom")}
    assert "boom" not in signal.text


def test_a_denied_tool_is_a_tool_error() -> None:
    assert claims({"type": "system", "subtype": "permission_denied", "tool_name": "Bash"}) == [Claim.TOOL_ERROR]


@pytest.mark.parametrize(
    "words",
    [
        "API Error: Request rejected (429)",
        "You've hit your session limit · resets 3:45pm",
        "Invalid API key · Please run /login",
        "Credit balance is too low",
        "Prompt is too long",
        '{"type":"result","subtype":"error_max_turns","is_error":true}',
    ],
)
def test_the_words_of_models_and_tools_claim_nothing(words: str) -> None:
    assert claims(assistant({"type": "text", "text": words})) == [Claim.WORKING]
    assert claims(tool_result(words)) == [Claim.WORKING]
    assert claims(tool_result([{"type": "text", "text": words}])) == [Claim.WORKING]
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": words}}
    (signal,) = said({"type": "stream_event", "event": delta})
    assert signal.claim is Claim.WORKING
    assert words[:12] not in signal.text
    assert claims(result(result=words)) == [Claim.COMPLETED]


@pytest.mark.parametrize(
    ("text", "code", "claim"),
    [
        ("Invalid API key · Fix external API key", "authentication_failed", Claim.AUTH_FAILED),
        ("Not logged in · Please run /login", "authentication_failed", Claim.AUTH_FAILED),
        ("Your organization has disabled subscription access", "oauth_org_not_allowed", Claim.AUTH_FAILED),
        ("Credit balance is too low", "billing_error", Claim.BILLING),
        ("You've hit your limit · resets 3:46pm (UTC)", "rate_limit", Claim.RATE_LIMITED),
        ("API Error: 529 Overloaded.", "server_error", Claim.OVERLOADED),
        ("There's an issue with the selected model (x).", "model_not_found", Claim.MODEL_UNAVAILABLE),
        ("Prompt is too long · the request is ~250000 tokens", "invalid_request", Claim.CONTEXT_EXHAUSTED),
        ("API Error: The operation timed out.", "unknown", Claim.NETWORK_DOWN),
        ("API Error: 400 something new", "invalid_request", Claim.FAILED),
        ("API Error: Request rejected (429) · The usage limit has been reached", None, Claim.RATE_LIMITED),
        ("API Error: 401 OAuth token has expired · Please run /login", None, Claim.AUTH_FAILED),
    ],
)
def test_a_synthetic_message_says_what_the_provider_refused(text: str, code: str | None, claim: Claim) -> None:
    event = synthetic(text, error=code) if code else synthetic(text)
    signal = one(event)
    assert signal.claim is claim
    assert text[:20] in signal.text
    assert not signal.final


def test_a_synthetic_message_without_an_error_says_nothing() -> None:
    assert said(synthetic("No response requested.")) == []


def test_a_success_is_completed_with_its_figures() -> None:
    signal = one(result())
    assert signal.claim is Claim.COMPLETED
    assert signal.final
    assert signal.fields == {
        "session_id": SESSION,
        "tokens_in": 234,
        "tokens_out": 14,
        "cost_usd": 0.00135,
        "turns": 2,
        "subtype": "success",
        "terminal_reason": "completed",
        "answered": True,
    }


@pytest.mark.parametrize(
    ("event", "claim"),
    [
        (api_error(401, "Invalid API key · Fix external API key"), Claim.AUTH_FAILED),
        (api_error(403, "Failed to authenticate. API Error: 403 no permission"), Claim.AUTH_FAILED),
        (api_error(404, "There's an issue with the selected model (x)."), Claim.MODEL_UNAVAILABLE),
        (api_error(413, "Request too large (max 30 MB)."), Claim.CONTEXT_EXHAUSTED),
        (api_error(429, "API Error: Request rejected (429)"), Claim.RATE_LIMITED),
        (api_error(429, "You've hit your Opus limit · resets 3:45pm"), Claim.RATE_LIMITED),
        (api_error(400, "Credit balance is too low"), Claim.BILLING),
        (api_error(400, "Prompt is too long", terminal_reason="prompt_too_long"), Claim.CONTEXT_EXHAUSTED),
        (api_error(None, "", terminal_reason="blocking_limit"), Claim.CONTEXT_EXHAUSTED),
        (api_error(500, "API Error: 500 Internal server error"), Claim.OVERLOADED),
        (api_error(529, "API Error: Repeated 529 Overloaded errors"), Claim.OVERLOADED),
        (api_error(None, "Not logged in · Please run /login"), Claim.AUTH_FAILED),
        (api_error(None, "API Error: Unable to connect to API (ConnectionRefused)"), Claim.NETWORK_DOWN),
        (api_error(None, "API Error: The operation timed out."), Claim.NETWORK_DOWN),
        (api_error(400, "API Error: 400 tool use concurrency issues."), Claim.FAILED),
        (result(subtype="error_max_turns", terminal_reason="max_turns", errors=["…"]), Claim.BUDGET_EXCEEDED),
        (result(subtype="error_max_budget_usd", errors=["Reached maximum budget ($1e-7)"]), Claim.BUDGET_EXCEEDED),
        (result(subtype="error_max_budget_usd", is_error=True), Claim.BUDGET_EXCEEDED),
        (result(subtype="error_during_execution", terminal_reason="aborted_streaming"), Claim.INTERRUPTED),
        (result(subtype="error_during_execution", terminal_reason="aborted_tools"), Claim.INTERRUPTED),
        (
            result(subtype="error_during_execution", result=None, errors=["Error: Request was aborted."]),
            Claim.INTERRUPTED,
        ),
        (result(subtype="error_during_execution", result=None, errors=["boom"]), Claim.FAILED),
        (result(subtype="error_max_structured_output_retries", result=None), Claim.FAILED),
        (result(terminal_reason="stop_hook_prevented"), Claim.HOOK_BLOCKED),
    ],
)
def test_a_result_that_failed_says_why(event: dict[str, Any], claim: Claim) -> None:
    signal = one(event)
    assert signal.claim is claim
    assert signal.final


def test_a_failed_run_is_not_classified_by_what_it_quotes() -> None:
    event = result(subtype="error_during_execution", result=None, errors=["grep: 'Credit balance is too low'"])
    assert claims(event) == [Claim.FAILED]


def test_denied_tools_are_counted_and_named_once() -> None:
    denials = [{"tool_name": name, "tool_use_id": "t", "tool_input": {}} for name in ("Bash", "Write", "Bash")]
    fields = one(result(permission_denials=denials)).fields
    assert fields["denied"] == 3
    assert fields["denied_tools"] == ["Bash", "Write"]


@pytest.mark.parametrize("answer", ["", " \n", None])
def test_an_empty_answer_is_noted(answer: object) -> None:
    assert one(result(result=answer)).fields["answered"] is False


@pytest.mark.parametrize(
    "event",
    [
        {"type": "system", "subtype": "status", "status": "requesting"},
        {"type": "system", "subtype": "compact_boundary"},
        {"type": "system", "subtype": "task_started", "tool_use_id": "toolu_1"},
        {"type": "system", "subtype": "turn_duration", "durationMs": 88947},
        {"type": "stream_event", "event": {"type": "content_block_delta", "index": 0, "delta": {}}},
        {"type": "stream_event", "event": {"type": "message_start"}},
    ],
)
def test_signs_of_work_are_believed_for_just_over_the_programs_own_time_out(event: dict[str, Any]) -> None:
    signal = one(event)
    assert signal.claim is Claim.WORKING
    assert signal.lease_s == WORK_LEASE_S
    assert WORK_LEASE_S > 300


def test_a_long_tool_shows_life_by_its_progress() -> None:
    signal = one({"type": "tool_progress", "tool_use_id": "toolu_1", "tool_name": "Bash", "elapsed_time_seconds": 30})
    assert signal.claim is Claim.WORKING
    assert signal.fields == {"tool": "Bash"}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "stream_event", "event": {"type": "ping"}},
        {"type": "keep_alive"},
        {"type": "system", "subtype": "informational", "content": "rate limit 429"},
        {"type": "system", "subtype": "hook_response", "exit_code": 0},
        {"type": "something_of_next_year", "error": "rate_limit"},
        {"type": "auth_status", "isAuthenticating": True, "output": []},
        {"type": ["result"]},
        {"hook_event_name": "SessionEnd"},
        {},
        [],
        "result",
        7,
    ],
)
def test_what_shows_no_work_says_nothing(event: object) -> None:
    assert said(event) == []


def test_a_login_that_failed_is_an_auth_failure() -> None:
    assert claims({"type": "auth_status", "error": "token revoked"}) == [Claim.AUTH_FAILED]


def test_a_hook_that_forbids_is_told_from_one_that_fails() -> None:
    event = {"type": "system", "subtype": "hook_response", "hook_name": "PreToolUse:Bash", "outcome": "error"}
    assert claims({**event, "exit_code": 2}) == [Claim.HOOK_BLOCKED]
    assert claims({**event, "exit_code": 1}) == []


@pytest.mark.parametrize(
    ("payload", "claim"),
    [
        ({"hook_event_name": "PreToolUse", "tool_name": "Bash"}, Claim.WORKING),
        ({"hook_event_name": "Stop", "last_assistant_message": "Done."}, Claim.COMPLETED),
        ({"hook_event_name": "StopFailure", "error": "rate_limit"}, Claim.RATE_LIMITED),
        ({"hook_event_name": "StopFailure"}, Claim.FAILED),
        ({"hook_event_name": "PermissionRequest", "tool_name": "Bash"}, Claim.PERMISSION_PROMPT),
        ({"hook_event_name": "PermissionRequest", "tool_name": "AskUserQuestion"}, Claim.WAITING_INPUT),
        ({"hook_event_name": "Notification", "notification_type": "permission_prompt"}, Claim.PERMISSION_PROMPT),
        ({"hook_event_name": "Notification", "notification_type": "idle_prompt"}, Claim.WAITING_INPUT),
    ],
)
def test_a_hooks_payload_says_what_a_dialog_asks(payload: dict[str, Any], claim: Claim) -> None:
    signal = one(payload)
    assert signal.claim is claim
    assert not signal.final


def test_hostile_text_is_bounded_and_holds_no_control_characters() -> None:
    signal = one(synthetic("\x1b]0;title\x07\x9b31m" + "Invalid API key \udcff" * 500, error="authentication_failed"))
    assert len(signal.text) <= MOST_TEXT
    assert all(c.isprintable() for c in signal.text)


def test_absurd_numbers_are_left_out() -> None:
    event = result(usage={"input_tokens": True, "output_tokens": "7"}, total_cost_usd=float("nan"), num_turns=10**400)
    assert set(one(event).fields) == {"session_id", "subtype", "terminal_reason", "answered"}


def test_nesting_without_end_is_no_event() -> None:
    assert parse_line('{"type":' + "[" * 100_000, "out") == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    "subtype", "message", "error", "result", "is_error", "permission_denials", "usage", "errors", "event",
    "rate_limit_info", "retry_delay_ms", "error_status", "hook_event_name", "terminal_reason", "tool_name",
]  # fmt: skip


@given(
    kind=st.sampled_from(["system", "assistant", "user", "result", "rate_limit_event", "stream_event", "auth_status"]),
    subtype=st.sampled_from(["init", "api_retry", "hook_response", "success", "error_max_turns", "status"]),
    body=st.dictionaries(st.sampled_from(KEYS), json_values, max_size=6),
)
def test_any_event_gives_well_formed_signals(kind: str, subtype: str, body: dict[str, Any]) -> None:
    for signal in said({"subtype": subtype, **body, "type": kind}):
        assert isinstance(signal.claim, Claim)
        assert len(signal.text) <= MOST_TEXT
        assert signal.text.isprintable()
        assert json.loads(json.dumps(dict(signal.fields))) == signal.fields


@given(st.text() | json_values.map(json.dumps))
def test_any_line_is_taken(line: str) -> None:
    assert isinstance(list(parse_line(line, "err")), list)


@given(st.integers(min_value=0, max_value=400))
def test_a_cut_line_says_nothing(at: int) -> None:
    line = json.dumps(result())
    assert parse_line(line[: min(at, len(line) - 1)], "out") == []
