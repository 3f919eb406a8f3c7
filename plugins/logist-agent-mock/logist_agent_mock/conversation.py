"""What the mock agent's events tell of its conversation. Invariant: pure and total, as `events`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from logist_agent_mock.events import MAX_LINE_CHARACTERS
from logist_core.api import Entry, EntryKind


def entries_of(line: str, stream: str) -> tuple[Entry, ...]:
    """Return what a line of the event stream tells; nothing for a line that is no event of ours."""
    if stream != "out" or len(line) > MAX_LINE_CHARACTERS:
        return ()
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    kind = event.get("type") if isinstance(event, dict) else None
    read = _READERS.get(kind) if isinstance(kind, str) else None
    entry = read(event) if read is not None else None
    return () if entry is None else (entry,)


def _prompt(event: Mapping[str, Any]) -> Entry:
    return Entry(kind=EntryKind.PROMPT, text=_text(event, "text"))


def _answer(event: Mapping[str, Any]) -> Entry | None:
    return _prompt(event) if event.get("text") else None


def _said(event: Mapping[str, Any]) -> Entry:
    return Entry(kind=EntryKind.TEXT, text=_text(event, "text"))


def _tool(event: Mapping[str, Any]) -> Entry | None:
    call, name = _text(event, "id") or None, _text(event, "name") or None
    if event.get("state") == "open":
        return Entry(kind=EntryKind.TOOL, call=call, tool=name, text=_text(event, "input"))
    if event.get("state") == "closed":
        ok, code = event.get("ok"), event.get("exit_code")
        text = f"exit {code}" if isinstance(code, int) and code else ""
        return Entry(kind=EntryKind.RESULT, call=call, tool=name, text=text, ok=ok if isinstance(ok, bool) else None)
    return None


def _usage(event: Mapping[str, Any]) -> Entry:
    cost = event.get("cost_usd")
    known = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < 1e15
    return Entry(
        kind=EntryKind.USAGE,
        tokens_in=_count(event.get("tokens_in")),
        tokens_out=_count(event.get("tokens_out")),
        cost_usd=float(cost) if known else None,  # type: ignore[arg-type]
    )


def _notice(event: Mapping[str, Any]) -> Entry:
    return Entry(kind=EntryKind.NOTICE, text=_text(event, "text") or _text(event, "claim"))


def _limit(_event: Mapping[str, Any]) -> Entry:
    return Entry(kind=EntryKind.NOTICE, text="usage limit reached")


def _result(event: Mapping[str, Any]) -> Entry:
    ok = event.get("status") == "success"
    return Entry(kind=EntryKind.END, ok=ok, text=_text(event, "reason"), turns=_count(event.get("turns")))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Entry | None]] = {
    "prompt": _prompt,
    "text": _said,
    "tool": _tool,
    "usage": _usage,
    "notice": _notice,
    "limit": _limit,
    "ask": _said,
    "answer": _answer,
    "result": _result,
}


def _text(event: Mapping[str, Any], key: str) -> str:
    value = event.get(key)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if fits else None  # type: ignore[return-value]
