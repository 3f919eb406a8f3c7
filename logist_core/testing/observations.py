"""Histories of observations for tests of sentinels: random ones, and simulated agents that say what they do.

Invariant: whatever is made here keeps the promises of `Observation`: clocks and counters never fall within an
attempt, and what is not known is None.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import strategies as st

from logist_core.protocols import Sentinel
from logist_core.types.launch import Vitals
from logist_core.types.signals import UNKNOWN_ACTIVITY, Activity, Claim
from logist_core.types.watch import Action, Loop, Observation, OpenTool, SentinelState, Verdict

EPOCH = 1_700_000_000.0
VITALS = frozenset({"cpu", "io", "net", "tree", "stopped", "blocked_on", "tty_mode", "standing", "running"})
INTERVENTIONS = frozenset(Action) - {Action.NONE, Action.NOTIFY}
_STANDING = ("stopped_others", "zombie", "awaits_child", "deadlocked")
_NEWS_BYTES = 80
_RETRY_BYTES = 40
_TICK_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What a simulated agent does for a while.

    Attributes:
        name: For messages.
        seconds: How long it lasts.
        news_every_s: It prints something new at its beginning and then so often; None: never.
        retry_every_s: It prints a retry line at its beginning and then so often; None: never. Not in a phase with news.
        redraw_bytes_s: Bytes per second of output that is no news.
        cpu: Share of one core that its tree uses.
        io_bytes_s, net_bytes_s: Bytes per second, the output's own not counted.
        tree_every_s: A process joins or leaves its tree at its beginning and then so often; None: never.
        claim: What its output claims.
        tool: A tool call is open throughout.
        tool_budget_s: The time-out declared for it.
        step_every_s: It takes the same step at its beginning and then so often; None: its steps differ.
        steps: What is repeated then, see `Loop`; with `failing` and `source`.
        running: Whether some process runs at each look.
        stopped, blocked_on, tty_mode, stopped_others, zombie, awaits_child, deadlocked: As in `Vitals`.
        asleep: The machine stands still: nothing happens, and nobody looks.
        asleep_counts: Whether `now_s` goes on in the meantime, as on a machine whose clock can't tell.
    """

    name: str
    seconds: float
    news_every_s: float | None = None
    retry_every_s: float | None = None
    redraw_bytes_s: float = 0.0
    cpu: float = 0.0
    io_bytes_s: float = 0.0
    net_bytes_s: float = 0.0
    tree_every_s: float | None = None
    claim: Claim | None = None
    tool: bool = False
    tool_budget_s: float | None = None
    step_every_s: float | None = None
    steps: tuple[str, ...] = ("the same",)
    failing: bool = True
    source: str = "actions"
    running: bool = False
    stopped: bool = False
    blocked_on: str | None = None
    tty_mode: str | None = None
    stopped_others: int = 0
    zombie: bool = False
    awaits_child: bool = False
    deadlocked: bool = False
    asleep: bool = False
    asleep_counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One step of a simulation: when (seconds of real time since the start), what was seen, what was said."""

    at_s: float
    seen: Observation
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A simulated attempt: phases, and how much of them can be seen.

    Attributes:
        phases: One after the other.
        known: The vitals that the runtime can tell, names of `VITALS`; empty: it has none at all.
        buffered: See `LaunchSpec.buffered`.
        remedies: See `Observation.remedies`.
        heals_s: See `LaunchSpec.heals_s`.
    """

    phases: tuple[Phase, ...]
    known: frozenset[str] = VITALS
    buffered: bool = False
    remedies: tuple[Action, ...] | None = None
    heals_s: float | None = None

    @property
    def seconds(self) -> float:
        """How long the phases last together."""
        return sum(phase.seconds for phase in self.phases)

    def begin_s(self, name: str) -> float:
        """Return when the first phase of that name begins."""
        begin = 0.0
        for phase in self.phases:
            if phase.name == name:
                return begin
            begin += phase.seconds
        raise LookupError(name)

    def awake_at(self, at_s: float) -> float:
        """Return `at_s`, or the next moment at which somebody can look."""
        begin = 0.0
        for phase in self.phases:
            end = begin + phase.seconds
            if phase.asleep and begin <= at_s < end:
                at_s = end
            begin = end
        return at_s

    def observe(self, at_s: float) -> Observation:
        """Return what can be seen at `at_s` seconds after the start."""
        now_s = progress_s = output = cpu_s = io = net = begin = 0.0
        progress = retries = tree = 0
        current = self.phases[0]
        current_since_s = 0.0
        loop: Loop | None = None
        for phase in self.phases:
            spent = min(phase.seconds, at_s - begin)
            if spent < 0:
                break
            current, current_since_s = phase, now_s
            if phase.asleep:
                now_s += spent if phase.asleep_counts else 0.0
            else:
                news, tries = _times(spent, phase.news_every_s), _times(spent, phase.retry_every_s)
                if news:
                    progress_s, retries = now_s + (news - 1) * (phase.news_every_s or 0.0), 0
                progress, retries = progress + news, retries + tries
                printed = news * _NEWS_BYTES + tries * _RETRY_BYTES + spent * phase.redraw_bytes_s
                output, io = output + printed, io + printed + spent * phase.io_bytes_s
                net, cpu_s = net + spent * phase.net_bytes_s, cpu_s + spent * phase.cpu
                tree += _times(spent, phase.tree_every_s)
                loop = _loop(phase, spent, loop)
                now_s += spent
            begin += phase.seconds
        tools = (OpenTool(id="1", name="Bash", since_s=current_since_s, budget_s=current.tool_budget_s),)
        return Observation(
            now_s=now_s,
            wall=EPOCH + at_s,
            activity=UNKNOWN_ACTIVITY if current.claim is None else Activity(state=current.claim.value),
            output_bytes=int(output),
            progress=progress,
            progress_s=min(progress_s, now_s),
            retries=retries,
            open_tools=tools if current.tool else (),
            vitals=self._vitals(current, cpu_s, int(io), int(net), tree) if self.known else None,
            buffered=self.buffered,
            remedies=self.remedies,
            heals_s=self.heals_s,
            loop=loop,
        )

    def _vitals(self, phase: Phase, cpu_s: float, io: int, net: int, tree: int) -> Vitals:
        known = self.known
        return Vitals(
            cpu_s=int(cpu_s / _TICK_S) * _TICK_S if "cpu" in known else None,
            io_bytes=io if "io" in known else None,
            net_bytes=net if "net" in known else None,
            tree=f"tree-{tree}" if "tree" in known else None,
            running=int(phase.running) if "running" in known else None,
            stopped=phase.stopped if "stopped" in known else None,
            blocked_on=phase.blocked_on if "blocked_on" in known else None,
            tty_mode=phase.tty_mode if "tty_mode" in known else None,
            stopped_others=phase.stopped_others if "standing" in known else None,
            zombie=phase.zombie if "standing" in known else None,
            awaits_child=phase.awaits_child if "standing" in known else None,
            deadlocked=phase.deadlocked if "standing" in known else None,
        )


