"""From one line of `codex exec --json` to what was said and done. Pure and total, as `events`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logist_core.agentkit import long_text, object_of, objects_of, text, tool_entry, whole
from logist_core.api import Entry, EntryKind

_FAILED = ("failed", "declined")


def _started(event: Mapping[str, Any]) -> Iterator[Entry]:
    item = object_of(event.get("item"))
    kind = text(item.get("type"))
    if kind in ("command_execution", "web_search"):
        yield tool_entry(kind, item, call=item.get("id"))
    elif kind in ("mcp_tool_call", "collab_tool_call"):
        yield tool_entry(item.get("tool") or kind, item.get("arguments"), call=item.get("id"))


def _completed(event: Mapping[str, Any]) -> Iterator[Entry]:
    item = object_of(event.get("item"))
    kind, call = text(item.get("type")), text(item.get("id")) or None
    if kind == "agent_message":
        yield Entry(kind=EntryKind.TEXT, text=long_text(item.get("text")))
    elif kind == "reasoning":
        yield Entry(kind=EntryKind.THINKING, text=long_text(item.get("text")))
    elif kind == "error":
        yield Entry(kind=EntryKind.NOTICE, text=long_text(item.get("message")))
    elif kind == "file_change":
        yield from _changes(item)
    elif kind in ("command_execution", "web_search", "mcp_tool_call", "collab_tool_call"):
        words = long_text(item.get("aggregated_output")) or long_text(object_of(item.get("error")).get("message"))
        ok = item.get("status") not in _FAILED and whole(item.get("exit_code")) in (None, 0)
        tool = kind if kind in ("command_execution", "web_search") else text(item.get("tool")) or kind
        yield Entry(kind=EntryKind.RESULT, call=call, tool=tool, ok=ok, text=words)


def _changes(item: Mapping[str, Any]) -> Iterator[Entry]:
    """One item stands for all the files of one edit; it is told once it is done."""
    ok = item.get("status") not in _FAILED
    for at, change in enumerate(objects_of(item.get("changes"))):
        call = f"{text(item.get('id'))}/{at}"
        what, path = text(change.get("kind")), text(change.get("path")) or None
        yield Entry(kind=EntryKind.TOOL, call=call, tool="file_change", text=what, path=path, writes=ok)
        yield Entry(kind=EntryKind.RESULT, call=call, tool="file_change", ok=ok)


def _error(event: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(kind=EntryKind.NOTICE, text=long_text(event.get("message")))


def _failed(event: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(kind=EntryKind.END, ok=False, text=long_text(object_of(event.get("error")).get("message")))


def _ended(event: Mapping[str, Any]) -> Iterator[Entry]:
    usage = object_of(event.get("usage"))
    tokens_in, tokens_out = whole(usage.get("input_tokens")), whole(usage.get("output_tokens"))
    yield Entry(kind=EntryKind.END, ok=True, tokens_in=tokens_in, tokens_out=tokens_out)


#: See `logist_core.agentkit.entries_of`.
READERS = {
    "error": _error,
    "item.completed": _completed,
    "item.started": _started,
    "turn.completed": _ended,
    "turn.failed": _failed,
}
