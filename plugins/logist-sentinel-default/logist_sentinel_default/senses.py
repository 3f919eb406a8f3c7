"""Takes an observation into memory and says what moved: silence is measured here, and nowhere else.

Invariant: silence only grows by time in which somebody looked. What is unknown neither moves nor stands still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from logist_core.api import Observation, OpenTool, Vitals
from logist_sentinel_default import rates
from logist_sentinel_default.memory import REDRAWS, Gauge, Memory
from logist_sentinel_default.settings import Settings

#: The signs of life that can confirm a hang together with the silence of the output.
CONFIRMING = ("cpu", "io", "net")

#: A spinner's own writes come back in the tree's I/O, through a wrapper's pipe more than once; more than so many
#: times the bytes that came out is work.
_ECHOES = 4

#: CPU time is counted in ticks: over a shorter part of `stall_s` a single tick of an idle process looks like work.
_LEAST_CPU_SPAN = 1 / 24

#: In so many of the last four looks some process must run for it to count as work.
_RUNS_IN_LOOKS = 3

#: Comparisons with thresholds forgive the last bits of a float, so that a look asked for at a threshold reaches it.
_FORGIVEN = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one look shows.

    Attributes:
        moved: What moved since the last look: `news`, or names of gauges.
        nobody_looked: Seconds for which nobody had looked, where that was too long to say anything; else None.
        silence_s: Seconds without news and without a sign of life.
        unexcused_s: Those of them after the last good reason to be silent.
        proven_s: Those of them in which signs of life were known and stood still; 0 where they don't suffice.
        lacking: Those of `CONFIRMING` that are not known now.
        enough_looks: Whether nothing moved in as many looks as are asked for.
    """

    moved: tuple[str, ...]
    nobody_looked: float | None
    silence_s: float
    unexcused_s: float
    proven_s: float
    lacking: tuple[str, ...]
    enough_looks: bool


def reached(value: float, threshold: float) -> bool:
    """Whether a duration has reached its threshold."""
    return value >= threshold * _FORGIVEN


def budget_s(tool: OpenTool, settings: Settings) -> float:
    """Return for how long a tool call may be silent, in seconds."""
    return settings.tool_stall_s if tool.budget_s is None else tool.budget_s


def look(before: Memory | None, seen: Observation, settings: Settings) -> tuple[Memory, Sight]:
    """Return the memory after an observation, and what it shows."""
    if before is None or before.attempt != seen.attempt or seen.now_s < before.now_s:
        return _begin(before, seen), _first_sight(seen)
    memory = _copied(before)
    elapsed_s = seen.now_s - before.now_s
    longest_s = max(2 * (seen.period_s or before.rhythm_s or elapsed_s), settings.stall_s / 2)
    # A counter that fell was started anew: whatever it stood for can't be compared.
    afresh = elapsed_s > longest_s or seen.progress < before.progress or seen.output_bytes < before.output_bytes
    news = seen.progress > before.progress
    if news:
        # The wall clock may have been stepped under `progress_s`; it surely lies between these two looks.
        memory.news_s = min(max(seen.progress_s, before.now_s), seen.now_s)
    moved = ["news"] if news else []
    for name, value in _readings(seen.vitals):
        if _read(memory, name, value, seen, settings, longest_s=longest_s, afresh=afresh):
            moved.append(name)
    if _runs(memory, seen, elapsed_s, settings):
        moved.append("running")
    if afresh:
        memory.watched_s = seen.now_s
    if afresh or len(moved) > news:
        memory.life_s = seen.now_s
    for tool in seen.open_tools:
        memory.excused_s = max(memory.excused_s, min(seen.now_s, tool.since_s + budget_s(tool, settings)))
    if afresh or moved:
        memory.still, memory.redrawn, memory.widest_s = 0, 0, 0.0
    elif elapsed_s > 0:
        memory.still += 1
        memory.widest_s = max(memory.widest_s, elapsed_s)
        redrawn = seen.output_bytes > before.output_bytes
        memory.redrawn = (memory.redrawn << 1 | redrawn) & ((1 << REDRAWS) - 1)
    if afresh or news or seen.retries < before.retries:
        rates.begin(memory, seen, memory.news_s if news and not afresh else seen.now_s)
    rates.count(memory, seen, settings)
    memory.stopped_s = _stopped_s(before, seen)
    memory.rhythm_s = elapsed_s if elapsed_s > 0 else before.rhythm_s
    memory.now_s, memory.progress = seen.now_s, seen.progress
    memory.output_bytes, memory.retries = seen.output_bytes, seen.retries
    if memory.since_act_s is not None:
        memory.since_act_s += elapsed_s
    return memory, _sight(memory, seen, settings, tuple(moved), elapsed_s if elapsed_s > longest_s else None)


def _runs(memory: Memory, seen: Observation, elapsed_s: float, settings: Settings) -> bool:
    """Whether the tree is kept busy, though a loaded machine may give it next to no time.

    A process that redraws a screen sleeps nearly always when it is looked at; one that works hardly ever does. Where
    looks are so rare that a stall would be called after two of them, one has to do.
    """
    running = seen.vitals.running if seen.vitals is not None else None
    if running is None or elapsed_s <= 0:
        return False
    memory.running = (memory.running << 1 | (running > 0)) & 0b1111
    needed = 1 if 2 * elapsed_s >= settings.stall_s else _RUNS_IN_LOOKS
    return running > 0 and memory.running.bit_count() >= needed


