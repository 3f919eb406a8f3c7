"""From one line of `copilot --output-format json` to signals. Pure and total: any JSON object may come, cut or hostile.

The rules, and why:

- Only `session.error`, `model.call_failure`, `abort` and `result` speak for the CLI; `result` has an exit code and no
  cause, and the `session.error` before it has the cause.
- A tool that was denied, because nobody could be asked, ends like one that failed; the run goes on.
- `model.call_start` comes before every try, so that it doesn't show that trouble is over; `user.message` comes once.
- `session.background_tasks_changed` comes by the dozen and says nothing; neither does a type that isn't known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from logist_core.agentkit import classify, event_signal, given, object_of, read_object, text, whole
from logist_core.api import Claim, Signal

#: Seconds after which work that shows no further sign of life is no longer believed. It has no time-out of its own.
WORK_LEASE_S = 310.0
#: The same while a tool runs.
TOOL_LEASE_S = 900.0
RETRY_LEASE_S = 120.0

#: `session.error.errorType` -> claim.
_CODES = {
    "authentication": Claim.AUTH_FAILED,
    "authorization": Claim.AUTH_FAILED,
    "rate_limit": Claim.RATE_LIMITED,
    "quota": Claim.RATE_LIMITED,
    "context_limit": Claim.CONTEXT_EXHAUSTED,
}


def parse_line(line: str, stream: str) -> Iterable[Signal]:
    """Return the signals of one line; none for a line that is no JSON object or of a type that says nothing."""
    event = read_object(line)
    kind = text(event.get("type")) if event is not None else ""
    read = _READERS.get(kind)
    if event is None or read is None:
        return []
    return list(read(kind, event if kind == "result" else object_of(event.get("data")), stream))


def _started(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    yield event_signal(Claim.WORKING, f"copilot:{kind}", stream, lease_s=WORK_LEASE_S)


def _working(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    fields = given(model=text(data.get("model")))
    if kind == "assistant.message" and text(data.get("content")).strip():
        fields["answered"] = True
    yield event_signal(Claim.WORKING, f"copilot:{kind}", stream, lease_s=WORK_LEASE_S, fields=fields)


def _tool_start(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    tool = text(data.get("toolName"))
    fields = given(tool_open=text(data.get("toolCallId")), tool=tool)
    yield event_signal(Claim.WORKING, f"copilot:{kind}", stream, tool, lease_s=TOOL_LEASE_S, fields=fields)


def _tool_progress(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    yield event_signal(Claim.WORKING, f"copilot:{kind}", stream, lease_s=TOOL_LEASE_S)


def _tool_complete(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    fields = given(tool_closed=text(data.get("toolCallId")))
    code = whole(object_of(data.get("shellExecution")).get("exitCode"))
    rule = f"copilot:{kind}"
    if data.get("success") is not True or (code is not None and code != 0):
        why = text(object_of(data.get("error")).get("code")) or (f"exit code {code}" if code is not None else "failed")
        yield event_signal(Claim.TOOL_ERROR, rule, stream, why, fields=fields)
    else:
        yield event_signal(Claim.WORKING, rule, stream, "ok", lease_s=WORK_LEASE_S, fields=fields)


def _call_failure(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    words, status = text(data.get("errorMessage")), whole(data.get("statusCode"))
    claim = classify(words, status=status) or (Claim.NETWORK_DOWN if status is None else Claim.FAILED)
    attempt = whole(data.get("retryAttempt"))
    detail = f"status {status if status is not None else 'none'}, {words}"
    fields = given(attempt=None if attempt is None else attempt + 1)
    yield event_signal(claim, f"copilot:{kind}", stream, detail, lease_s=RETRY_LEASE_S, fields=fields)


def _error(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    words = text(data.get("message"))
    claim = classify(words, status=whole(data.get("statusCode")), code=text(data.get("errorType")), codes=_CODES)
    yield event_signal(claim or Claim.FAILED, f"copilot:{kind}", stream, words)


def _abort(kind: str, data: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    yield event_signal(Claim.INTERRUPTED, f"copilot:{kind}", stream, text(data.get("reason")))


def _result(kind: str, event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    code = whole(event.get("exitCode"))
    fields = given(session_id=text(event.get("sessionId")))
    claim = Claim.COMPLETED if code == 0 else Claim.FAILED
    detail = f"exit code {code if code is not None else 'unknown'}"
    yield event_signal(claim, "copilot:result", stream, detail, fields=fields, final=True)


_READERS = {
    "abort": _abort,
    "assistant.message": _working,
    "assistant.message_delta": _working,
    "assistant.message_start": _working,
    "assistant.reasoning_delta": _working,
    "assistant.tool_call_delta": _working,
    "model.call_failure": _call_failure,
    "result": _result,
    "session.error": _error,
    "tool.execution_complete": _tool_complete,
    "tool.execution_partial_result": _tool_progress,
    "tool.execution_start": _tool_start,
    "user.message": _started,
}