def simulate(
    sentinel: Sentinel,
    world: World,
    *,
    period_s: float | None = None,
    until: Callable[[Look], bool] = lambda look: False,
) -> list[Look]:
    """Watch a simulated attempt from its start to its end, or to the first look for which `until` holds.

    Args:
        sentinel: The policy.
        world: The attempt. Interventions are counted, and have no effect on it.
        period_s: Look so often; None: as often as the sentinel wishes (5 s where it has no wish).
        until: When to end early.
    """
    looks: list[Look] = []
    state, at_s, interventions, planned_s = sentinel.initial(), 0.0, 0, period_s
    while at_s <= world.seconds:
        seen = replace(world.observe(at_s), interventions=interventions, period_s=planned_s)
        state, verdict = sentinel.step(state, seen)
        looks.append(Look(at_s=at_s, seen=seen, verdict=verdict))
        interventions += verdict.action in INTERVENTIONS
        if until(looks[-1]):
            break
        planned_s = period_s or verdict.look_again_s or 5.0
        at_s = world.awake_at(at_s + planned_s)
    return looks


def judge_all(
    sentinel: Sentinel, history: Sequence[Observation], *, through_json: bool = False
) -> tuple[list[Verdict], SentinelState]:
    """Return the verdicts on a history and the last state; `through_json` stores and loads it at each step."""
    state, verdicts = sentinel.initial(), []
    for seen in history:
        if through_json:
            state = json.loads(json.dumps(dict(state)))
        state, verdict = sentinel.step(state, seen)
        verdicts.append(verdict)
    return verdicts, state


