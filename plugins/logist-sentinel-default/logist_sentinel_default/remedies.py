"""The remedy ladders: which action a finding leads to, under caps and cool-downs.

Invariant: between two interventions lie at least `cooldown_s` observed seconds; of one cause somebody is told at
most once in an episode (from one calm verdict to the next); in `observe` and `off` nothing is done but telling.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from logist_core.api import Action, Level, Observation
from logist_sentinel_default.judge import Finding
from logist_sentinel_default.memory import Memory
from logist_sentinel_default.senses import reached
from logist_sentinel_default.settings import Settings

#: Cause -> what may free the agent without ending the attempt, mildest first; only what can be carried out is tried.
GENTLE: Mapping[str, tuple[Action, ...]] = MappingProxyType(
    {
        "silent_hang": (Action.UNSTICK, Action.INTERRUPT),
        "animated": (Action.UNSTICK, Action.INTERRUPT),
        "hung_child": (Action.INTERRUPT,),
        "looping": (Action.INTERRUPT,),
        "retry_storm": (Action.INTERRUPT,),
        "runaway": (Action.INTERRUPT,),
    }
)

#: Causes that the same session would only meet again, or where there is nothing left to go on with.
NEVER_RESUMED = frozenset({"retry_storm", "runaway", "not_exiting", "looping"})


def choose(memory: Memory, finding: Finding, seen: Observation, settings: Settings) -> tuple[Action, tuple[str, ...]]:
    """Return the action for a finding and what there is to say about it; `memory` notes what was asked for."""
    if finding.level in (Level.ACTIVE, Level.QUIET):
        memory.told, memory.tried = [], []
        return Action.NONE, ()
    if seen.cancelling:
        return Action.NONE, ()
    told = _tell(memory, finding)
    if finding.level is not Level.STALLED or finding.past:
        return told, ()
    wanted = _next_rung(memory, finding, seen, settings)
    if wanted is Action.NOTIFY:
        return told, ()
    pause_s = settings.cooldown_s - memory.since_act_s if memory.since_act_s is not None else 0.0
    if memory.since_act_s is not None and not reached(memory.since_act_s, settings.cooldown_s):
        return told, (f"{wanted.value} follows in {pause_s:.1f} s, after the cool-down",)
    if settings.mode == "observe" and wanted.value in memory.tried:
        return told, ()
    memory.since_act_s = 0.0
    if wanted.value not in memory.tried:
        memory.tried.append(wanted.value)
    if settings.mode == "observe":
        memory.pretended += 1
        return told, (f"mode observe: would {wanted.value} now",)
    return wanted, (_count(seen, settings),)


def _tell(memory: Memory, finding: Finding) -> Action:
    if not finding.tell or finding.cause in memory.told:
        return Action.NONE
    memory.told.append(finding.cause)
    return Action.NOTIFY


def _next_rung(memory: Memory, finding: Finding, seen: Observation, settings: Settings) -> Action:
    policy = {"stopped": settings.on_stopped, "looping": settings.on_loop}.get(finding.cause, settings.on_stall)
    if policy == "notify":
        return Action.NOTIFY
    left = settings.max_interventions - seen.interventions - memory.pretended
    resumes = (
        policy == "resume"
        and finding.cause not in NEVER_RESUMED
        and left > 0
        and (seen.remedies is None or Action.RESUME in seen.remedies)
    )
    for action in GENTLE.get(finding.cause, ()):
        # The last intervention before the cap is kept for the resume: it loses less than the stop that follows it.
        possible = action in (seen.remedies or ()) and action.value not in memory.tried
        if possible and left > (1 if resumes else 0):
            return action
    return Action.RESUME if resumes else Action.STOP


def _count(seen: Observation, settings: Settings) -> str:
    if seen.interventions >= settings.max_interventions:
        return f"{seen.interventions} interventions before this one are all that are allowed"
    return f"intervention {seen.interventions + 1} of {settings.max_interventions}"
