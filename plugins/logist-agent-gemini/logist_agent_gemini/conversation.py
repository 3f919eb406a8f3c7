"""From one line of `--output-format stream-json` to what was said and done. Pure and total, as `events`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logist_core.agentkit import long_text, object_of, text, tool_entry, whole
from logist_core.api import Entry, EntryKind

_WRITES = ("replace", "write_file")


def _message(event: Mapping[str, Any]) -> Iterator[Entry]:
    words, role = long_text(event.get("content")), event.get("role")
    if role == "user":
        yield Entry(kind=EntryKind.PROMPT, text=words)
    elif role == "assistant":
        yield Entry(kind=EntryKind.TEXT, text=words, partial=event.get("delta") is True)


def _tool_use(event: Mapping[str, Any]) -> Iterator[Entry]:
    yield tool_entry(event.get("tool_name"), event.get("parameters"), call=event.get("tool_id"), writes=_WRITES)


def _tool_result(event: Mapping[str, Any]) -> Iterator[Entry]:
    words = long_text(event.get("output")) or long_text(object_of(event.get("error")).get("message"))
    call = text(event.get("tool_id")) or None
    yield Entry(kind=EntryKind.RESULT, call=call, ok=event.get("status") != "error", text=words)


def _error(event: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(kind=EntryKind.NOTICE, text=long_text(event.get("message")))


def _result(event: Mapping[str, Any]) -> Iterator[Entry]:
    stats, error = object_of(event.get("stats")), object_of(event.get("error"))
    yield Entry(
        kind=EntryKind.END,
        ok=event.get("status") == "success",
        text=long_text(error.get("message")),
        tokens_in=whole(stats.get("input_tokens")),
        tokens_out=whole(stats.get("output_tokens")),
    )


#: See `logist_core.agentkit.entries_of`.
READERS = {
    "error": _error,
    "message": _message,
    "result": _result,
    "tool_result": _tool_result,
    "tool_use": _tool_use,
}
