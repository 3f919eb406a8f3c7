"""The verdict ladder: from what is seen and remembered to a level, a cause and the evidence, in one fixed order.

Invariant: while nothing moves, the level never falls. A good reason to be silent comes before every other finding
except a stop by a signal; a hang needs two independent witnesses, the output and known signs of life.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from logist_core.api import Claim, Level, Observation, OpenTool, Vitals
from logist_sentinel_default import loops, rates
from logist_sentinel_default.memory import REDRAWS, Memory
from logist_sentinel_default.senses import Sight, budget_s, reached
from logist_sentinel_default.settings import Settings

#: Claims of the output that a person has to answer.
FOR_A_PERSON = frozenset(
    {
        Claim.WAITING_INPUT,
        Claim.PERMISSION_PROMPT,
        Claim.UPDATE_PROMPT,
        Claim.CONTEXT_EXHAUSTED,
        Claim.BUDGET_EXCEEDED,
    }
)
#: Claims that put the provider, the account or the network in charge.
FOR_THE_PROVIDER = frozenset(
    {
        Claim.RATE_LIMITED,
        Claim.OVERLOADED,
        Claim.NETWORK_DOWN,
        Claim.AUTH_FAILED,
        Claim.BILLING,
        Claim.MODEL_UNAVAILABLE,
    }
)
#: Those that don't heal by themselves: somebody is told.
_WANTS_HELP = frozenset({Claim.AUTH_FAILED, Claim.BILLING, Claim.MODEL_UNAVAILABLE})
#: Those that an agent's own retries are an answer to, for a while.
_RETRIED = frozenset({Claim.OVERLOADED, Claim.NETWORK_DOWN})
#: Claims that the work is over.
_OVER = frozenset({Claim.COMPLETED, Claim.FAILED, Claim.INTERRUPTED})
_READS = frozenset({"tty_read", "stdin_read"})
_UNITS = {"cpu": "s", "io": "B", "net": "B"}
_NAMES = {"cpu": "CPU time of the tree", "io": "I/O of the tree", "net": "network bytes of the tree"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict before the remedy is chosen.

    Attributes:
        level, cause, evidence: As in `Verdict`.
        tell: Somebody should be told, once.
        past: It was found, but doesn't hold right now: no ground to act on.
        excuses: The agent has a good reason to be silent: the silence so far is forgiven.
        forgives_retries: The retries and bytes so far are forgiven too.
    """

    level: Level
    cause: str = ""
    evidence: tuple[str, ...] = ()
    tell: bool = False
    past: bool = False
    excuses: bool = False
    forgives_retries: bool = False


def judge(memory: Memory, sight: Sight, seen: Observation, settings: Settings) -> Finding:
    """Return the finding for one look."""
    if memory.stopped_s is not None:
        return _stopped(memory, sight, seen, settings)
    waiting = _waiting(memory, seen, settings)
    if waiting is not None:
        return waiting
    return _looping(_by_signs(memory, sight, seen, settings), memory, seen, settings)


def _by_signs(memory: Memory, sight: Sight, seen: Observation, settings: Settings) -> Finding:
    """Judge by news and signs of life."""
    tool = patient_tool(seen, settings)
    if tool is not None:
        return Finding(
            level=_calm(sight, settings),
            evidence=(_describe(tool, seen, settings),),
            excuses=True,
            forgives_retries=True,
        )
    busy = _busy_without_news(memory, seen, settings)
    if busy is not None and not busy.past:
        return busy
    silent = _silent(memory, sight, seen, settings)
    worse = silent if busy is None or _rank(silent) >= _rank(busy) else busy
    return _unproductive(worse, memory, seen, settings)


def _looping(finding: Finding, memory: Memory, seen: Observation, settings: Settings) -> Finding:
    """Say that it repeats itself, where nothing worse is to be said."""
    level = loops.level(memory, seen, settings)
    if level is None or seen.loop is None or _rank(finding) >= _rank(Finding(level=level)):
        return finding
    evidence = (*loops.describe(seen.loop, settings), *finding.evidence)
    return replace(finding, level=level, cause=loops.LOOPING, evidence=evidence, tell=True, past=False)


