"""From one line of `--output-format stream-json` to signals. Pure and total: any JSON object may come, cut or hostile.

The rules, and why:

- Only what the CLI itself wrote can claim trouble: its `system`, `rate_limit_event` and `result` frames, and the
  messages that it puts into the conversation for an error of the provider (model `<synthetic>`, or an `error` code).
  The words of the model and of tool results are steered by repositories and web pages: they open and close tool
  calls and show life, and nothing more.
- `subtype: success` is no success: errors of the provider come as `success` with `is_error: true`.
- `rate_limit_event` comes on every run with a subscription; only `rejected` without extra usage is a limit.
- A type that isn't known says nothing. The CLI's schema has keep-alives and notices, which would otherwise pass for
  life while a stream hangs.
- Every claim of work has a lease: just over the 300 s after which the CLI gives up a silent stream by itself, or, with
  a tool call open, the time that the call was given.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from logist_agent_claude.failures import classify
from logist_agent_claude.hooks import hook_claim
from logist_core.api import Claim, Signal, Source, step_key

#: Seconds after which work that shows no further sign of life is no longer believed.
WORK_LEASE_S = 310.0
#: The same while a tool call without a time-out of its own is open: the CLI's longest for a command is 600 s.
TOOL_LEASE_S = 610.0
#: Added to a retry's delay: the next request takes a while before it fails.
RETRY_SLACK_S = 120.0

MOST_TEXT = 500
#: So many content blocks of one message are looked at.
MOST_BLOCKS = 200
#: So many names of denied tools are kept.
MOST_DENIED = 10

_CONTEXT_ENDS = frozenset({"prompt_too_long", "blocking_limit", "rapid_refill_breaker"})
_BUDGET_ENDS = frozenset({"max_turns", "budget_exhausted"})
_ABORTED_ENDS = frozenset({"aborted_streaming", "aborted_tools"})
_HOOK_ENDS = frozenset({"stop_hook_prevented", "hook_stopped"})

#: Subtypes of `system` that mean that the agent is at work.
_AT_WORK = frozenset(
    {
        "compact_boundary",
        "hook_progress",
        "hook_started",
        "status",
        "task_notification",
        "task_progress",
        "task_started",
        "task_updated",
        "thinking",
        "thinking_tokens",
        "turn_duration",
    }
)


def parse_line(line: str, stream: str) -> Iterable[Signal]:
    """Return the signals of one line; none for a line that is no JSON object or of a type that says nothing."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return []
    if not isinstance(event, dict):
        return []
    read = _hook if "hook_event_name" in event else _READERS.get(_text(event.get("type")))
    return list(read(event, stream)) if read is not None else []


