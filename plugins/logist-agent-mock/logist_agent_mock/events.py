"""What the mock agent's events and its end mean. Invariant: pure and total, whatever text comes.

The events, one JSON object a line on standard output with `format=json` (README.md describes each): `session`,
`prompt`, `text`, `tool`, `usage`, `limit`, `ask`, `answer`, `input`, `process`, `notice`, `result`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from signal import Signals
from typing import Any

from logist_agent_mock.steps import EXIT_INTERRUPTED, EXIT_LIMITED, EXIT_REFUSED, EXIT_USAGE
from logist_core.api import Claim, Continuation, ExitStatus, Outcome, Result, Signal, Source, step_key

#: Longer lines are noise: no event of ours comes near.
MAX_LINE_CHARACTERS = 4 * 1024 * 1024
MAX_TEXT_CHARACTERS = 500
MAX_ID_CHARACTERS = 200
WORKING_LEASE_S = 120.0
TOOL_LEASE_S = 600.0

#: Signals that a person or a supervisor sends; the others mean that something went wrong by itself.
_ASKED_TO_END = frozenset({Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP})
_OWN_FAULTS = frozenset(
    {Signals.SIGABRT, Signals.SIGBUS, Signals.SIGFPE, Signals.SIGILL, Signals.SIGQUIT, Signals.SIGSEGV}
)

_CLAIMS = frozenset(claim.value for claim in Claim)
#: Notices that explain a failed end, and what follows: a person must act, or time heals, or neither.
_FOR_A_PERSON = frozenset({Claim.AUTH_FAILED, Claim.BILLING})
_HEALS_WITH_TIME = frozenset({Claim.OVERLOADED, Claim.NETWORK_DOWN})
_EXPLAINS = (
    _FOR_A_PERSON
    | _HEALS_WITH_TIME
    | {Claim.CONTEXT_EXHAUSTED, Claim.MODEL_UNAVAILABLE, Claim.BUDGET_EXCEEDED, Claim.HOOK_BLOCKED}
)

_RESULT_CLAIMS = {
    "success": Claim.COMPLETED,
    "error": Claim.FAILED,
    "refused": Claim.FAILED,
    "limited": Claim.RATE_LIMITED,
    "interrupted": Claim.INTERRUPTED,
}


def signals_of(line: str, stream: str) -> tuple[Signal, ...]:
    """Return what a line of the event stream says; nothing for a line that is no event of ours.

    Args:
        line: Any text.
        stream: `out` or `err`; there are no events on `err`.
    """
    if stream != "out" or len(line) > MAX_LINE_CHARACTERS:
        return ()
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(event, dict):
        return ()
    kind = event.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        return ()
    claim, fields, lease_s = read(event)
    if claim is None and not fields:
        return ()
    return (
        Signal(
            claim=claim,
            source=Source.EVENT,
            rule=f"mock:{kind}",
            stream=stream,
            text=_evidence(event),
            lease_s=lease_s,
            final=kind == "result" and claim is not None,
            fields=fields,
        ),
    )


_Reading = tuple[Claim | None, dict[str, Any], float | None]


def _session(event: Mapping[str, Any]) -> _Reading:
    # A process plays one turn; the event's own number counts those of the session's earlier attempts, too.
    turns = None if _count(event.get("turn")) is None else 1
    fields = {"session_id": _identifier(event.get("session_id")), "turns": turns}
    return Claim.WORKING, _known(fields), WORKING_LEASE_S


def _working(event: Mapping[str, Any]) -> _Reading:
    return Claim.WORKING, {}, WORKING_LEASE_S


def _tool(event: Mapping[str, Any]) -> _Reading:
    call, name = _identifier(event.get("id")), _identifier(event.get("name"))
    if event.get("state") == "open":
        budget_s = _seconds(event.get("budget_s"))
        given = event.get("input")
        action = step_key(f"{name} {given}") if isinstance(given, str) and given else None
        fields = {"tool": name, "tool_open": call, "tool_budget_s": budget_s, "action": action}
        return Claim.WORKING, _known(fields), TOOL_LEASE_S if budget_s is None else budget_s
    if event.get("state") == "closed":
        failed = event.get("ok") is False
        code = _count(event.get("exit_code"))
        came = {} if code is None else {"error" if failed else "result": f"exit code {code}"}
        claim = Claim.TOOL_ERROR if failed else Claim.WORKING
        return claim, _known({"tool": name, "tool_closed": call, **came}), WORKING_LEASE_S
    return None, {}, None


def _usage(event: Mapping[str, Any]) -> _Reading:
    fields = {
        "tokens_in": _count(event.get("tokens_in")),
        "tokens_out": _count(event.get("tokens_out")),
        "cost_usd": _seconds(event.get("cost_usd")),
    }
    return None, _known(fields), None


def _limit(event: Mapping[str, Any]) -> _Reading:
    fields = {"resets_at": _seconds(event.get("resets_at")), "retry_in_s": _seconds(event.get("retry_in_s"))}
    return Claim.RATE_LIMITED, _known(fields), None


def _ask(event: Mapping[str, Any]) -> _Reading:
    return (Claim.PERMISSION_PROMPT if event.get("kind") == "permission" else Claim.WAITING_INPUT), {}, None


def _notice(event: Mapping[str, Any]) -> _Reading:
    name = event.get("claim")
    if not isinstance(name, str) or name not in _CLAIMS:
        return None, {}, None
    fields = {
        "attempt": _count(event.get("attempt")),
        "max_attempts": _count(event.get("max_attempts")),
        "retry_in_s": _seconds(event.get("retry_in_s")),
        "resets_at": _seconds(event.get("resets_at")),
        "model": _identifier(event.get("model")),
    }
    return Claim(name), _known(fields), _seconds(event.get("lease_s"))


def _result(event: Mapping[str, Any]) -> _Reading:
    status = event.get("status")
    claim = _RESULT_CLAIMS.get(status) if isinstance(status, str) else None
    turns = None if _count(event.get("turns")) is None else 1
    return claim, _known({"turns": turns}) if claim else {}, None


_READERS: Mapping[str, Callable[[Mapping[str, Any]], _Reading]] = {
    "session": _session,
    "prompt": _working,
    "text": _working,
    "tool": _tool,
    "usage": _usage,
    "limit": _limit,
    "ask": _ask,
    "answer": _working,
    "input": _working,
    "process": _working,
    "notice": _notice,
    "result": _result,
}


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _count(value: object) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if fits else None  # type: ignore[return-value]


def _seconds(value: object) -> float | None:
    """Return a finite number that is not negative and that a clock could show."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15:
        return float(value)
    return None


