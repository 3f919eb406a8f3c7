"""Between the watch and the sentinel policy: makes observations, turns verdicts into journal events and acts.

Invariant: what the sentinel remembers is on disk beside the attempt; how often it acted is counted from the
journal, so that neither is forgotten by a supervisor's death.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from logist_core.errors import LogistError, PluginUnavailable
from logist_core.jobs.atomic import read_json, write_json
from logist_core.sentinel import Guard
from logist_core.sentinel.recording import Recorder
from logist_core.supervise.settle import OVER_BUDGET, SENTINEL_RESUME, SENTINEL_STOP
from logist_core.types._json import JSON
from logist_core.types.job import JobEvent, JobSpec, JobStatus
from logist_core.types.launch import LaunchSpec, RuntimeHandle, Stdin, Vitals
from logist_core.types.watch import Action, Level, Observation, Verdict

if TYPE_CHECKING:
    from logist_core.observe.observer import Observer
    from logist_core.protocols import Agent, Runtime
    from logist_core.supervise.plugins import Plugins

#: How often the sentinel looks, unless its own threshold is so short that it would come late.
PERIOD_S = 5.0
SHORTEST_PERIOD_S = 0.25
LONGEST_PERIOD_S = 60.0
#: So often at least within the policy's `stall_s`.
LOOKS_PER_STALL = 4
#: Interventions on a job count against the policy's own cap for so long; those on a home for an hour.
CAP_WINDOW_S = 6 * 3600.0
_FILE = "sentinel.json"
_MARKS = {Level.SUSPECT: "suspect", Level.STALLED: "stalled"}

Act = Callable[["Runtime", RuntimeHandle, "Agent | None"], None]


@dataclass(frozen=True, slots=True)
class Step:
    """What one look leads to: journal events first, then the act."""

    events: tuple[tuple[str, dict[str, JSON]], ...] = ()
    act: Act | None = None


class SentinelLoop:
    """One attempt's sentinel. A job whose sentinel plugin is missing or broken runs on, unjudged, and says so."""

    def __init__(
        self,
        plugins: Plugins,
        spec: JobSpec,
        directory: str,
        before: str | None,
        events: Sequence[JobEvent],
        allowance: Callable[[], str | None] = lambda: None,
        scrub: Callable[[JSON], JSON] = lambda value: value,
    ) -> None:
        """Go on from what is on disk.

        Args:
            plugins: For the job's policy.
            spec: The job.
            directory: The attempt's.
            before: Directory of the attempt that this one goes on from, whose memory it then inherits.
            events: The job's journal.
            allowance: Counts an act for the whole home; returns why it isn't allowed, if so.
            scrub: Takes secrets out of what is written down.
        """
        self._path = Path(directory) / _FILE
        self._scrub = scrub
        self._guard: Guard | None = None
        self._recorder: Recorder | None = None
        self._last: tuple[Level, str] = (Level.ACTIVE, "")
        self._fault_told = False
        self._progress_seen = -1
        self._planned_s: float | None = None
        self._fault: str | None = None
        self.due_s = 0.0
        self._saved_for_s: float | None = None
        self.period_s = PERIOD_S
        self._acts = _acts(events)
        self._most = spec.budget.interventions
        self._allowance = allowance
        self._refused: str | None = None
        self._read = (0, 0)
        try:
            sentinel = plugins.sentinel(spec)
            saved = read_json(self._path)
            if saved is None and before is not None:
                saved = read_json(Path(before) / _FILE)
        except PluginUnavailable as error:
            self._fault = error.message
            return
        except LogistError:
            saved = None  # it starts to remember anew
        self._guard = Guard(sentinel, saved.get("state") if isinstance(saved, dict) else None)
        self._recorder = Recorder(directory, lambda: self._guard.state if self._guard is not None else {}, scrub)
        self._recorder.begin()
        with contextlib.suppress(Exception):  # settings() is the plugin's; without it the usual period will do
            self.period_s = _period_s(sentinel.settings())

    def wants_vitals(self, observer: Observer) -> bool:
        """Whether signs of life are worth their cost: not while output progresses."""
        return self._progress_seen == observer.progress

    def step(
        self,
        observer: Observer,
        *,
        now_s: float,
        wall: float,
        vitals: Vitals | None,
        status: JobStatus,
        plan: LaunchSpec,
        remedies: tuple[Action, ...],
    ) -> Step:
        """Look once; the next look is due at `due_s`, on the clock of `now_s`."""
        period_s = self._planned_s
        self._plan_next(now_s, self.period_s)
        self._progress_seen = observer.progress
        if self._guard is None:
            return self._tell_fault()
        progress_at = observer.progress_at
        seen = Observation(
            now_s=now_s,
            wall=wall,
            attempt=status.attempt,
            activity=observer.activity(wall),
            output_bytes=observer.output_bytes,
            progress=observer.progress,
            progress_s=0.0 if progress_at is None else min(max(now_s - (wall - progress_at), 0.0), now_s),
            retries=observer.retries,
            open_tools=observer.open_tools(now_s),
            vitals=vitals,
            buffered=plan.buffered,
            interventions=sum(1 for at in self._acts if wall - at < CAP_WINDOW_S),
            cancelling=status.cancel is not None,
            period_s=period_s,
            remedies=remedies,
            heals_s=plan.heals_s,
            loop=observer.loop,
        )
        verdict = self._guard.step(seen)
        if verdict.look_again_s is not None:
            self._plan_next(now_s, min(max(verdict.look_again_s, SHORTEST_PERIOD_S), LONGEST_PERIOD_S))
        if self._guard.fault is not None:
            self._fault = self._guard.fault
            return self._tell_fault()
        refusal = self._refusal(verdict)
        if self._recorder is not None:
            self._recorder.look(seen, verdict, carried_out=refusal is None)
            if refusal is not None or verdict.action is not Action.NONE:
                self._recorder.flush()  # what it was is on disk before it is done
        if refusal is None:
            return self._carry_out(verdict, status, wall)
        self._guard.take_back()
        return self._refuse(verdict, refusal, status, wall)

    def _refusal(self, verdict: Verdict) -> str | None:
        """Return why the supervisor doesn't do what the verdict asks for; None: it does."""
        if verdict.action in (Action.NONE, Action.NOTIFY):
            self._refused = None
            return None
        if self._most is not None and len(self._acts) >= self._most:
            return f"the budget is used up: {len(self._acts)} of {self._most} interventions"
        return self._allowance()

    def _refuse(self, verdict: Verdict, refusal: str, status: JobStatus, wall: float) -> Step:
        told = self._refused == verdict.cause
        self._refused = verdict.cause
        said = (*verdict.evidence, f"not done: {verdict.action.value}: {refusal}")
        action = Action.NONE if told else Action.NOTIFY
        step = self._carry_out(replace(verdict, action=action, evidence=said), status, wall)
        if self._most is not None and len(self._acts) >= self._most and OVER_BUDGET not in status.conditions:
            over = ("condition.raised", {"condition": OVER_BUDGET, "detail": f"{refusal} ({verdict.cause})"})
            return Step((*step.events, over), step.act)
        return step

    def _plan_next(self, now_s: float, pause_s: float) -> None:
        self._planned_s = pause_s
        self.due_s = now_s + pause_s

    def note_read(self, observer: Observer, wall: float) -> None:
        """Remember that the logs were read, for the record."""
        read = observer.read_bytes
        if self._recorder is not None and read != self._read:
            self._read = read
            self._recorder.read(wall, *read)

    def save(self) -> None:
        """Put the policy's memory on disk; a cache in so far as losing it costs only lateness."""
        if self._guard is not None and self.due_s != self._saved_for_s:
            self._saved_for_s = self.due_s  # it remembers nothing new until it has looked again
            write_json(self._path, self._scrub({"schema": 1, "state": self._guard.state}), durable=False)
        if self._recorder is not None:
            self._recorder.flush()

    def _tell_fault(self) -> Step:
        if self._fault_told or self._fault is None:
            return Step()
        self._fault_told = True
        fault = {"kind": "sentinel", "name": None, "dist": None, "version": None, "reason": self._fault}
        return Step((("plugin.fault", fault),))

    def _carry_out(self, verdict: Verdict, status: JobStatus, wall: float) -> Step:
        events: list[tuple[str, dict[str, JSON]]] = []
        judged = (verdict.level, verdict.cause)
        notable = verdict.level in _MARKS or self._last[0] in _MARKS
        if (judged != self._last and notable) or verdict.action is not Action.NONE:
            events.append(
                (
                    "sentinel.verdict",
                    {
                        "level": verdict.level.value,
                        "cause": verdict.cause,
                        "evidence": list(verdict.evidence),
                        "action": verdict.action.value,
                    },
                )
            )
        self._last = judged
        mark = _MARKS.get(verdict.level)
        for name in _MARKS.values():
            if name == mark and name not in status.conditions:
                events.append(("condition.raised", {"condition": name, "detail": reason_of(verdict)}))
            elif name != mark and name in status.conditions:
                events.append(("condition.cleared", {"condition": name}))
        act: Act | None = None
        if verdict.action is not Action.NONE:
            if verdict.action is not Action.NOTIFY:
                self._acts.append(wall)
            acted = {"action": verdict.action.value, "cause": verdict.cause, "result": "begun"}
            events.append(("sentinel.acted", acted))
            if verdict.action in _ENDING:
                detail = reason_of(verdict)
                events.append(("condition.raised", {"condition": _ENDING[verdict.action], "detail": detail}))
            act = _ACTS.get(verdict.action)
        return Step(tuple(events), act)