def next_threshold_s(memory: Memory, sight: Sight, seen: Observation, settings: Settings) -> float | None:
    """Return the seconds to the next moment at which time alone can change the level; None where there is none."""
    suspect_s, stall_s = _limits(seen, settings)
    left = [
        settings.quiet_s - sight.silence_s,
        settings.suspect_s - sight.silence_s,
        suspect_s - sight.unexcused_s,
        stall_s - sight.unexcused_s,
        suspect_s - sight.proven_s,
        _blind_limit_s(seen, settings) - sight.unexcused_s,
    ]
    looping_s = loops.due_s(memory, seen, settings)
    if looping_s is not None:
        left.append(looping_s)
    left += [_ends_s(tool, settings) - seen.now_s for tool in seen.open_tools]
    if memory.stopped_s is not None:
        left.append(settings.stall_s - (seen.now_s - memory.stopped_s))
    return min((seconds for seconds in left if seconds > 0), default=None)


def patient_tool(seen: Observation, settings: Settings) -> OpenTool | None:
    """Return the open tool call that may be silent for longest, or None where none may be silent now."""
    within = [tool for tool in seen.open_tools if not reached(seen.now_s, _ends_s(tool, settings))]
    return max(within, key=lambda tool: _ends_s(tool, settings), default=None)


def _stopped(memory: Memory, sight: Sight, seen: Observation, settings: Settings) -> Finding:
    stopped_s = seen.now_s - (memory.stopped_s if memory.stopped_s is not None else seen.now_s)
    evidence: tuple[str, ...] = (f"stopped by a signal (SIGSTOP or SIGTTIN) for {stopped_s:.1f} s",)
    if reached(min(stopped_s, sight.silence_s), settings.stall_s):
        evidence += _silence(sight)
        return Finding(level=Level.STALLED, cause="stopped", evidence=evidence, tell=True, excuses=True)
    # It excuses silence: whoever lets it go on finds it with a full measure of time.
    return Finding(level=Level.SUSPECT, cause="stopped", evidence=evidence, excuses=True)


def _waiting(memory: Memory, seen: Observation, settings: Settings) -> Finding | None:
    state = seen.activity.state
    if state in FOR_A_PERSON:
        return Finding(
            level=Level.AWAITING_INPUT,
            cause=state,
            evidence=_quoted(seen),
            tell=True,
            excuses=True,
            forgives_retries=True,
        )
    if state not in FOR_THE_PROVIDER:
        return None
    if state in _RETRIED and rates.RETRY_STORM in memory.busy:
        evidence = (rates.describe(rates.RETRY_STORM, memory, seen, settings), *_quoted(seen))
        if _lasts(rates.RETRY_STORM, memory, seen, settings, max(settings.storm_s, settings.stall_s)):
            memory.latched = [rates.RETRY_STORM, Level.STALLED.value]
            return Finding(level=Level.STALLED, cause=rates.RETRY_STORM, evidence=evidence, tell=True)
        if not memory.latched:
            return Finding(
                level=Level.AWAITING_PROVIDER, cause=rates.RETRY_STORM, evidence=evidence, tell=True, excuses=True
            )
    if memory.latched:
        return _latched(memory, _quoted(seen), excuses=True)
    return Finding(
        level=Level.AWAITING_PROVIDER,
        cause=state,
        evidence=_quoted(seen),
        tell=state in _WANTS_HELP,
        excuses=True,
        forgives_retries=state not in _RETRIED,
    )


