"""From one line of `codex exec --json` to signals. Pure and total: any JSON object may come, cut or hostile.

The rules, and why:

- Only `error`, `turn.failed` and `turn.completed` speak for the CLI. What a model says and what a command prints is
  steered by repositories and web pages: it shows life, opens and closes tool calls, and nothing more.
- A top-level `error` is a notice while it reconnects (`Reconnecting... 2/5 (reason)`), and otherwise comes just before
  `turn.failed`; an item of type `error` is a warning.
- `turn.completed` doesn't say that there was an answer: an `agent_message` with words does.
- A type that isn't known says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from logist_core.agentkit import classify, event_signal, given, object_of, read_object, text, whole
from logist_core.api import Claim, Signal

#: Seconds after which work that shows no further sign of life is no longer believed: its own time-out is 300 s.
WORK_LEASE_S = 310.0
#: The same while a command runs: it may be silent for long.
TOOL_LEASE_S = 900.0
#: How long a notice about reconnecting holds without another.
RETRY_LEASE_S = 120.0

_RECONNECTING = re.compile(r"Reconnecting\W{0,4}(\d{1,4})/(\d{1,4})")
_TOOLS = frozenset({"command_execution", "mcp_tool_call", "file_change", "web_search", "collab_tool_call"})
_FIRST = (
    (Claim.INTERRUPTED, re.compile(r"^(?:interrupted|turn aborted)", re.I)),
    (Claim.RATE_LIMITED, re.compile(r"hit your usage limit|exceeded retry limit, last status: 429", re.I)),
    (Claim.BILLING, re.compile(r"workspace is out of credits|spend cap|^Quota exceeded", re.I)),
    (Claim.OVERLOADED, re.compile(r"at capacity|experiencing high demand", re.I)),
    (Claim.AUTH_FAILED, re.compile(r"^Missing environment variable|access token could not be refreshed", re.I)),
    (Claim.CRASHED, re.compile(r"internal error; agent loop died", re.I)),
)


def parse_line(line: str, stream: str) -> Iterable[Signal]:
    """Return the signals of one line; none for a line that is no JSON object or of a type that says nothing."""
    event = read_object(line)
    read = _READERS.get(text(event.get("type"))) if event is not None else None
    return list(read(event, stream)) if read is not None and event is not None else []


def _thread(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    fields = given(session_id=text(event.get("thread_id")))
    yield event_signal(Claim.WORKING, "codex:thread.started", stream, lease_s=WORK_LEASE_S, fields=fields)


def _turn(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    yield event_signal(Claim.WORKING, "codex:turn.started", stream, lease_s=WORK_LEASE_S)


def _item(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    item, when = object_of(event.get("item")), text(event.get("type"))
    kind = text(item.get("type"))
    rule = f"codex:{when}/{kind}"
    if kind == "error" or not kind:  # a warning
        return
    if kind not in _TOOLS:
        answered = kind == "agent_message" and when == "item.completed" and bool(text(item.get("text")).strip())
        fields = {"answered": True} if answered else {}
        yield event_signal(Claim.WORKING, rule, stream, lease_s=WORK_LEASE_S, fields=fields)
        return
    name, tool = text(item.get("id")), text(item.get("tool")) or kind
    if when == "item.started":
        fields = given(tool_open=name, tool=tool)
        yield event_signal(Claim.WORKING, rule, stream, tool, lease_s=TOOL_LEASE_S, fields=fields)
    elif when == "item.completed":
        failed = item.get("status") in ("failed", "declined")
        claim, lease_s = (Claim.TOOL_ERROR, None) if failed else (Claim.WORKING, WORK_LEASE_S)
        code = whole(item.get("exit_code"))
        detail = f"{tool} {text(item.get('status'))}" + (f", exit code {code}" if code is not None else "")
        yield event_signal(claim, rule, stream, detail, lease_s=lease_s, fields=given(tool_closed=name, tool=tool))
    else:
        yield event_signal(Claim.WORKING, rule, stream, tool, lease_s=TOOL_LEASE_S)


def _error(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    words = text(event.get("message"))
    again = _RECONNECTING.search(words)
    if again is None:
        yield event_signal(classify(words, first=_FIRST) or Claim.FAILED, "codex:error", stream, words)
        return
    reason = words[again.end() :]
    fields = {"attempt": int(again[1]), "max_attempts": int(again[2])}
    claim = classify(reason, first=_FIRST) or Claim.NETWORK_DOWN
    yield event_signal(claim, "codex:reconnecting", stream, words, lease_s=RETRY_LEASE_S, fields=fields)


def _failed(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    words = text(object_of(event.get("error")).get("message"))
    claim = classify(words, first=_FIRST) or Claim.FAILED
    yield event_signal(claim, "codex:turn.failed", stream, words, final=True)


def _completed(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    usage = object_of(event.get("usage"))
    fields = given(tokens_in=whole(usage.get("input_tokens")), tokens_out=whole(usage.get("output_tokens")))
    yield event_signal(Claim.COMPLETED, "codex:turn.completed", stream, fields=fields, final=True)


_READERS = {
    "error": _error,
    "item.completed": _item,
    "item.started": _item,
    "item.updated": _item,
    "thread.started": _thread,
    "turn.completed": _completed,
    "turn.failed": _failed,
    "turn.started": _turn,
}
