"""From one line of `opencode run --format json` to what was said and done. Pure and total, as `events`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logist_core.agentkit import long_text, number, object_of, text, tool_entry, whole
from logist_core.api import Entry, EntryKind

_WRITES = ("edit", "multiedit", "patch", "write")


def _part(event: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    part = object_of(event.get("part"))
    return part, text(part.get("messageID")) or None


def _text(event: Mapping[str, Any]) -> Iterator[Entry]:
    part, turn = _part(event)
    yield Entry(kind=EntryKind.TEXT, text=long_text(part.get("text")), turn=turn)


def _reasoning(event: Mapping[str, Any]) -> Iterator[Entry]:
    part, turn = _part(event)
    yield Entry(kind=EntryKind.THINKING, text=long_text(part.get("text")), turn=turn)


def _tool_use(event: Mapping[str, Any]) -> Iterator[Entry]:
    """A call is told of once it is over."""
    part, turn = _part(event)
    state, call = object_of(part.get("state")), text(part.get("callID")) or None
    yield tool_entry(part.get("tool"), state.get("input"), call=call, writes=_WRITES, turn=turn)
    failed = state.get("status") == "error" or whole(object_of(state.get("metadata")).get("exit")) not in (None, 0)
    words = long_text(state.get("output")) or long_text(state.get("error"))
    yield Entry(kind=EntryKind.RESULT, call=call, tool=text(part.get("tool")) or None, ok=not failed, text=words)


def _step_finish(event: Mapping[str, Any]) -> Iterator[Entry]:
    part, turn = _part(event)
    tokens = object_of(part.get("tokens"))
    yield Entry(
        kind=EntryKind.USAGE,
        turn=turn,
        tokens_in=whole(tokens.get("input")),
        tokens_out=whole(tokens.get("output")),
        cost_usd=number(part.get("cost")),
    )
    if part.get("reason") == "stop":
        yield Entry(kind=EntryKind.END, ok=True)


def _error(event: Mapping[str, Any]) -> Iterator[Entry]:
    error = object_of(event.get("error"))
    words = long_text(object_of(error.get("data")).get("message")) or long_text(error.get("message"))
    yield Entry(kind=EntryKind.END, ok=False, text=words or text(error.get("name")))


#: See `logist_core.agentkit.entries_of`.
READERS = {
    "error": _error,
    "reasoning": _reasoning,
    "step_finish": _step_finish,
    "text": _text,
    "tool_use": _tool_use,
}