def _silent(memory: Memory, sight: Sight, seen: Observation, settings: Settings) -> Finding:
    """Judge by silence alone."""
    calm = Finding(level=_calm(sight, settings), evidence=_news(memory, seen))
    vitals, over = seen.vitals, seen.activity.state in _OVER
    suspect_s, stall_s = _limits(seen, settings)
    # What waits for a person is found no later than a hang would be: the level must not sink again.
    patience_s = min(settings.suspect_s, suspect_s)
    if vitals is not None and reached(sight.silence_s, patience_s):
        # Without a terminal, nobody is there to answer what said that it is done.
        reads = vitals.blocked_on in _READS and (not over or vitals.tty_mode is not None)
        asks = vitals.tty_mode == "password"
        if reads or asks:
            what = "its terminal asks for a password" if asks else f"it sleeps in a read ({vitals.blocked_on})"
            return Finding(
                level=Level.AWAITING_INPUT,
                cause="blocked_on_input",
                evidence=(what, *_silence(sight)),
                tell=True,
                excuses=True,
                forgives_retries=True,
            )
    if over and vitals is not None and vitals.tty_mode is not None and reached(sight.silence_s, patience_s):
        return Finding(
            level=Level.AWAITING_INPUT,
            cause="finished",
            evidence=(f"{seen.activity.state}, and at its terminal still", *_silence(sight)),
            tell=True,
            excuses=True,
            forgives_retries=True,
        )
    if not reached(sight.unexcused_s, suspect_s):
        return calm
    redrawn, looks = memory.redrawn.bit_count(), min(memory.still, REDRAWS)
    animated = 0 < looks <= 2 * redrawn
    cause = "not_exiting" if over else "animated" if animated else _place_of_hang(vitals)
    evidence = [*_silence(sight, stall_s), *_stillness(memory, sight, seen)]
    evidence += [f"{_describe(tool, seen, settings)}: over" for tool in seen.open_tools]
    if animated:
        evidence.append(f"output without news in {redrawn} of the last {looks} looks")
    if not reached(sight.unexcused_s, stall_s) or not sight.enough_looks:
        return Finding(level=Level.SUSPECT, cause=cause, evidence=tuple(evidence))
    if reached(sight.proven_s, suspect_s):
        return Finding(level=Level.STALLED, cause=cause, evidence=tuple(evidence), tell=True)
    evidence.append(f"not confirmed: {', '.join(sight.lacking) or 'signs of life'} unknown, or not for long enough")
    blind_s = _blind_limit_s(seen, settings)
    if settings.blind_stall_s > 0 and not seen.buffered and reached(sight.unexcused_s, blind_s):
        evidence.append(f"silent beyond {blind_s:.1f} s, which is taken for a hang without confirmation")
        return Finding(level=Level.STALLED, cause=cause, evidence=tuple(evidence), tell=True)
    # It may be confirmed within moments, when signs of life were only just looked at for the first time.
    return Finding(level=Level.SUSPECT, cause=cause, evidence=tuple(evidence), tell=_unconfirmable(sight, seen))


def _busy_without_news(memory: Memory, seen: Observation, settings: Settings) -> Finding | None:
    """Judge what signs of life can't acquit. What was found stays said until there is news, but isn't acted on."""
    for cause in memory.busy:
        stalled = _lasts(cause, memory, seen, settings, settings.stall_s)
        if memory.latched and memory.latched[1] == Level.STALLED and not stalled:
            continue
        level = Level.STALLED if stalled else Level.SUSPECT
        memory.latched = [cause, level.value]
        return Finding(level=level, cause=cause, evidence=(rates.describe(cause, memory, seen, settings),), tell=True)
    return _latched(memory, ()) if memory.latched else None


def _latched(memory: Memory, evidence: tuple[str, ...], *, excuses: bool = False) -> Finding:
    """Return what was found since the last news and doesn't hold right now."""
    cause, word = memory.latched
    said = f"{cause} found earlier, and no news since"
    return Finding(level=Level(word), cause=cause, evidence=(said, *evidence), past=True, excuses=excuses)


def _unproductive(finding: Finding, memory: Memory, seen: Observation, settings: Settings) -> Finding:
    """Name an agent that lives and brings nothing for very long: evidence conflicts, so it is never acted on."""
    if settings.no_progress_s <= 0 or seen.buffered or _rank(finding) >= _rank(Finding(level=Level.SUSPECT)):
        return finding
    newsless_s = seen.now_s - max(memory.news_s, memory.excused_s, memory.watched_s)
    if not reached(newsless_s, max(settings.no_progress_s, settings.stall_s)):
        return finding
    alive = f"no news for {newsless_s:.1f} s, though signs of life move (limit {settings.no_progress_s:.1f} s)"
    return replace(
        finding, level=Level.SUSPECT, cause="no_progress", evidence=(alive, *_stillness_of(memory)), tell=True
    )


def _lasts(cause: str, memory: Memory, seen: Observation, settings: Settings, limit_s: float) -> bool:
    """Whether a rate has been too high for so long; it takes `suspect_s` to be seen at all."""
    return reached(seen.now_s - memory.busy[cause] + settings.suspect_s, limit_s)


