"""From one line of `--output-format stream-json` to signals. Pure and total: any JSON object may come, cut or hostile.

The rules, and why:

- Only `system` and `result` speak for the CLI. An error of the provider is also put into the conversation, as a message
  of the assistant that begins with `[API Error: `; the `result` says it again, and that is what counts.
- `system/retry` says that it tries again, and when; why is on standard error alone, and the dictionary reads that.
- A type that isn't known says nothing; `goal_state` comes at every start.
"""

from __future__ import annotations

import re
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

#: Seconds after which work that shows no further sign of life is no longer believed: its own time-out is 240 s.
WORK_LEASE_S = 250.0
#: The same while a tool runs.
TOOL_LEASE_S = 900.0

_API_ERROR = "[API Error: "
_FIRST = (
    (Claim.AUTH_FAILED, re.compile(r"No auth type is selected|auth(?:entication)? type", re.I)),
    (Claim.RATE_LIMITED, re.compile(r"Qwen OAuth quota exceeded|Allocated quota exceeded", re.I)),
    (
        Claim.BUDGET_EXCEEDED,
        re.compile(r"max(?:imum)? session turns|limit(?:s)? exceeded.{0,20}(?:turn|tool|time)", re.I),
    ),
    (Claim.NETWORK_DOWN, re.compile(r"No stream activity for", re.I)),
)


def parse_line(line: str, stream: str) -> Iterable[Signal]:
    """Return the signals of one line; none for a line that is no JSON object or of a type that says nothing."""
    event = read_object(line)
    read = _READERS.get(text(event.get("type"))) if event is not None else None
    return list(read(event, stream)) if read is not None and event is not None else []


def _system(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    subtype = text(event.get("subtype"))
    if subtype == "init":
        fields = given(
            session_id=text(event.get("session_id")),
            model=text(event.get("model")),
            version=text(event.get("qwen_code_version")),
        )
        yield event_signal(Claim.WORKING, "qwen:system/init", stream, lease_s=WORK_LEASE_S, fields=fields)
    elif subtype == "retry":
        data = object_of(event.get("data"))
        delay_ms = number(data.get("delayMs"))
        fields = given(
            attempt=whole(data.get("attempt")),
            max_attempts=whole(data.get("maxRetries")),
            retry_in_s=None if delay_ms is None else max(delay_ms / 1000.0, 0.0),
        )
        if fields:  # a retry that isn't counted carries nothing
            yield event_signal(None, "qwen:system/retry", stream, "tries again", fields=fields)


def _assistant(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    blocks = objects_of(object_of(event.get("message")).get("content"))
    words = " ".join(text(block.get("text")) for block in blocks)
    if words.startswith(_API_ERROR):
        return
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    for call in calls:
        tool = text(call.get("name"))
        fields = given(tool_open=text(call.get("id")), tool=tool)
        yield event_signal(Claim.WORKING, "qwen:assistant/tool_use", stream, tool, lease_s=TOOL_LEASE_S, fields=fields)
    if not calls:
        fields = {"answered": True} if words.strip() else {}
        yield event_signal(Claim.WORKING, "qwen:assistant", stream, lease_s=WORK_LEASE_S, fields=fields)


def _user(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    for block in objects_of(object_of(event.get("message")).get("content")):
        if block.get("type") != "tool_result":
            continue
        fields = given(tool_closed=text(block.get("tool_use_id")))
        if block.get("is_error") is True:
            yield event_signal(Claim.TOOL_ERROR, "qwen:user/tool_result", stream, "error", fields=fields)
        else:
            yield event_signal(
                Claim.WORKING, "qwen:user/tool_result", stream, "ok", lease_s=WORK_LEASE_S, fields=fields
            )


def _stream_event(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    kind = text(object_of(event.get("event")).get("type"))
    if kind.startswith(("content_block_", "message_")):
        yield event_signal(Claim.WORKING, "qwen:stream_event", stream, kind, lease_s=WORK_LEASE_S)


def _result(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    usage, error = object_of(event.get("usage")), object_of(event.get("error"))
    subtype, answer = text(event.get("subtype")), text(event.get("result"))
    failed = event.get("is_error") is True or subtype.startswith("error")
    fields = given(
        session_id=text(event.get("session_id")),
        tokens_in=whole(usage.get("input_tokens")),
        tokens_out=whole(usage.get("output_tokens")),
        turns=whole(event.get("num_turns")),
        answered=None if failed else bool(answer.strip()),
    )
    if not failed:
        yield event_signal(Claim.COMPLETED, "qwen:result", stream, subtype, fields=fields, final=True)
        return
    words = text(error.get("message")) or answer or subtype
    claim = classify(words, first=_FIRST) or Claim.FAILED
    if subtype == "error_max_turns":
        claim = Claim.BUDGET_EXCEEDED
    yield event_signal(claim, "qwen:result", stream, words, fields=fields, final=True)


_READERS = {
    "assistant": _assistant,
    "result": _result,
    "stream_event": _stream_event,
    "system": _system,
    "user": _user,
}
