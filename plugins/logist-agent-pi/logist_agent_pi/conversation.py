"""From one line of `pi --mode json` to what was said and done. Pure and total, as `events`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logist_core.agentkit import long_text, number, object_of, objects_of, text, tool_entry, whole, words_of
from logist_core.api import Entry, EntryKind

_WRITES = ("edit", "write")


def _message(event: Mapping[str, Any]) -> Iterator[Entry]:
    message = object_of(event.get("message"))
    role, content = message.get("role"), message.get("content")
    if role == "user":
        yield Entry(kind=EntryKind.PROMPT, text=words_of(content))
    elif role == "assistant" and message.get("stopReason") == "error":
        yield Entry(kind=EntryKind.NOTICE, text=long_text(message.get("errorMessage")))
    elif role == "assistant":
        yield from _said(message)


def _said(message: Mapping[str, Any]) -> Iterator[Entry]:
    usage = object_of(message.get("usage"))
    for block in objects_of(message.get("content")):
        if words := long_text(block.get("thinking")):
            yield Entry(kind=EntryKind.THINKING, text=words)
        if words := long_text(block.get("text")):
            yield Entry(kind=EntryKind.TEXT, text=words)
        if block.get("type") == "toolCall":
            yield tool_entry(block.get("name"), block.get("arguments"), call=block.get("id"), writes=_WRITES)
    yield Entry(
        kind=EntryKind.USAGE,
        tokens_in=whole(usage.get("input")),
        tokens_out=whole(usage.get("output")),
        cost_usd=number(object_of(usage.get("cost")).get("total")),
    )


def _tool_end(event: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(
        kind=EntryKind.RESULT,
        call=text(event.get("toolCallId")) or None,
        tool=text(event.get("toolName")) or None,
        ok=event.get("isError") is not True,
        text=words_of(object_of(event.get("result")).get("content")),
    )


def _agent_end(event: Mapping[str, Any]) -> Iterator[Entry]:
    messages = event.get("messages")
    last = object_of(messages[-1]) if isinstance(messages, list) and messages else {}
    ok = last.get("stopReason") in ("stop", "toolUse", "length")
    yield Entry(kind=EntryKind.END, ok=ok, text=long_text(last.get("errorMessage")))


def _retry(event: Mapping[str, Any]) -> Iterator[Entry]:
    attempt, most = whole(event.get("attempt")), whole(event.get("maxAttempts"))
    yield Entry(kind=EntryKind.NOTICE, text=f"retry {attempt} of {most}: {text(event.get('errorMessage'))}")


#: See `logist_core.agentkit.entries_of`.
READERS = {
    "agent_end": _agent_end,
    "auto_retry_start": _retry,
    "message_end": _message,
    "tool_execution_end": _tool_end,
}
