"""From one line of `pi --mode json` to signals. Pure and total: any JSON object may come, cut or hostile.

The rules, and why:

- An error of the provider is a message of the assistant whose `stopReason` is `error`, with the provider's words in
  `errorMessage`. `agent_end` closes every try; `auto_retry_start` after it opens the next, and `auto_retry_end` says
  that it gave up. The exit code is 0 in all of that.
- `message_update` repeats the whole answer in every piece: its type is looked at, and nothing else of it.
- A type that isn't known says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from logist_core.agentkit import (
    classify,
    event_signal,
    given,
    number,
    object_of,
    objects_of,
    read_object,
    text,
    whole,
)
from logist_core.api import Claim, Signal

#: Seconds after which work that shows no further sign of life is no longer believed. It has no time-out of its own.
WORK_LEASE_S = 310.0
#: The same while a tool runs.
TOOL_LEASE_S = 900.0
RETRY_SLACK_S = 120.0


def parse_line(line: str, stream: str) -> Iterable[Signal]:
    """Return the signals of one line; none for a line that is no JSON object or of a type that says nothing."""
    event = read_object(line)
    read = _READERS.get(text(event.get("type"))) if event is not None else None
    return list(read(event, stream)) if read is not None and event is not None else []


def _session(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    fields = given(session_id=text(event.get("id")))
    yield event_signal(Claim.WORKING, "pi:session", stream, lease_s=WORK_LEASE_S, fields=fields)


def _update(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    yield event_signal(Claim.WORKING, "pi:message_update", stream, lease_s=WORK_LEASE_S)


def _message(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    message = object_of(event.get("message"))
    if message.get("role") != "assistant":
        return
    if message.get("stopReason") == "error":
        words = text(message.get("errorMessage"))
        yield event_signal(classify(words) or Claim.FAILED, "pi:message_end", stream, words, lease_s=RETRY_SLACK_S)
        return
    usage = object_of(message.get("usage"))
    fields = given(
        model=text(message.get("model")),
        tokens_in=whole(usage.get("input")),
        tokens_out=whole(usage.get("output")),
        cost_usd=number(object_of(usage.get("cost")).get("total")),
    )
    if _answered(message):
        fields["answered"] = True
    yield event_signal(Claim.WORKING, "pi:message_end", stream, lease_s=WORK_LEASE_S, fields=fields)


def _answered(message: Mapping[str, Any]) -> bool:
    return any(text(part.get("text")).strip() for part in objects_of(message.get("content")))


def _tool_start(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    tool = text(event.get("toolName"))
    fields = given(tool_open=text(event.get("toolCallId")), tool=tool)
    yield event_signal(Claim.WORKING, "pi:tool_execution_start", stream, tool, lease_s=TOOL_LEASE_S, fields=fields)


def _tool_update(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    yield event_signal(Claim.WORKING, "pi:tool_execution_update", stream, lease_s=TOOL_LEASE_S)


def _tool_end(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    fields = given(tool_closed=text(event.get("toolCallId")), tool=text(event.get("toolName")))
    rule = "pi:tool_execution_end"
    if event.get("isError") is True:
        yield event_signal(Claim.TOOL_ERROR, rule, stream, "error", fields=fields)
    else:
        yield event_signal(Claim.WORKING, rule, stream, "ok", lease_s=WORK_LEASE_S, fields=fields)


def _agent_end(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    messages = event.get("messages")
    last = object_of(messages[-1]) if isinstance(messages, list) and messages else {}
    reason, words, rule = text(last.get("stopReason")), text(last.get("errorMessage")), "pi:agent_end"
    if reason in ("stop", "toolUse", "length"):
        fields: dict[str, Any] = {"answered": True} if _answered(last) else {}
        if reason == "length":
            fields["marred"] = "the answer was cut at the model's output limit"
        yield event_signal(Claim.COMPLETED, rule, stream, reason, fields=fields, final=True)
    elif reason == "aborted":
        yield event_signal(Claim.INTERRUPTED, rule, stream, words or reason, final=True)
    else:
        yield event_signal(classify(words) or Claim.FAILED, rule, stream, words or reason, final=True)


def _retry(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    words, delay_ms = text(event.get("errorMessage")), number(event.get("delayMs"))
    delay_s = None if delay_ms is None else max(delay_ms / 1000.0, 0.0)
    fields = given(
        attempt=whole(event.get("attempt")), max_attempts=whole(event.get("maxAttempts")), retry_in_s=delay_s
    )
    yield event_signal(
        classify(words) or Claim.FAILED,
        "pi:auto_retry_start",
        stream,
        words,
        lease_s=(delay_s or 0.0) + RETRY_SLACK_S,
        fields=fields,
    )


def _retry_end(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    if event.get("success") is False:
        words = text(event.get("finalError"))
        yield event_signal(classify(words) or Claim.FAILED, "pi:auto_retry_end", stream, words, final=True)


_READERS = {
    "agent_end": _agent_end,
    "auto_retry_end": _retry_end,
    "auto_retry_start": _retry,
    "message_end": _message,
    "message_update": _update,
    "session": _session,
    "tool_execution_end": _tool_end,
    "tool_execution_start": _tool_start,
    "tool_execution_update": _tool_update,
}
