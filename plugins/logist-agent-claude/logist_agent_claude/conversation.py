"""From one line of `--output-format stream-json` to what was said and done. Pure and total, as `events`.

A sub-agent's frames name the tool call that started it: its words belong to that call, whose result sums them up, so
of them only the tools are told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from logist_agent_claude.values import blocks_of, number, obj, text, whole
from logist_core.api import Entry, EntryKind

_WRITES = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
#: What says best what a tool was asked, the first that is there.
_TELLING = ("command", "pattern", "query", "url", "prompt", "description", "skill")


def entries_of(line: str) -> list[Entry]:
    """Return what one line tells; nothing for a line that is no JSON object or of a type that tells nothing."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return []
    read = _READERS.get(text(event.get("type"))) if isinstance(event, dict) else None
    return list(read(event)) if read is not None else []


def _assistant(event: Mapping[str, Any]) -> Iterator[Entry]:
    message = obj(event.get("message"))
    synthetic = message.get("model") == "<synthetic>" or bool(event.get("error"))
    usage = obj(message.get("usage"))
    turn = text(message.get("id")) or None
    tokens: dict[str, Any] = {"tokens_in": _tokens_in(usage), "tokens_out": whole(usage.get("output_tokens"))}
    sub = bool(event.get("parent_tool_use_id"))
    for block in blocks_of(message):
        kind = block.get("type")
        if kind == "tool_use":
            yield _call(block, None if sub else turn, {} if sub else tokens)
        elif kind == "text" and synthetic:
            yield Entry(kind=EntryKind.NOTICE, text=_long(block.get("text")))
        elif kind == "text" and not sub:
            yield Entry(kind=EntryKind.TEXT, text=_long(block.get("text")), turn=turn, **tokens)
        elif kind == "thinking" and not sub:
            yield Entry(kind=EntryKind.THINKING, text=_long(block.get("thinking")), turn=turn, **tokens)


def _call(block: Mapping[str, Any], turn: str | None, tokens: Mapping[str, Any]) -> Entry:
    asked, name = obj(block.get("input")), text(block.get("name"))
    path = text(asked.get("file_path")) or text(asked.get("notebook_path")) or text(asked.get("path"))
    return Entry(
        kind=EntryKind.TOOL,
        text=next((words for key in _TELLING if (words := _long(asked.get(key)))), ""),
        turn=turn,
        call=text(block.get("id")) or None,
        tool=name or None,
        path=path or None,
        writes=name in _WRITES,
        **tokens,
    )


def _user(event: Mapping[str, Any]) -> Iterator[Entry]:
    if event.get("parent_tool_use_id"):
        for block in blocks_of(obj(event.get("message"))):
            if block.get("type") == "tool_result":
                yield _result_of(block)
        return
    message = obj(event.get("message"))
    if isinstance(message.get("content"), str):
        yield Entry(kind=EntryKind.PROMPT, text=_long(message["content"]))
    for block in blocks_of(message):
        if block.get("type") == "tool_result":
            yield _result_of(block)
        elif block.get("type") == "text":
            yield Entry(kind=EntryKind.PROMPT, text=_long(block.get("text")))


def _result_of(block: Mapping[str, Any]) -> Entry:
    call = text(block.get("tool_use_id")) or None
    return Entry(kind=EntryKind.RESULT, call=call, ok=block.get("is_error") is not True, text=_words(block))


def _words(block: Mapping[str, Any]) -> str:
    content = block.get("content")
    if isinstance(content, list):
        return "\n".join(_long(part.get("text")) for part in content if isinstance(part, dict))
    return _long(content)


def _system(event: Mapping[str, Any]) -> Iterator[Entry]:
    subtype = text(event.get("subtype"))
    if subtype == "compact_boundary":
        yield Entry(kind=EntryKind.NOTICE, text="the conversation was compacted")
    elif subtype == "api_retry":
        status, attempt, most = (whole(event.get(key)) for key in ("error_status", "attempt", "max_retries"))
        error = text(event.get("error")) or "error"
        yield Entry(kind=EntryKind.NOTICE, text=f"retry {attempt} of {most}: {error}, status {status or 'none'}")


def _result(event: Mapping[str, Any]) -> Iterator[Entry]:
    usage = obj(event.get("usage"))
    failed = event.get("is_error") is True or text(event.get("subtype")).startswith("error")
    yield Entry(
        kind=EntryKind.END,
        text=_long(event.get("result")) or text(event.get("subtype")),
        ok=not failed,
        tokens_in=_tokens_in(usage),
        tokens_out=whole(usage.get("output_tokens")),
        cost_usd=number(event.get("total_cost_usd")),
        turns=whole(event.get("num_turns")),
    )


_READERS = {"assistant": _assistant, "result": _result, "system": _system, "user": _user}


def _tokens_in(usage: Mapping[str, Any]) -> int | None:
    told = [whole(usage.get(f"{kind}input_tokens")) for kind in ("", "cache_creation_", "cache_read_")]
    return None if told[0] is None else sum(count or 0 for count in told)


def _long(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
