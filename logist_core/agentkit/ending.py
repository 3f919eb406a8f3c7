"""What the end of an agent's run means, from its exit and its signals. Pure.

Invariant: a run has succeeded only where the agent said so in its last word, nothing of trouble stands after its last
sign of work, it gave an answer, and its exit code agrees. Exit codes lie in both directions, and so do final events
alone: an error may come before a `success`, and an empty answer ends with one. What can't be told is `unverified`, or
has no cause; a cause is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from logist_core.agentkit.fields import number
from logist_core.agentkit.resets import reset_time
from logist_core.api import Claim, Continuation, ExitStatus, Outcome, Result, Signal, Source

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
_TROUBLE = frozenset(
    {
        Claim.RATE_LIMITED,
        Claim.OVERLOADED,
        Claim.AUTH_FAILED,
        Claim.BILLING,
        Claim.CONTEXT_EXHAUSTED,
        Claim.CRASHED,
        Claim.FAILED,
        Claim.INTERRUPTED,
        Claim.NETWORK_DOWN,
        Claim.MODEL_UNAVAILABLE,
        Claim.BUDGET_EXCEEDED,
        Claim.HOOK_BLOCKED,
        Claim.PERMISSION_PROMPT,
        Claim.WAITING_INPUT,
    }
)
#: Signals by which a program dies of itself: SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV.
_CRASH_SIGNALS = frozenset({4, 6, 7, 8, 11})


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRules:
    """What is peculiar to one agent's ends.

    Attributes:
        login: What to do where the login is refused, as a command.
        final: What the agent's last event is called, for a person.
        codes: Exit codes with a meaning of their own.
        reads_text: The agent has no events: what its text says is all there is.
    """

    login: str
    final: str
    codes: Mapping[int, Claim] = field(default_factory=lambda: MappingProxyType({}))
    reads_text: bool = False


def judge_end(exit: ExitStatus, signals: Sequence[Signal], rules: EndRules) -> Outcome:
    """Return the judgement of an ended run; `signals` oldest first."""
    how = _how(exit)
    told = [s for s in signals if s.claim is not None and (rules.reads_text or s.source is Source.EVENT)]
    final = next((s for s in reversed(told) if _is_final(s, rules)), None)
    if final is None or final.claim is None:
        return _without_final(exit, signals, rules, how)
    if final.claim is not Claim.COMPLETED:
        claim: Claim = final.claim
        if claim is Claim.FAILED:  # an event before it may have named the cause, where the last word has none
            claim = _cause(told, final) or Claim.FAILED
        return _failed(claim, final, signals, rules, how)
    trouble = _standing_trouble(told, final, rules)
    if trouble is not None and trouble.claim is not None:
        reason = f"{rules.final} says success after {trouble.text!r} ({how})"
        if trouble.claim in (*_LATER, Claim.AUTH_FAILED, Claim.BILLING):
            return _failed(trouble.claim, trouble, signals, rules, how)
        return Outcome(result=Result.UNVERIFIED, reason=reason, claim=trouble.claim)
    if exit.code != 0:
        reason = f"{how}, although {rules.final} says success"
        return Outcome(result=Result.UNVERIFIED, reason=reason, claim=Claim.COMPLETED)
    if (marred := final.fields.get("marred")) and isinstance(marred, str):
        return Outcome(result=Result.UNVERIFIED, reason=f"{rules.final}: {marred}", claim=Claim.COMPLETED)
    if not rules.reads_text and not any(s.fields.get("answered") is True for s in signals):
        reason = f"{rules.final} says success with an empty answer"
        return Outcome(result=Result.UNVERIFIED, reason=reason, claim=Claim.COMPLETED)
    return Outcome(result=Result.SUCCEEDED, reason=f"{rules.final} says success", claim=Claim.COMPLETED)


def _is_final(signal: Signal, rules: EndRules) -> bool:
    return signal.final or (rules.reads_text and signal.claim is Claim.COMPLETED)


def _cause(told: Sequence[Signal], final: Signal) -> Claim | None:
    """Return the trouble that stood when the run failed: the last, unless work went on after it."""
    for signal in reversed(told):
        if signal is final or signal.claim is Claim.FAILED:
            continue
        return signal.claim if signal.claim in _TROUBLE else None
    return None


def _standing_trouble(told: Sequence[Signal], final: Signal, rules: EndRules) -> Signal | None:
    """Return the trouble after which nothing but the final word came, or which came after it."""
    for signal in reversed(told):
        if signal is final:
            if rules.reads_text:  # a text's order is the truth: what was in trouble before has worked since
                return None
            continue
        if signal.claim in _TROUBLE:
            return signal
        if signal.claim in (Claim.WORKING, Claim.COMPLETED):
            return None
    return None


def _without_final(exit: ExitStatus, signals: Sequence[Signal], rules: EndRules, how: str) -> Outcome:
    if exit.exec_error is not None:
        return Outcome(result=Result.FAILED, reason=how)
    coded = rules.codes.get(exit.code) if exit.code is not None else None
    last = next((s for s in reversed(signals) if s.claim in _TROUBLE), None)
    worked_since = last is not None and _worked_after(last, signals)
    if exit.code == 0 and (last is None or worked_since):
        reason = f"exit code 0 without {rules.final}: nothing shows that the work was done"
        return Outcome(result=Result.UNVERIFIED, reason=reason)
    crashed = exit.signal in _CRASH_SIGNALS or exit.code in {128 + number for number in _CRASH_SIGNALS}
    if crashed and coded is None and last is None:
        return Outcome(result=Result.FAILED, reason=f"it crashed: {how}, no last word", claim=Claim.CRASHED)
    if last is not None and not worked_since and exit.signal is None:
        return _failed(coded or last.claim or Claim.FAILED, last, signals, rules, how)
    if coded is not None:
        return _failed(coded, None, signals, rules, how)
    after = f"; its last trouble was {last.text!r}" if last is not None else ""
    return Outcome(result=Result.FAILED, reason=f"{how}, no last word{after}", claim=last.claim if last else None)


def _worked_after(trouble: Signal, signals: Sequence[Signal]) -> bool:
    for signal in reversed(signals):
        if signal is trouble:
            return False
        if signal.claim is Claim.WORKING:
            return True
    return False


def _failed(claim: Claim, why: Signal | None, signals: Sequence[Signal], rules: EndRules, how: str) -> Outcome:
    reason = f"{why.text} ({how})" if why is not None else how
    if claim is Claim.INTERRUPTED:
        return Outcome(result=Result.INTERRUPTED, reason=reason, claim=claim)
    if claim is Claim.AUTH_FAILED:
        reason = f"{reason}: {rules.login}, then `logist resume`"
        return Outcome(result=Result.FAILED, reason=reason, claim=claim, hold=True)
    if claim is Claim.BILLING:
        reason = f"{reason}: top the account up, then `logist resume`"
        return Outcome(result=Result.FAILED, reason=reason, claim=claim, hold=True)
    if claim in _LATER:
        at = _resets_at(signals) if claim is Claim.RATE_LIMITED else None
        words = why.text if why is not None else how
        then = Continuation(at=at, reason=f"{_LATER[claim]}: {words}")
        return Outcome(result=Result.FAILED, reason=reason, claim=claim, then=then)
    advice = f": {_ADVICE[claim]}" if claim in _ADVICE else ""
    return Outcome(result=Result.FAILED, reason=f"{reason}{advice}", claim=claim)


def _resets_at(signals: Sequence[Signal]) -> float | None:
    """Return when the limit that ended the run resets, Unix time in seconds, or None where nobody said.

    An event holds the second; words hold the minute, rounded down, so that the limit may last until its end.
    """
    limits = [signal for signal in reversed(signals) if signal.claim is Claim.RATE_LIMITED]
    for signal in limits:
        at = number(signal.fields.get("resets_at"))
        if at is not None:
            return at
    for signal in limits:
        if signal.at is not None and (said := reset_time(signal.text, signal.at)) is not None:
            return said + 60.0
    return None


def _how(exit: ExitStatus) -> str:
    if exit.signal is not None:
        return f"killed by signal {exit.signal}"
    if exit.code is not None:
        return f"exit code {exit.code}"
    return "it never ran"
