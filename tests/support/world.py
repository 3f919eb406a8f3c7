"""A supervisor in this process, with a runtime without processes: everything else is real, down to the files."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from logist_core.api import (
    AgentContext,
    Claim,
    ExitStatus,
    JobSpec,
    Last,
    LaunchSpec,
    Outcome,
    OutputFormat,
    PatternSet,
    PluginUnavailable,
    Readiness,
    Rule,
    Signal,
    Source,
    Verdict,
)
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.supervise.clocks import Clocks
from logist_core.supervise.daemon import Supervisor
from logist_core.testing.fake_runtime import FakeRuntime
from logist_core.types.job import JobEvent, JobStatus
from logist_core.types.watch import Level, Observation


@dataclass
class ScriptedAgent:
    """An agent that does what the test says."""

    launch: dict[str, Any] = field(default_factory=dict)
    judged: Outcome | None = None
    resumable: bool = True
    plans: list[str] = field(default_factory=list)
    plan_error: Exception | None = None
    outcome_error: Exception | None = None
    seen: list[Sequence[Signal]] = field(default_factory=list)

    def plan(self, job: JobSpec, ctx: AgentContext) -> LaunchSpec:
        self.plans.append("plan")
        if self.plan_error is not None:
            raise self.plan_error
        return LaunchSpec(argv=("fake",), cwd="/", output=OutputFormat.JSON_LINES, **self.launch)

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        if '"done"' in line:
            return [Signal(claim=Claim.COMPLETED, source=Source.EVENT, rule="scripted:done", text=line, final=True)]
        if '"session"' in line:
            return [Signal(claim=None, source=Source.EVENT, rule="scripted:session", fields={"session_id": "s-1"})]
        return [Signal(claim=Claim.WORKING, source=Source.EVENT, rule="scripted:any", text=line)]

    def resume(self, job: JobSpec, ctx: AgentContext, last: Last) -> LaunchSpec | None:
        self.plans.append(f"resume {last.session_id} {last.prompt}")
        return LaunchSpec(argv=("fake", "resume"), cwd="/", output=OutputFormat.JSON_LINES) if self.resumable else None

    def outcome(self, exit: ExitStatus, signals: Sequence[Signal]) -> Outcome | None:
        self.seen.append(signals)
        if self.outcome_error is not None:
            raise self.outcome_error
        return self.judged

    def probe(self, ctx: AgentContext) -> Readiness:
        return Readiness(installed=True)

    def unstick(self) -> bytes | None:
        return b"\x1b"


@dataclass
class ScriptedSentinel:
    """Says, once the test has put it there, the next verdict of `verdicts`."""

    verdicts: list[Verdict] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)

    def initial(self) -> Mapping[str, Any]:
        return {}

    def step(self, state: Mapping[str, Any], observation: Observation) -> tuple[Mapping[str, Any], Verdict]:
        self.observations.append(observation)
        return state, self.verdicts.pop(0) if self.verdicts else Verdict(level=Level.ACTIVE)

    def settings(self) -> Mapping[str, Any]:
        return {"period_s": 0.25}


@dataclass
class ScriptedRegistry:
    """The three plugins above, under their names, and the events that hooks were told of."""

    agent: ScriptedAgent = field(default_factory=ScriptedAgent)
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    sentinel: ScriptedSentinel = field(default_factory=ScriptedSentinel)
    missing: set[str] = field(default_factory=set)
    installed_since: ScriptedRegistry | None = None
    told: list[tuple[str, str]] = field(default_factory=list)

    def create(self, kind: str, name: str, settings: Mapping[str, Any]) -> Any:
        if kind in self.missing:
            raise PluginUnavailable(f"no {kind} named {name} is installed", hint=f"pip install logist-{kind}-{name}")
        return getattr(self, kind)

    def patterns(self) -> tuple[PatternSet, ...]:
        rule = Rule(id="any/limit", claim=Claim.RATE_LIMITED, regex="usage limit reached", literals=("usage limit",))
        return (PatternSet(name="scripted", rules=(rule,)),)

    def rediscovered(self) -> ScriptedRegistry:
        return self.installed_since or self

    def wants_job_events(self) -> bool:
        return True

    def job_event(self, event: JobEvent, status: JobStatus) -> None:
        self.told.append((status.id, event.kind))


@dataclass
class World:
    """One home, its store, the scripted plugins, and a supervisor that can die and come back."""

    home: Home
    store: JobStore
    registry: ScriptedRegistry
    max_jobs: int = 4
    supervisor: Supervisor | None = None
    task: asyncio.Task[None] | None = None
    clocks: Clocks | None = None

    def submit(self, **fields: Any) -> str:
        spec = JobSpec(
            id=new_id(),
            agent="scripted",
            runtime="fake",
            sentinel="scripted",
            cwd="/",
            created_at=time.time(),
            **fields,
        )
        self.store.create(spec, {"HOME": "/"})
        self.poke()
        return spec.id

    def poke(self, job_id: str = "") -> None:
        if self.supervisor is not None:
            self.supervisor._retake(job_id)

    def directory(self, job_id: str, attempt: int = 1) -> str:
        return str(self.store.attempt_dir(job_id, attempt))

    def say(self, job_id: str, text: str, attempt: int = 1) -> None:
        self.registry.runtime.say(self.directory(job_id, attempt), text)

    def end(self, job_id: str, code: int | None = 0, attempt: int = 1, *, vanish: bool = False) -> None:
        exit = None if vanish else ExitStatus(code=code, ended_at=time.time(), source="fake")
        self.registry.runtime.end(self.directory(job_id, attempt), exit)

    def kinds(self, job_id: str) -> list[str]:
        return [event.kind for event in self.store.events(job_id)]

    async def start(self) -> None:
        ready = asyncio.Event()
        self.supervisor = Supervisor(
            self.home,
            self.store,
            self.registry,
            max_jobs=self.max_jobs,
            idle_s=None,
            ready=ready.set,  # type: ignore[arg-type]
            clocks=self.clocks,
        )
        self.task = asyncio.create_task(self.supervisor.run())
        waiter = asyncio.create_task(ready.wait())
        await asyncio.wait({self.task, waiter}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        waiter.cancel()
        assert ready.is_set(), self.task

    async def leave(self) -> None:
        assert self.supervisor is not None and self.task is not None
        self.supervisor.leave()
        await asyncio.wait_for(self.task, 10)
        self.supervisor = None

    async def die(self) -> None:
        """Let the supervisor end as abruptly as a task can."""
        assert self.supervisor is not None and self.task is not None
        for task in self.supervisor._tasks.values():
            task.cancel()
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self.supervisor = None

    async def until(self, job_id: str, condition: Callable[[JobStatus], object], within_s: float = 10.0) -> JobStatus:
        await true_at_last(lambda: condition(self.store.status(job_id)), within_s)
        return self.store.status(job_id)

    async def running(self, job_id: str) -> JobStatus:
        return await self.until(job_id, lambda s: s.lifecycle.value == "running")

    async def ended(self, job_id: str) -> JobStatus:
        return await self.until(job_id, lambda s: s.lifecycle.ended)


async def true_at_last(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Return once `condition` holds; fail after `within_s`."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.01)