def stretched(seen: Observation, factor: float) -> Observation:
    """Return an observation of the same history lived `factor` times as slowly; bytes and counts stay."""
    vitals = seen.vitals
    if vitals is not None and vitals.cpu_s is not None:
        vitals = replace(vitals, cpu_s=vitals.cpu_s * factor)
    return replace(
        seen,
        now_s=seen.now_s * factor,
        progress_s=seen.progress_s * factor,
        period_s=None if seen.period_s is None else seen.period_s * factor,
        heals_s=None if seen.heals_s is None else seen.heals_s * factor,
        vitals=vitals,
        open_tools=tuple(
            replace(
                tool,
                since_s=tool.since_s * factor,
                budget_s=None if tool.budget_s is None else tool.budget_s * factor,
            )
            for tool in seen.open_tools
        ),
    )


def silence_after(last: Observation, *, period_s: float, looks: int) -> Iterator[Observation]:
    """Return looks at a regular period in which nothing moves, nor runs, but the clocks."""
    if last.vitals is not None and last.vitals.running is not None:
        last = replace(last, vitals=replace(last.vitals, running=0))
    for count in range(1, looks + 1):
        passed_s = count * period_s
        yield replace(last, now_s=last.now_s + passed_s, wall=last.wall + passed_s, period_s=period_s)


def observed_s(history: Sequence[Observation]) -> list[float]:
    """Return the seconds lived at each observation, summed over the attempts of the history."""
    if not history:
        return []
    lived = [history[0].now_s]
    for before, after in pairwise(history):
        same = before.attempt == after.attempt
        lived.append(lived[-1] + (after.now_s - before.now_s if same else after.now_s))
    return lived


@st.composite
def histories(draw: st.DrawFn, *, max_looks: int = 24, max_gap_s: float = 64.0) -> list[Observation]:
    """Draw any history that the contract of `Observation` allows: no agent needs to be able to live it.

    Times are multiples of 1/64 s and CPU seconds multiples of 1/64, so that stretching by a power of two is exact.
    """
    known = draw(st.frozensets(st.sampled_from(sorted(VITALS))) | st.just(VITALS) | st.just(frozenset()))
    buffered = draw(st.booleans())
    looks = draw(st.lists(_moves(int(max_gap_s * 64)), min_size=1, max_size=max_looks))
    told = draw(st.booleans())
    heals_s = draw(st.none() | st.integers(1, 64 * 100).map(lambda ticks: ticks / 64))
    remedies = draw(st.none() | st.lists(st.sampled_from(sorted(INTERVENTIONS)), unique=True).map(tuple))
    history: list[Observation] = []
    now_s = progress_s = cpu_s = 0.0
    wall = EPOCH
    attempt, output, progress, retries, io, net, tree, interventions = 1, 0, 0, 0, 0, 0, 0, 0
    for move in looks:
        if move.new_attempt:
            attempt, now_s, progress_s, cpu_s = attempt + 1, 0.0, 0.0, 0.0
            output = progress = retries = io = net = 0
        now_s, wall = now_s + move.gap_s, wall + move.gap_s + move.wall_step_s
        if move.news:
            progress, retries, progress_s = progress + move.news, 0, now_s - move.gap_s * move.news_age
        output, retries = output + move.printed, retries + move.retried
        cpu_s, io, net = cpu_s + move.gap_s * move.cpu, io + move.printed + move.io, net + move.net
        tree, interventions = tree + move.tree, interventions + move.acted
        vitals = Vitals(
            cpu_s=cpu_s if "cpu" in known else None,
            io_bytes=io if "io" in known else None,
            net_bytes=net if "net" in known else None,
            tree=str(tree) if "tree" in known else None,
            running=int(move.running) if "running" in known else None,
            stopped=move.stopped if "stopped" in known else None,
            blocked_on=move.blocked_on if "blocked_on" in known else None,
            tty_mode=move.tty_mode if "tty_mode" in known else None,
            stopped_others=int(move.standing == "stopped_others") if "standing" in known else None,
            zombie=move.standing == "zombie" if "standing" in known else None,
            awaits_child=move.standing == "awaits_child" if "standing" in known else None,
            deadlocked=move.standing == "deadlocked" if "standing" in known else None,
        )
        tool = OpenTool(
            id="t",
            name=None,
            since_s=now_s * move.tool_age,
            budget_s=None if move.tool_budget_s is None else move.tool_budget_s,
        )
        history.append(
            Observation(
                now_s=now_s,
                wall=wall,
                attempt=attempt,
                activity=UNKNOWN_ACTIVITY if move.claim is None else Activity(state=move.claim.value),
                output_bytes=output,
                progress=progress,
                progress_s=progress_s,
                retries=retries,
                open_tools=(tool,) if move.tool_open else (),
                vitals=vitals if known and not move.probe_failed else None,
                buffered=buffered,
                interventions=interventions,
                cancelling=move.cancelling,
                period_s=move.gap_s if told and not move.late else None,
                remedies=remedies,
                heals_s=heals_s,
                loop=move.loop,
            )
        )
    return history


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    gap_s: float
    wall_step_s: float
    news: int
    news_age: float
    printed: int
    retried: int
    cpu: float
    io: int
    net: int
    tree: int
    acted: int
    claim: Claim | None
    tool_open: bool
    tool_age: float
    tool_budget_s: float | None
    stopped: bool
    blocked_on: str | None
    tty_mode: str | None
    probe_failed: bool
    cancelling: bool
    new_attempt: bool
    late: bool
    standing: str | None
    running: bool
    loop: Loop | None


