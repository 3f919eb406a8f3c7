"""From one line of `--output-format stream-json` to signals. Pure and total: any JSON object may come, cut or hostile.

The rules, and why:

- Only `result` and `error` speak for the CLI; messages and tool results are steered by repositories and web pages.
- `error` events don't end a run: a loop that was detected, too many turns, a broken stream. The `result` after one may
  say `success`, and the run was none.
- The message of a failed `result` wraps the provider's own error, with its HTTP status in it: `[API Error: {...}]`.
- A daily quota is a limit that resets, not an unpaid bill, though Google's words for it are OpenAI's for that.
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
#: The same while a tool runs: nothing shows between its start and its end.
TOOL_LEASE_S = 900.0

_FIRST = (
    (Claim.AUTH_FAILED, re.compile(r"API_KEY_INVALID|API key not valid|Please set an Auth method|Invalid auth", re.I)),
    (
        Claim.RATE_LIMITED,
        re.compile(r"exhausted your (?:daily )?(?:quota|capacity)|current quota|quota exceeded", re.I),
    ),
    (Claim.OVERLOADED, re.compile(r"No capacity available|high demand", re.I)),
    (Claim.BUDGET_EXCEEDED, re.compile(r"max(?:imum)? session turns|FatalTurnLimitedError", re.I)),
    (Claim.HOOK_BLOCKED, re.compile(r"^Agent execution (?:stopped|blocked)|blocked by hook", re.I)),
)
#: Kinds of `result.error.type`.
_CODES = {
    "FatalAuthenticationError": Claim.AUTH_FAILED,
    "FatalTurnLimitedError": Claim.BUDGET_EXCEEDED,
    "FatalCancellationError": Claim.INTERRUPTED,
    "TerminalQuotaError": Claim.RATE_LIMITED,
    "RetryableQuotaError": Claim.RATE_LIMITED,
    "ModelNotFoundError": Claim.MODEL_UNAVAILABLE,
}


def parse_line(line: str, stream: str) -> Iterable[Signal]:
    """Return the signals of one line; none for a line that is no JSON object or of a type that says nothing."""
    event = read_object(line)
    read = _READERS.get(text(event.get("type"))) if event is not None else None
    return list(read(event, stream)) if read is not None and event is not None else []


def _init(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    fields = given(session_id=text(event.get("session_id")), model=text(event.get("model")))
    yield event_signal(Claim.WORKING, "gemini:init", stream, lease_s=WORK_LEASE_S, fields=fields)


def _message(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    if event.get("role") == "assistant":
        fields = {"answered": True} if text(event.get("content")).strip() else {}
        yield event_signal(Claim.WORKING, "gemini:message", stream, lease_s=WORK_LEASE_S, fields=fields)


def _tool_use(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    tool = text(event.get("tool_name"))
    fields = given(tool_open=text(event.get("tool_id")), tool=tool)
    yield event_signal(Claim.WORKING, "gemini:tool_use", stream, tool, lease_s=TOOL_LEASE_S, fields=fields)


def _tool_result(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    fields = given(tool_closed=text(event.get("tool_id")))
    if event.get("status") == "error":
        yield event_signal(Claim.TOOL_ERROR, "gemini:tool_result", stream, "error", fields=fields)
    else:
        yield event_signal(Claim.WORKING, "gemini:tool_result", stream, "ok", lease_s=WORK_LEASE_S, fields=fields)


def _error(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    words = text(event.get("message"))
    yield event_signal(classify(words, first=_FIRST) or Claim.FAILED, "gemini:error", stream, words)


def _result(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    stats, error = object_of(event.get("stats")), object_of(event.get("error"))
    fields = given(
        tokens_in=whole(stats.get("input_tokens")),
        tokens_out=whole(stats.get("output_tokens")),
        tool_calls=whole(stats.get("tool_calls")),
    )
    if event.get("status") == "success":
        yield event_signal(Claim.COMPLETED, "gemini:result", stream, "success", fields=fields, final=True)
        return
    words, kind = text(error.get("message")), text(error.get("type"))
    claim = classify(words, code=kind, codes=_CODES, first=_FIRST) or Claim.FAILED
    yield event_signal(claim, "gemini:result", stream, words or kind, fields=fields, final=True)


_READERS = {
    "error": _error,
    "init": _init,
    "message": _message,
    "result": _result,
    "tool_result": _tool_result,
    "tool_use": _tool_use,
}