def remedies_for(agent: Agent | None, runtime: Runtime, plan: LaunchSpec, status: JobStatus) -> tuple[Action, ...]:
    """Return what could be carried out now, so that a policy asks for nothing that can't be done.

    An interrupt is a remedy only where there is a terminal: elsewhere it ends the agent. A session that can't be
    taken up makes a resume a fresh start, which would do the work twice.
    """
    remedies = [Action.NOTIFY, Action.STOP]
    has_input = runtime.caps.stdin and (plan.pty or plan.stdin is Stdin.OPEN)
    with contextlib.suppress(Exception):  # the plugin's own code
        if has_input and agent is not None and agent.unstick() is not None:
            remedies.append(Action.UNSTICK)
    if plan.pty:
        remedies.append(Action.INTERRUPT)
    if status.session_id is not None:
        remedies.append(Action.RESUME)
    return tuple(remedies)


def _acts(events: Sequence[JobEvent]) -> list[float]:
    """Return the Unix times of the acts since a person last let the job go on."""
    times: list[float] = []
    for event in reversed(events):
        if event.kind == "job.requeued":
            break
        if event.kind == "sentinel.acted" and event.data.get("action") not in (None, "none", "notify"):
            times.append(event.at)
    return times


def reason_of(verdict: Verdict) -> str:
    """Return a verdict as one line."""
    evidence = "; ".join(verdict.evidence)
    return f"{verdict.cause}: {evidence}" if evidence else verdict.cause or verdict.level.value


def _unstick(runtime: Runtime, handle: RuntimeHandle, agent: Agent | None) -> None:
    keys = agent.unstick() if agent is not None else None
    if keys is not None:
        runtime.write(handle, keys)


def _interrupt(runtime: Runtime, handle: RuntimeHandle, agent: Agent | None) -> None:
    runtime.interrupt(handle)


_ENDING = {Action.STOP: SENTINEL_STOP, Action.RESUME: SENTINEL_RESUME}
_ACTS: dict[Action, Act] = {Action.UNSTICK: _unstick, Action.INTERRUPT: _interrupt}


def _period_s(settings: Mapping[str, JSON]) -> float:
    period = settings.get("period_s", PERIOD_S)
    stall = settings.get("stall_s")
    if isinstance(stall, int | float) and stall > 0:
        period = min(period, stall / LOOKS_PER_STALL)
    return max(float(period), SHORTEST_PERIOD_S)