def _identifier(value: object) -> str | None:
    fits = isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_ID_CHARACTERS
    return value if fits else None  # type: ignore[return-value]


def _evidence(event: Mapping[str, Any]) -> str:
    for key in ("text", "reason", "input", "status"):
        value = event.get(key)
        if isinstance(value, str) and value:
            return clean(value)
    return ""


def clean(text: str) -> str:
    """Return the beginning of `text` in one line without anything that a terminal could act on."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text[:MAX_TEXT_CHARACTERS]
    )


def outcome_of(exit: ExitStatus, signals: Sequence[Signal], *, json_format: bool) -> Outcome | None:
    """Judge an ended attempt.

    The result event, where there is one, says what came of the work, and the exit must agree before it is
    believed to have succeeded. Without events the exit code decides; ours has a meaning for each.

    Args:
        exit: How the program ended.
        signals: All signals, oldest first, those of the dictionary included.
        json_format: Whether a result event was to be expected.
    """
    if exit.exec_error is not None:
        return Outcome(result=Result.FAILED, reason=f"the program could not be executed: {clean(exit.exec_error)}")
    final = next((s for s in reversed(signals) if s.final and s.rule == "mock:result"), None)
    if exit.signal is not None:
        return _killed(exit.signal, final, signals)
    if exit.code is None:
        return None
    if exit.code == EXIT_LIMITED or (final is not None and final.claim is Claim.RATE_LIMITED):
        return _limited(signals)
    if exit.code == EXIT_INTERRUPTED or (final is not None and final.claim is Claim.INTERRUPTED):
        return Outcome(result=Result.INTERRUPTED, reason="interrupted", claim=Claim.INTERRUPTED)
    if exit.code == EXIT_REFUSED:
        reason = (final.text if final is not None else "") or "a permission or an answer was needed and not given"
        asked = _last(signals, {Claim.PERMISSION_PROMPT, Claim.WAITING_INPUT})
        return Outcome(
            result=Result.FAILED, reason=reason, claim=asked.claim if asked is not None else Claim.PERMISSION_PROMPT
        )
    if exit.code != 0:
        return _failed(exit.code, final, signals)
    if final is not None and final.claim is Claim.COMPLETED:
        return Outcome(result=Result.SUCCEEDED, reason="result event: success", claim=Claim.COMPLETED)
    if final is not None:
        return Outcome(result=Result.FAILED, reason=f"exit code 0, but: {final.text or 'failed'}", claim=final.claim)
    if json_format:
        return Outcome(result=Result.UNVERIFIED, reason="exit code 0 without a result event")
    return None


def _last(signals: Sequence[Signal], claims: set[Claim]) -> Signal | None:
    return next((s for s in reversed(signals) if s.claim in claims), None)


def _killed(number: int, final: Signal | None, signals: Sequence[Signal]) -> Outcome:
    try:
        name = Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if final is not None and final.claim is Claim.COMPLETED:
        return Outcome(result=Result.UNVERIFIED, reason=f"reported success, then ended by {name}")
    if number in _ASKED_TO_END:
        return Outcome(result=Result.INTERRUPTED, reason=f"ended by {name}", claim=Claim.INTERRUPTED)
    traceback = _last(signals, {Claim.CRASHED})
    if traceback is not None or number in _OWN_FAULTS:
        evidence = f" after: {traceback.text}" if traceback is not None and traceback.text else ""
        return Outcome(result=Result.FAILED, reason=f"crashed: ended by {name}{evidence}", claim=Claim.CRASHED)
    return Outcome(result=Result.FAILED, reason=f"ended by {name}")


def _limited(signals: Sequence[Signal]) -> Outcome:
    limits = (s for s in reversed(signals) if s.claim is Claim.RATE_LIMITED)
    resets_at = next((at for s in limits if (at := _reset_in(s)) is not None), None)
    reason = "usage limit reached" + ("" if resets_at is not None else "; it doesn't say until when")
    return Outcome(
        result=Result.INTERRUPTED,
        reason=reason,
        claim=Claim.RATE_LIMITED,
        then=Continuation(at=resets_at, reason=reason, same_session=True),
    )


def _reset_in(limit: Signal) -> float | None:
    resets_at = _seconds(limit.fields.get("resets_at"))
    if resets_at is not None:
        return resets_at
    read_at, retry_in_s = _seconds(limit.at), _seconds(limit.fields.get("retry_in_s"))
    return None if read_at is None or retry_in_s is None else read_at + retry_in_s


def _failed(code: int, final: Signal | None, signals: Sequence[Signal]) -> Outcome:
    explanation = next((s for s in reversed(signals) if s.claim in _EXPLAINS and s.source is Source.EVENT), None)
    if explanation is not None:
        reason = explanation.text or f"exit code {code} after {explanation.claim}"
        then = Continuation(at=None, reason=reason) if explanation.claim in _HEALS_WITH_TIME else None
        hold = explanation.claim in _FOR_A_PERSON
        return Outcome(result=Result.FAILED, reason=reason, claim=explanation.claim, then=then, hold=hold)
    if final is not None and final.claim is not Claim.COMPLETED:
        return Outcome(result=Result.FAILED, reason=final.text or f"exit code {code}", claim=final.claim)
    if final is not None:
        return Outcome(result=Result.FAILED, reason=f"reported success, but exit code {code}")
    reason = "the mock agent could not play its plan (see its standard error)" if code == EXIT_USAGE else ""
    return Outcome(result=Result.FAILED, reason=reason or f"exit code {code}")