_LOOPS = st.builds(
    Loop,
    steps=st.sampled_from((("a",), ("a", "b"), ("a", "b", "c"))),
    times=st.sampled_from((2, 3, 4, 40, 1000)),
    failing=st.booleans(),
    source=st.sampled_from(("actions", "output")),
)


def _moves(max_gap: int) -> st.SearchStrategy[_Move]:
    rarely = st.sampled_from((False,) * 11 + (True,))
    share = st.sampled_from((0.0, 0.25, 0.5, 1.0))
    return st.builds(
        _Move,
        gap_s=st.integers(0, max_gap).map(lambda ticks: ticks / 64),
        wall_step_s=st.sampled_from((0.0,) * 9 + (3600.0, -3600.0)),
        news=st.sampled_from((0, 0, 0, 0, 1, 7)),
        news_age=share,
        printed=st.sampled_from((0, 0, 0, 1, 300, 1 << 20, 1 << 28)),
        retried=st.sampled_from((0, 0, 0, 1, 30)),
        cpu=st.sampled_from((0.0, 0.0, 0.0, 1 / 64, 0.125, 1.0)),
        io=st.sampled_from((0, 0, 0, 8, 1 << 16)),
        net=st.sampled_from((0, 0, 0, 60, 1 << 16)),
        tree=st.sampled_from((0, 0, 0, 0, 1)),
        acted=st.sampled_from((0, 0, 0, 0, 0, 1)),
        claim=st.none() | st.sampled_from(sorted(Claim)),
        tool_open=rarely,
        tool_age=share,
        tool_budget_s=st.none() | st.integers(1, 64 * 300).map(lambda ticks: ticks / 64),
        stopped=rarely,
        blocked_on=st.none() | st.sampled_from(("tty_read", "stdin_read", "futex", "network")),
        tty_mode=st.none() | st.sampled_from(("password", "line", "raw")),
        probe_failed=rarely,
        cancelling=rarely,
        new_attempt=rarely,
        late=rarely,
        running=st.booleans(),
        standing=st.none() | st.sampled_from(_STANDING),
        loop=st.none() | _LOOPS,
    )


def _loop(phase: Phase, spent_s: float, before: Loop | None) -> Loop | None:
    """Return the loop at a moment of a phase; one from before it goes on unless there is something new."""
    if phase.step_every_s is None:
        return None if phase.news_every_s is not None else before
    times = _times(spent_s, phase.step_every_s) // len(phase.steps)
    return Loop(steps=phase.steps, times=times, failing=phase.failing, source=phase.source) if times > 1 else None


def _times(spent_s: float, every_s: float | None) -> int:
    return 0 if every_s is None else 1 + int(spent_s / every_s)
