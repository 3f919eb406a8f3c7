"""Stands between the supervisor and a sentinel policy, which may do anything wrong.

Invariant: `Guard.step` returns a well-formed verdict within its deadline and never raises. A policy that fails is
switched off for its job; from then on nothing it says has an effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from logist_core.protocols import Sentinel
from logist_core.sentinel.bench import BENCH, Failed, TookTooLong
from logist_core.types._json import JSON
from logist_core.types.watch import Action, Level, Observation, SentinelState, Verdict

#: The cause of the verdicts of a sentinel that is switched off.
FAULT_CAUSE = "sentinel_fault"

#: A policy computes; it neither waits nor reads. Long enough for a machine that is badly overloaded.
DEADLINE_S = 5.0
_MAX_STATE_CHARS = 256 * 1024
_MAX_EVIDENCE_LINES = 20
_MAX_EVIDENCE_CHARS = 500


class _Refused(Exception):
    """What the policy returned can't be used."""


class Guard:
    """One attempt's sentinel, made safe.

    Attributes:
        fault: Why the sentinel is switched off, in one line; None while it works.
    """

    def __init__(
        self, sentinel: Sentinel, state: SentinelState | None = None, *, deadline_s: float = DEADLINE_S
    ) -> None:
        """Go on from `state` where there is one, else begin anew.

        Args:
            sentinel: The policy.
            state: What an earlier guard's `state` was, or None.
            deadline_s: Seconds that one step may take.
        """
        self._sentinel = sentinel
        self._deadline_s = deadline_s
        self._state = _dumped(state) if isinstance(state, Mapping) else None
        self._before = self._state
        self._restored = self._state is not None
        self.fault: str | None = None

    @property
    def state(self) -> dict[str, JSON]:
        """The policy's memory, as plain JSON of the caller's own."""
        return {} if self._state is None else _loaded(self._state)

    def take_back(self) -> None:
        """Let the policy forget the last look: what it asked for was not done."""
        self._state = self._before

    def step(self, observation: Observation) -> Verdict:
        """Return the verdict on one observation. Never raises, never blocks for longer than the deadline."""
        self._before = self._state
        if self.fault is None:
            try:
                return self._judge(observation)
            except TookTooLong as error:
                self.fault = f"the sentinel was switched off: {error}"
            except Failed as failed:
                self.fault = f"the sentinel was switched off: {_named(failed.error)}"
        return Verdict(level=Level.ACTIVE, cause=FAULT_CAUSE, evidence=(self.fault,))

    def _judge(self, observation: Observation) -> Verdict:
        try:
            answer = self._ask(observation)
        except Failed:
            if not self._restored:
                raise
            # Another version of the policy may have written the state: forgetting is better than not watching.
            self._state, self._restored = None, False
            answer = self._ask(observation)
        self._state, verdict = answer
        self._restored = False
        if observation.cancelling and verdict.action is not Action.NONE:
            return replace(verdict, action=Action.NONE)
        return verdict

    def _ask(self, observation: Observation) -> tuple[str, Verdict]:
        answer: tuple[str, Verdict] = BENCH.run(lambda: self._call(observation), self._deadline_s)
        return answer

    def _call(self, observation: Observation) -> tuple[str, Verdict]:
        """Run the policy and check its answer; in a thread, as even looking at it may run the plugin's code."""
        before: Any = self._sentinel.initial() if self._state is None else _loaded(self._state)
        answer: Any = self._sentinel.step(before, observation)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise _Refused(f"step returned {_kind(answer)}, not (state, verdict)")
        after, verdict = answer
        if not isinstance(after, Mapping):
            raise _Refused(f"step returned {_kind(after)} as its state, not a mapping")
        text = _dumped(after)
        if text is None:
            raise _Refused("step returned a state that isn't JSON")
        if len(text) > _MAX_STATE_CHARS:
            raise _Refused(f"step returned a state of {len(text)} characters; {_MAX_STATE_CHARS} are allowed")
        return text, _checked(verdict)


def _checked(verdict: object) -> Verdict:
    if not isinstance(verdict, Verdict):
        raise _Refused(f"step returned {_kind(verdict)}, not a Verdict")
    for name, kind in (("level", Level), ("cause", str), ("evidence", tuple), ("action", Action)):
        if not isinstance(getattr(verdict, name), kind):
            raise _Refused(f"the verdict's {name} is {_kind(getattr(verdict, name))}, not {kind.__name__}")
    if not all(isinstance(line, str) for line in verdict.evidence):
        raise _Refused("the verdict's evidence isn't all text")
    wish = verdict.look_again_s
    if wish is not None and (isinstance(wish, bool) or not isinstance(wish, int | float) or not math.isfinite(wish)):
        raise _Refused(f"the verdict's look_again_s is {wish!r}, not seconds")
    return Verdict(
        level=verdict.level,
        cause=_line(verdict.cause),
        evidence=tuple(_line(line) for line in verdict.evidence[:_MAX_EVIDENCE_LINES]),
        action=verdict.action,
        look_again_s=None if wish is None else max(0.0, float(wish)),
    )


def _line(text: str) -> str:
    """Return a text as one line that does nothing to a terminal."""
    return "".join(char if char.isprintable() else " " for char in text[:_MAX_EVIDENCE_CHARS])


def _kind(value: object) -> str:
    return type(value).__name__


def _named(error: BaseException) -> str:
    if isinstance(error, _Refused):
        return _line(str(error))
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an exception's own __str__ may raise
        text = ""
    return _line(f"{_kind(error)}: {text}" if text else _kind(error))


def _dumped(state: object) -> str | None:
    import json

    try:
        return json.dumps(dict(state) if isinstance(state, Mapping) else state, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


def _loaded(text: str) -> dict[str, JSON]:
    import json

    loaded: dict[str, JSON] = json.loads(text)
    return loaded
