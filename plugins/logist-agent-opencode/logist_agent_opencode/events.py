"""From one line of `opencode run --format json` to signals. Pure and total: any JSON object may come, cut or hostile.

The rules, and why:

- Only `error` and `step_finish` speak for the CLI. There is no last event: a step that ends with `stop` is the end of a
  turn, and one that ends with `tool-calls` isn't.
- `length` is an answer that was cut; `unknown` is a stream that broke off, and then it tries again, at once and for
  ever: that is trouble, and stands until a step ends well.
- A tool call is told of when it is over.
- A type that isn't known says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from logist_core.agentkit import classify, event_signal, given, number, object_of, read_object, text, whole
from logist_core.api import Claim, Signal

#: Seconds after which work that shows no further sign of life is no longer believed.
#: A tool call shows nothing until it is over.
WORK_LEASE_S = 610.0

#: `error.name` -> claim.
_CODES = {
    "ProviderAuthError": Claim.AUTH_FAILED,
    "ContextOverflowError": Claim.CONTEXT_EXHAUSTED,
    "MessageAbortedError": Claim.INTERRUPTED,
    "ProviderModelNotFoundError": Claim.MODEL_UNAVAILABLE,
}


def parse_line(line: str, stream: str) -> Iterable[Signal]:
    """Return the signals of one line; none for a line that is no JSON object or of a type that says nothing."""
    event = read_object(line)
    read = _READERS.get(text(event.get("type"))) if event is not None else None
    return list(read(event, stream)) if read is not None and event is not None else []


def _session(event: Mapping[str, Any]) -> dict[str, Any]:
    return given(session_id=text(event.get("sessionID")))


def _working(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    kind = text(event.get("type"))
    fields = _session(event)
    if kind == "text" and text(object_of(event.get("part")).get("text")).strip():
        fields["answered"] = True
    yield event_signal(Claim.WORKING, f"opencode:{kind}", stream, lease_s=WORK_LEASE_S, fields=fields)


def _tool_use(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    part = object_of(event.get("part"))
    state, tool = object_of(part.get("state")), text(part.get("tool"))
    fields = given(**_session(event), tool_closed=text(part.get("callID")), tool=tool)
    code = whole(object_of(state.get("metadata")).get("exit"))
    failed = state.get("status") == "error" or (code is not None and code != 0)
    detail = f"{tool} {text(state.get('status'))}" + (f", exit code {code}" if code is not None else "")
    claim, lease_s = (Claim.TOOL_ERROR, None) if failed else (Claim.WORKING, WORK_LEASE_S)
    yield event_signal(claim, "opencode:tool_use", stream, detail, lease_s=lease_s, fields=fields)


def _step_finish(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    part = object_of(event.get("part"))
    reason, tokens = text(part.get("reason")), object_of(part.get("tokens"))
    fields = given(
        **_session(event),
        tokens_in=whole(tokens.get("input")),
        tokens_out=whole(tokens.get("output")),
        cost_usd=number(part.get("cost")),
    )
    rule = "opencode:step_finish"
    if reason == "tool-calls":
        yield event_signal(Claim.WORKING, rule, stream, reason, lease_s=WORK_LEASE_S, fields=fields)
    elif reason == "stop":
        yield event_signal(Claim.COMPLETED, rule, stream, reason, fields=fields, final=True)
    elif reason == "length":
        fields["marred"] = "the answer was cut at the model's output limit"
        yield event_signal(Claim.COMPLETED, rule, stream, reason, fields=fields, final=True)
    elif reason:
        yield event_signal(Claim.FAILED, rule, stream, f"the step ended with {reason}", fields=fields)


def _error(event: Mapping[str, Any], stream: str) -> Iterator[Signal]:
    error = object_of(event.get("error"))
    data, name = object_of(error.get("data")), text(error.get("name"))
    words = text(data.get("message")) or text(error.get("message"))
    claim = classify(words, status=whole(data.get("statusCode")), code=name, codes=_CODES) or Claim.FAILED
    detail = ": ".join(filter(None, [name, words]))
    yield event_signal(claim, "opencode:error", stream, detail, fields=_session(event), final=True)


_READERS = {
    "error": _error,
    "reasoning": _working,
    "step_finish": _step_finish,
    "step_start": _working,
    "text": _working,
    "tool_use": _tool_use,
}