def _hook(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    claim = hook_claim(event)
    if claim is not None:
        name = f"hook/{_text(event.get('hook_event_name'))}"
        yield _signal(claim, name, stream, lease_s=WORK_LEASE_S if claim is Claim.WORKING else None)


def _system(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    subtype = _text(event.get("subtype"))
    rule = f"system/{subtype}"
    if subtype == "init":
        fields = _given(
            session_id=_text(event.get("session_id")),
            model=_text(event.get("model")),
            version=_text(event.get("claude_code_version")),
            permission_mode=_text(event.get("permissionMode")),
        )
        yield _signal(Claim.WORKING, rule, stream, lease_s=WORK_LEASE_S, fields=fields)
    elif subtype == "api_retry":
        yield _retry(event, stream)
    elif subtype == "permission_denied":
        tool = _text(event.get("tool_name"))
        yield _signal(Claim.TOOL_ERROR, rule, stream, f"denied: {tool}", fields=_given(tool=tool))
    elif subtype == "hook_response" and event.get("exit_code") == 2:
        # Exit code 2 is how a hook forbids what the agent was about to do.
        yield _signal(Claim.HOOK_BLOCKED, rule, stream, _text(event.get("hook_name")))
    elif subtype in _AT_WORK:
        yield _signal(Claim.WORKING, rule, stream, _text(event.get("status")), lease_s=WORK_LEASE_S)


def _retry(event: Mapping[str, Any], stream: str) -> Signal:
    code, status = _text(event.get("error")), _whole(event.get("error_status"))
    delay_ms = _number(event.get("retry_delay_ms"))
    delay_s = None if delay_ms is None else max(delay_ms / 1000.0, 0.0)
    # Without a status there was no answer at all; the CLI's code is then "unknown".
    claim = classify(code=code, status=status) or (Claim.NETWORK_DOWN if status is None else Claim.FAILED)
    attempt, most = _whole(event.get("attempt")), _whole(event.get("max_retries"))
    return _signal(
        claim,
        "system/api_retry",
        stream,
        f"{code or 'error'}, status {status if status is not None else 'none'}, retry {attempt} of {most}",
        lease_s=(delay_s or 0.0) + RETRY_SLACK_S,
        fields=_given(attempt=attempt, max_attempts=most, retry_in_s=delay_s),
    )


def _rate_limit(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    info = _object(event.get("rate_limit_info"))
    extra = info.get("isUsingOverage") is True or _text(info.get("overageStatus")).startswith("allowed")
    if info.get("status") != "rejected" or extra:
        return
    limit = _text(info.get("rateLimitType"))
    fields = _given(resets_at=_number(info.get("resetsAt")), limit=limit)
    yield _signal(Claim.RATE_LIMITED, "rate_limit_event", stream, f"rejected: {limit or 'usage limit'}", fields=fields)


def _assistant(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    message = _object(event.get("message"))
    blocks = _blocks(message)
    code = _text(event.get("error"))
    if message.get("model") == "<synthetic>" or code or event.get("is_api_error_message") is True:
        words = " ".join(_text(block.get("text")) for block in blocks)
        claim = classify(code=code, status=_whole(event.get("api_error_status")), words=words)
        if claim is not None or code:
            yield _signal(claim or Claim.FAILED, "assistant/api-error", stream, words)
        return
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    for call in calls:
        timeout_ms = _number(_object(call.get("input")).get("timeout"))
        budget_s = timeout_ms / 1000.0 if timeout_ms is not None and timeout_ms > 0 else None
        fields = _given(
            tool_open=_text(call.get("id")),
            tool=_text(call.get("name")),
            tool_budget_s=budget_s,
            action=step_key(f"{_text(call.get('name'))} {_written(call.get('input'))}"),
        )
        lease_s = max(TOOL_LEASE_S, (budget_s or 0.0) + 10.0)
        yield _signal(
            Claim.WORKING, "assistant/tool-use", stream, _text(call.get("name")), lease_s=lease_s, fields=fields
        )
    if not calls:
        yield _signal(Claim.WORKING, "assistant", stream, lease_s=WORK_LEASE_S)


def _user(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    for block in _blocks(_object(event.get("message"))):
        if block.get("type") == "tool_result":
            failed = block.get("is_error") is True
            came = step_key(_written(block.get("content")))
            fields = _given(tool_closed=_text(block.get("tool_use_id")), **{"error" if failed else "result": came})
            if failed:
                yield _signal(Claim.TOOL_ERROR, "user/tool-result", stream, "error", fields=fields)
            else:
                yield _signal(Claim.WORKING, "user/tool-result", stream, "ok", lease_s=WORK_LEASE_S, fields=fields)


def _stream_event(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    kind = _text(_object(event.get("event")).get("type"))
    if kind.startswith(("content_block_", "message_")):  # pings keep coming on a stream that hangs
        yield _signal(Claim.WORKING, "stream_event", stream, kind, lease_s=WORK_LEASE_S)


def _tool_progress(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    tool = _text(event.get("tool_name"))
    yield _signal(Claim.WORKING, "tool_progress", stream, tool, lease_s=TOOL_LEASE_S, fields=_given(tool=tool))


def _auth_status(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    error = _text(event.get("error"))
    if error:
        yield _signal(Claim.AUTH_FAILED, "auth_status", stream, error)


def _result(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    usage = _object(event.get("usage"))
    tokens = [_whole(usage.get(f"{kind}_input_tokens")) for kind in ("cache_creation", "cache_read")]
    tokens_in = _whole(usage.get("input_tokens"))
    denials = event.get("permission_denials")
    denied = [_text(_object(denial).get("tool_name")) for denial in denials] if isinstance(denials, list) else []
    claim, words = _verdict(event)
    fields = _given(
        session_id=_text(event.get("session_id")),
        tokens_in=None if tokens_in is None else tokens_in + sum(count or 0 for count in tokens),
        tokens_out=_whole(usage.get("output_tokens")),
        cost_usd=_number(event.get("total_cost_usd")),
        turns=_whole(event.get("num_turns")),
        subtype=_text(event.get("subtype")),
        status=_whole(event.get("api_error_status")),
        terminal_reason=_text(event.get("terminal_reason")),
        denied=len(denied) or None,
        denied_tools=sorted(set(filter(None, denied)))[:MOST_DENIED] or None,
        answered=bool(_text(event.get("result")).strip()) if claim is Claim.COMPLETED else None,
    )
    yield _signal(claim, "result", stream, words, fields=fields, final=True)


def _verdict(event: Mapping[str, Any]) -> tuple[Claim, str]:
    """Return what a `result` claims, and the words that it rests on."""
    subtype, end = _text(event.get("subtype")), _text(event.get("terminal_reason"))
    status = _whole(event.get("api_error_status"))
    errors = event.get("errors")
    listed = "; ".join(_text(error) for error in errors) if isinstance(errors, list) else ""
    failed = event.get("is_error") is True or subtype.startswith("error")
    words = (_text(event.get("result")) or listed) if failed else ""
    evidence = ", ".join(filter(None, [subtype, end, f"status {status}" if status is not None else "", words]))
    if end in _HOOK_ENDS:
        return Claim.HOOK_BLOCKED, evidence
    if not failed:
        return Claim.COMPLETED, evidence
    if subtype in ("error_max_turns", "error_max_budget_usd") or end in _BUDGET_ENDS:
        return Claim.BUDGET_EXCEEDED, evidence
    if end in _ABORTED_ENDS or "Request was aborted" in words:
        return Claim.INTERRUPTED, evidence
    if end in _CONTEXT_ENDS:
        return Claim.CONTEXT_EXHAUSTED, evidence
    # `errors` may quote anything; only `result`, which an error of the provider fills, holds the CLI's own words.
    return classify(status=status, words=_text(event.get("result"))) or Claim.FAILED, evidence


_READERS = {
    "assistant": _assistant,
    "auth_status": _auth_status,
    "rate_limit_event": _rate_limit,
    "result": _result,
    "stream_event": _stream_event,
    "system": _system,
    "tool_progress": _tool_progress,
    "user": _user,
}


def _signal(
    claim: Claim,
    event: str,
    stream: str,
    detail: str = "",
    *,
    lease_s: float | None = None,
    fields: Mapping[str, Any] | None = None,
    final: bool = False,
) -> Signal:
    text = f"{event}: {detail}" if detail else event
    return Signal(
        claim=claim,
        source=Source.EVENT,
        rule=f"claude:{event}"[:80],
        stream=stream,
        text="".join(c if c.isprintable() else " " for c in text[:MOST_TEXT]),
        lease_s=lease_s,
        final=final,
        fields=fields or {},
    )


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are known."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [_object(block) for block in content[:MOST_BLOCKS]] if isinstance(content, list) else []


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return a string, without lone surrogates, which JSON can smuggle in and no file can hold."""
    return value[:4096].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _written(value: object) -> str:
    """Return any value of JSON as text, for comparison."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None else None