def _limits(seen: Observation, settings: Settings) -> tuple[float, float]:
    """Return the seconds of silence for SUSPECT and for STALLED."""
    suspect_s, stall_s = settings.suspect_s, settings.stall_s
    if seen.buffered:
        stall_s = max(settings.buffered_stall_s, stall_s)
        suspect_s = stall_s / 2
    elif seen.activity.state in _OVER and (seen.vitals is None or seen.vitals.tty_mode is None):
        return min(suspect_s, settings.final_s / 2), settings.final_s
    # An agent that gives a silent stream up by itself gets the chance, and a moment for what it does then.
    healed_s = 0.0 if seen.heals_s is None else seen.heals_s + settings.stall_s / 24
    return (suspect_s * healed_s / stall_s, healed_s) if healed_s > stall_s else (suspect_s, stall_s)


def _blind_limit_s(seen: Observation, settings: Settings) -> float:
    return max(settings.blind_stall_s, _limits(seen, settings)[1])


def _place_of_hang(vitals: Vitals | None) -> str:
    """Return the cause of a silence that nothing excuses."""
    if vitals is None:
        return "silent_hang"
    if vitals.stopped_others:
        return "stopped"
    if vitals.zombie:
        return "zombie_leader"
    if vitals.deadlocked:
        return "deadlock"
    return "hung_child" if vitals.awaits_child else "silent_hang"


def _unconfirmable(sight: Sight, seen: Observation) -> bool:
    return bool(sight.lacking) if seen.buffered else "cpu" in sight.lacking or len(sight.lacking) > 1


def _ends_s(tool: OpenTool, settings: Settings) -> float:
    return tool.since_s + budget_s(tool, settings)


def _describe(tool: OpenTool, seen: Observation, settings: Settings) -> str:
    budget = budget_s(tool, settings)
    whose = "assumed" if tool.budget_s is None else "declared"
    return (
        f"tool call {tool.name or tool.id} open for {seen.now_s - tool.since_s:.1f} s ({whose} budget {budget:.1f} s)"
    )


def _calm(sight: Sight, settings: Settings) -> Level:
    return Level.QUIET if reached(sight.silence_s, settings.quiet_s) else Level.ACTIVE


def _rank(finding: Finding) -> int:
    return list(Level).index(finding.level)


def _quoted(seen: Observation) -> tuple[str, ...]:
    activity = seen.activity
    said = f"the output says {activity.state}"
    if activity.rule:
        said += f" (rule {activity.rule}, {activity.stream or 'out'} at byte {activity.offset})"
    return (f"{said}: {activity.text}" if activity.text else said,)


def _news(memory: Memory, seen: Observation) -> tuple[str, ...]:
    return (f"last news {seen.now_s - memory.news_s:.1f} s ago", *_stillness_of(memory))


def _silence(sight: Sight, limit_s: float | None = None) -> tuple[str, ...]:
    limit = "" if limit_s is None else f" (limit {limit_s:.1f} s)"
    return (f"no news and no sign of life for {sight.silence_s:.1f} s{limit}",)


def _stillness(memory: Memory, sight: Sight, seen: Observation) -> tuple[str, ...]:
    unknown = tuple(f"{_NAMES[name]} unknown" for name in sight.lacking)
    return (
        *_stillness_of(memory),
        *unknown,
        *(_whereabouts(seen.vitals) if seen.vitals is not None else ()),
        f"{memory.still} looks in a row found nothing moved",
    )


def _whereabouts(vitals: Vitals) -> Iterator[str]:
    """Say where the tree's processes stand: whoever looks into it at night begins there."""
    if vitals.stopped_others:
        yield f"{vitals.stopped_others} processes of its tree are stopped by a signal (SIGSTOP or SIGTTIN)"
    if vitals.zombie:
        yield "its leader has ended but for its place in the process table, its tree lives on"
    if vitals.deadlocked:
        yield "every thread of its tree waits for a lock, or for a child that does"
    if vitals.sleepers:
        yield f"asleep: {', '.join(vitals.sleepers)}"
    elif vitals.blocked_on:
        yield f"blocked on {vitals.blocked_on}"


def _stillness_of(memory: Memory) -> tuple[str, ...]:
    lines = []
    for name, unit in _UNITS.items():
        gauge = memory.gauges.get(name)
        if gauge is not None and not isinstance(gauge.value, str) and not isinstance(gauge.base, str):
            grown = f"{gauge.value - gauge.base:+.2f}" if unit == "s" else f"{gauge.value - gauge.base:+.0f}"
            lines.append(f"{_NAMES[name]} {grown} {unit} in {gauge.at_s - gauge.still_s:.1f} s")
    return tuple(lines)
