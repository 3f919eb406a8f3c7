"""From one line of `copilot --output-format json` to what was said and done. Pure and total, as `events`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from logist_core.agentkit import long_text, object_of, text, tool_entry, whole
from logist_core.api import Entry, EntryKind

_WRITES = ("create", "edit", "str_replace", "str_replace_editor", "write")


def _prompt(data: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(kind=EntryKind.PROMPT, text=long_text(data.get("content")))


def _message(data: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(kind=EntryKind.TEXT, text=long_text(data.get("content")), turn=text(data.get("turnId")) or None)


def _tool_start(data: Mapping[str, Any]) -> Iterator[Entry]:
    turn, call = text(data.get("turnId")) or None, data.get("toolCallId")
    yield tool_entry(data.get("toolName"), data.get("arguments"), call=call, writes=_WRITES, turn=turn)


def _tool_complete(data: Mapping[str, Any]) -> Iterator[Entry]:
    failed = whole(object_of(data.get("shellExecution")).get("exitCode")) not in (None, 0)
    yield Entry(
        kind=EntryKind.RESULT,
        call=text(data.get("toolCallId")) or None,
        ok=data.get("success") is True and not failed,
        text=long_text(object_of(data.get("result")).get("content"))
        or long_text(object_of(data.get("error")).get("message")),
    )


def _error(data: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(kind=EntryKind.NOTICE, text=long_text(data.get("message")) or long_text(data.get("errorMessage")))


def _result(event: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(kind=EntryKind.END, ok=whole(event.get("exitCode")) == 0)


def _of_data(read: Callable[[Mapping[str, Any]], Iterator[Entry]]) -> Callable[[Mapping[str, Any]], Iterator[Entry]]:
    return lambda event: read(object_of(event.get("data")))


#: See `logist_core.agentkit.entries_of`.
READERS = {
    "assistant.message": _of_data(_message),
    "model.call_failure": _of_data(_error),
    "result": _result,
    "session.error": _of_data(_error),
    "tool.execution_complete": _of_data(_tool_complete),
    "tool.execution_start": _of_data(_tool_start),
    "user.message": _of_data(_prompt),
}
