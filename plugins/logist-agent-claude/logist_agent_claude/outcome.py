"""What the end of a run means, from its exit and its signals. Pure.

The `result` event speaks first, because exit codes lie in both directions: an interrupt ends with 0, and an error of
the provider is a `success` in the event. Without a `result` nothing shows that the work was done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from logist_agent_claude.resets import reset_time
from logist_core.api import Claim, Continuation, ExitStatus, Outcome, Result, Signal, Source

#: Claims after which a person has to act, and what has to be done.
_HOLD = {
    Claim.AUTH_FAILED: "log in (`claude`, then /login) or set a valid key, then `logist resume`",
    Claim.BILLING: "top the account up, then `logist resume`",
}

#: Claims after which the same conversation can go on later, by itself.
_LATER = {
    Claim.RATE_LIMITED: "usage limit",
    Claim.OVERLOADED: "the provider is overloaded",
    Claim.NETWORK_DOWN: "the provider can't be reached",
}

_ADVICE = {
    Claim.CONTEXT_EXHAUSTED: "the conversation fills the model's context; start a new job with a smaller task",
    Claim.BUDGET_EXCEEDED: "`logist resume` goes on for as much again",
    Claim.MODEL_UNAVAILABLE: "start it with another model (`--agent-set model=NAME`)",
}

_NO_CONVERSATION = "No conversation found with session ID"
#: Signals of the runtime of the CLI dying by itself: SIGILL, SIGABRT, SIGBUS, SIGSEGV.
_CRASH_SIGNALS = frozenset({4, 6, 7, 11})


def judge(exit: ExitStatus, signals: Sequence[Signal]) -> Outcome:
    """Return the judgement of an ended run; `signals` oldest first."""
    how = _how(exit)
    final = next((s for s in reversed(signals) if s.final and s.source is Source.EVENT), None)
    if final is None:
        return _without_result(exit, signals, how)
    if final.claim is Claim.COMPLETED:
        return _completed(exit, final, how)
    claim: Claim | None = final.claim
    if claim is Claim.FAILED:
        # The message before it may carry an error code where the result has none.
        claim = next((s.claim for s in reversed(signals) if s.rule == "claude:assistant/api-error"), None)
    return _failed(claim or Claim.FAILED, final, signals, how)


def _how(exit: ExitStatus) -> str:
    if exit.signal is not None:
        return f"killed by signal {exit.signal}"
    return f"exit code {exit.code}" if exit.code is not None else "it never ran"


def _completed(exit: ExitStatus, final: Signal, how: str) -> Outcome:
    noted = _denials(final.fields)
    if exit.code != 0:
        reason = f"{how}, although the result event says success{noted}"
        return Outcome(result=Result.UNVERIFIED, reason=reason, claim=Claim.COMPLETED)
    end = final.fields.get("terminal_reason", "completed")
    if end != "completed" and isinstance(end, str):
        reason = f"the result event says success, but ended with {end}{noted}"
        return Outcome(result=Result.UNVERIFIED, reason=reason, claim=Claim.COMPLETED)
    if not final.fields.get("answered"):
        reason = f"the result event says success with an empty answer{noted}"
        return Outcome(result=Result.UNVERIFIED, reason=reason, claim=Claim.COMPLETED)
    return Outcome(result=Result.SUCCEEDED, reason=f"the result event says success{noted}", claim=Claim.COMPLETED)


def _failed(claim: Claim, final: Signal, signals: Sequence[Signal], how: str) -> Outcome:
    reason = f"{final.text} ({how}){_denials(final.fields)}"
    if _NO_CONVERSATION in final.text:
        reason = "the conversation to take up isn't on this machine any more; `logist retry` starts afresh"
        return Outcome(result=Result.FAILED, reason=reason, claim=Claim.FAILED)
    if claim is Claim.INTERRUPTED:
        return Outcome(result=Result.INTERRUPTED, reason=reason, claim=claim)
    if claim in _HOLD:
        return Outcome(result=Result.FAILED, reason=f"{reason}: {_HOLD[claim]}", claim=claim, hold=True)
    if claim in _LATER:
        at = _resets_at(signals) if claim is Claim.RATE_LIMITED else None
        then = Continuation(at=at, reason=f"{_LATER[claim]}: {final.text}")
        return Outcome(result=Result.FAILED, reason=reason, claim=claim, then=then)
    advice = f": {_ADVICE[claim]}" if claim in _ADVICE else ""
    return Outcome(result=Result.FAILED, reason=f"{reason}{advice}", claim=claim)


def _without_result(exit: ExitStatus, signals: Sequence[Signal], how: str) -> Outcome:
    last = next((s for s in reversed(signals) if s.claim is not None), None)
    claim = last.claim if last is not None and last.claim is not Claim.WORKING else None
    if exit.code == 0:
        reason = "exit code 0 without a result event: nothing shows that the work was done"
        return Outcome(result=Result.UNVERIFIED, reason=reason, claim=claim)
    if exit.signal in _CRASH_SIGNALS or exit.code in {128 + number for number in _CRASH_SIGNALS}:
        return Outcome(result=Result.FAILED, reason=f"the CLI crashed: {how}, no result event", claim=Claim.CRASHED)
    after = f"; its last word was {last.text!r}" if claim is not None and last is not None else ""
    return Outcome(result=Result.FAILED, reason=f"{how}, no result event{after}", claim=claim)


def _resets_at(signals: Sequence[Signal]) -> float | None:
    """Return when the limit that ended the run resets, Unix time in seconds, or None where nobody said.

    An event holds the second; words hold the minute, rounded down, so that the limit may last until its end.
    """
    limits = [signal for signal in reversed(signals) if signal.claim is Claim.RATE_LIMITED]
    for signal in limits:
        at = signal.fields.get("resets_at")
        if isinstance(at, float) and math.isfinite(at):
            return at
    for signal in limits:
        if signal.at is not None and (said := reset_time(signal.text, signal.at)) is not None:
            return said + 60.0
    return None


def _denials(fields: Mapping[str, Any]) -> str:
    count, names = fields.get("denied"), fields.get("denied_tools")
    if not isinstance(count, int) or count < 1:
        return ""
    tools = ", ".join(name for name in names if isinstance(name, str)) if isinstance(names, list) else "unnamed"
    calls = "1 tool call was" if count == 1 else f"{count} tool calls were"
    return f"; {calls} denied ({tools}): see the settings permission_mode and allowed_tools"
