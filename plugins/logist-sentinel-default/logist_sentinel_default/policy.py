"""The default sentinel: look, judge, choose. Pure; time comes with the observation.

Invariant: `step` depends on its arguments and the settings alone, and changes neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from logist_core.api import Level, Observation, SentinelState, Verdict
from logist_sentinel_default import loops, rates
from logist_sentinel_default.judge import Finding, judge, next_threshold_s
from logist_sentinel_default.memory import Memory
from logist_sentinel_default.remedies import choose
from logist_sentinel_default.senses import Sight, look, reached
from logist_sentinel_default.settings import Settings


@dataclass(frozen=True, slots=True)
class DefaultSentinel:
    """Implements `logist_core.api.Sentinel`; the README of this distribution has the truth table."""

    in_force: Settings

    def initial(self) -> SentinelState:
        """Return the state of a sentinel that has seen nothing."""
        return {}

    def settings(self) -> Mapping[str, Any]:
        """Return the settings in force, the derived ones worked out."""
        return self.in_force.plain()

    def step(self, state: SentinelState, observation: Observation) -> tuple[SentinelState, Verdict]:
        """Judge one observation. State that isn't of this version is begun anew."""
        settings, seen = self.in_force, observation
        if settings.mode == "off":
            return {}, Verdict(level=Level.ACTIVE, look_again_s=settings.stall_s)
        memory, sight = look(Memory.of(state), seen, settings)
        loops.note(memory, seen, settings)
        finding = judge(memory, sight, seen, settings)
        if finding.excuses:
            memory.excused_s = seen.now_s
            memory.still, memory.redrawn, memory.widest_s = 0, 0, 0.0
        if finding.forgives_retries:
            rates.begin(memory, seen, seen.now_s)
        look_again_s = _look_again_s(memory, sight, finding, seen, settings)
        if not reached(seen.now_s, settings.grace_s):
            return memory.plain(), Verdict(level=Level.ACTIVE, look_again_s=look_again_s)
        action, remarks = choose(memory, finding, seen, settings)
        if sight.nobody_looked is not None:
            remarks = (*remarks, f"nobody looked for {sight.nobody_looked:.1f} s before: silence counts from now")
        verdict = Verdict(
            level=finding.level,
            cause=finding.cause,
            evidence=(*finding.evidence, *remarks),
            action=action,
            look_again_s=look_again_s,
        )
        return memory.plain(), verdict


def _look_again_s(memory: Memory, sight: Sight, finding: Finding, seen: Observation, settings: Settings) -> float:
    """Return when to look again: seldom while news come, as these date themselves, and exactly at a threshold."""
    if finding.level in (Level.AWAITING_INPUT, Level.AWAITING_PROVIDER):
        pace_s = settings.stall_s / 4
    elif "news" in sight.moved:
        pace_s = settings.stall_s / 8
    else:
        pace_s = settings.stall_s / 24
    due_s = [pace_s]
    if seen.now_s < settings.grace_s:
        due_s.append(settings.grace_s - seen.now_s)
    threshold_s = next_threshold_s(memory, sight, seen, settings)
    if threshold_s is not None:
        due_s.append(threshold_s)
    if memory.since_act_s is not None and memory.since_act_s < settings.cooldown_s:
        due_s.append(settings.cooldown_s - memory.since_act_s)
    return max(min(due_s), settings.stall_s / 240)