def _copied(memory: Memory) -> Memory:
    return replace(
        memory,
        gauges={name: replace(gauge) for name, gauge in memory.gauges.items()},
        marks=list(memory.marks),
        busy=dict(memory.busy),
    )


def _begin(before: Memory | None, seen: Observation) -> Memory:
    since_act_s = before.since_act_s if before is not None else None
    if before is not None and since_act_s is not None and before.attempt != seen.attempt:
        since_act_s += seen.now_s
    now_s = seen.now_s
    return Memory(
        attempt=seen.attempt,
        now_s=now_s,
        progress=seen.progress,
        output_bytes=seen.output_bytes,
        retries=seen.retries,
        news_s=min(max(seen.progress_s, 0.0), now_s),
        life_s=now_s,
        watched_s=now_s,
        marks=[[now_s, seen.output_bytes, seen.retries]],
        stopped_s=_stopped_s(None, seen),
        gauges={
            name: Gauge(value=value, at_s=now_s, still_s=now_s, base=value, output=seen.output_bytes)
            for name, value in _readings(seen.vitals)
        },
        since_act_s=since_act_s,
        pretended=before.pretended if before is not None else 0,
    )


def _first_sight(seen: Observation) -> Sight:
    return Sight(
        moved=(),
        nobody_looked=None,
        silence_s=0.0,
        unexcused_s=0.0,
        proven_s=0.0,
        lacking=_lacking(seen.vitals),
        enough_looks=False,
    )


def _readings(vitals: Vitals | None) -> Iterator[tuple[str, float | str]]:
    if vitals is None:
        return
    known = {
        "cpu": vitals.cpu_s,
        "io": vitals.io_bytes,
        "net": vitals.net_bytes,
        "tree": vitals.tree if vitals.tree is not None else vitals.processes,
    }
    for name, value in known.items():
        if value is not None:
            # A number of processes has no direction: any change of it is one.
            yield name, str(value) if name == "tree" else float(value)


def _lacking(vitals: Vitals | None) -> tuple[str, ...]:
    known = {name for name, _ in _readings(vitals)}
    return tuple(name for name in CONFIRMING if name not in known)


def _read(
    memory: Memory,
    name: str,
    value: float | str,
    seen: Observation,
    settings: Settings,
    *,
    longest_s: float,
    afresh: bool,
) -> bool:
    """Take in one gauge's value; return whether it shows life after the last news."""
    now_s = seen.now_s
    gauge = memory.gauges.get(name)
    if gauge is None:
        memory.gauges[name] = Gauge(value=value, at_s=now_s, still_s=now_s, base=value, output=seen.output_bytes)
        return False
    span_s = now_s - gauge.at_s
    if name == "cpu" and not afresh and span_s < settings.stall_s * _LEAST_CPU_SPAN * _FORGIVEN:
        return False
    changed = _changed(name, gauge, value, seen, settings)
    # What moved before the last news says nothing of the silence after it, nor does the time that wasn't watched.
    spans_news = gauge.at_s < memory.news_s
    if changed or spans_news or afresh or span_s > longest_s:
        gauge.still_s, gauge.base = now_s, value
    gauge.value, gauge.at_s, gauge.output = value, now_s, seen.output_bytes
    return changed and not spans_news


def _changed(name: str, gauge: Gauge, value: float | str, seen: Observation, settings: Settings) -> bool:
    if isinstance(value, str) or isinstance(gauge.value, str):
        return value != gauge.value
    grown, printed = value - gauge.value, seen.output_bytes - gauge.output
    if grown < 0:
        return True  # it was started anew, or a part of the tree took its sum away: that is a change of its own
    if name == "cpu":
        return grown > (seen.now_s - gauge.at_s) * (settings.spinner_cpu if printed > 0 else settings.idle_cpu)
    if name == "io":
        return grown > _ECHOES * printed
    return grown > 0


def _stopped_s(before: Memory | None, seen: Observation) -> float | None:
    if seen.vitals is None or seen.vitals.stopped is None:
        return before.stopped_s if before is not None else None
    if not seen.vitals.stopped:
        return None
    if before is not None and before.stopped_s is not None:
        return before.stopped_s
    return seen.now_s


def _sight(
    memory: Memory, seen: Observation, settings: Settings, moved: tuple[str, ...], nobody_looked: float | None
) -> Sight:
    silence_s = seen.now_s - max(memory.news_s, memory.life_s)
    unexcused_s = min(silence_s, seen.now_s - memory.excused_s)
    known = {name for name, _ in _readings(seen.vitals)} & set(CONFIRMING)
    # Without CPU a busy tree looks dead; without I/O and network a waiting download does.
    suffices = known == set(CONFIRMING) if seen.buffered else "cpu" in known and len(known) > 1
    still_s = max((memory.gauges[name].still_s for name in known), default=seen.now_s)
    fitting = int(settings.stall_s / memory.widest_s) if memory.widest_s else settings.windows
    # However seldom somebody looks, one look alone could be the one that came after a pause of the whole machine.
    needed = max(min(settings.windows, 2), min(settings.windows, fitting))
    return Sight(
        moved=moved,
        nobody_looked=nobody_looked,
        silence_s=silence_s,
        unexcused_s=unexcused_s,
        proven_s=min(unexcused_s, seen.now_s - still_s) if suffices else 0.0,
        lacking=_lacking(seen.vitals),
        enough_looks=memory.still >= needed,
    )
