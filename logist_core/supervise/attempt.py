"""Watches one running attempt from launch, or from re-adoption, to its settled end.

One round: read what is new, write down what changed, look whether it still runs, obey stops and limits, let the
sentinel judge. Between rounds it sleeps until something happens or the next deadline.

Invariant: every act (stop, interrupt, keys) is in the journal, with its reason, before it is done; a supervisor
that dies between the two leaves an intent that the next one carries out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from logist_core.errors import CorruptRecord, LogistError
from logist_core.supervise.budgets import used_up
from logist_core.supervise.clocks import Clocks, attempt_began_awake_s
from logist_core.supervise.planfile import PLAINEST, load_plan
from logist_core.supervise.plugins import Caller, Plugins
from logist_core.supervise.reconcile import OBSERVER_FILE, PROBED, handle_of, open_observer, set_conditions
from logist_core.supervise.redact import secrets_of
from logist_core.supervise.sentinel_loop import SentinelLoop, remedies_for
from logist_core.supervise.settle import OVER_BUDGET, SENTINEL_RESUME, SENTINEL_STOP, TIMING_OUT, report_usage, settle
from logist_core.types._json import plain
from logist_core.types.job import Budget, JobSpec, JobStatus, Lifecycle
from logist_core.types.launch import KILL_NOW, Probe, ProbeState, RuntimeHandle, StopLadder

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.jobs.transaction import Transaction
    from logist_core.observe.observer import Observer
    from logist_core.protocols import Agent, Runtime, Watch
    from logist_core.supervise.changes import Changes
    from logist_core.supervise.deaths import Deaths
    from logist_core.supervise.fleet import Fleet

WRITER = "supervisor"

#: How often a runtime is probed: with a watch that tells of changes, ever less often while nothing changes, and
#: without one.
PROBE_WATCHED_S = 10.0
PROBE_WATCHED_MOST_S = 640.0
PROBE_UNWATCHED_S = 1.0
#: Rounds that follow one another at once are kept apart, so that a flood costs bounded work.
MIN_ROUND_S = 0.05
#: Checkpoints are caches: losing one costs reading some output again.
CHECKPOINT_S = 2.0
#: What an agent has used is written down so often, and at its end.
USAGE_S = 60.0
#: A budget is looked at so often.
BUDGET_S = 1.0
#: No plugin call may hold a round for longer.
CALL_S = 30.0
#: A stop lasts as long as its ladder, and this much on top before it is tried again.
STOP_MARGIN_S = 30.0
#: Bytes of output read in one round: a flood must not keep the round from looking at anything else.
MOST_BYTES_A_ROUND = 8 << 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an attempt's watch needs of its supervisor."""

    store: JobStore
    plugins: Plugins
    caller: Caller
    changes: Changes
    clocks: Clocks
    committed: Callable[[JobStatus], None]
    fleet: Fleet
    deaths: Deaths
    allowance: Callable[[], str | None] = lambda: None


class AttemptWatch:
    """The watch over one attempt. Create it when the attempt is known to run, then await `run`."""

    def __init__(self, around: Surroundings, spec: JobSpec, status: JobStatus, watch: Watch | None = None) -> None:
        """Watch the current attempt of a job.

        Args:
            around: See `Surroundings`.
            spec: The job.
            status: How it stands.
            watch: The runtime's watch over the attempt where one is open already; it is closed at the end.
        """
        self._around = around
        self._spec = spec
        self._wake = asyncio.Event()
        self._status = status
        self._probe_now = True
        self._watch = watch
        self._stopping: asyncio.Task[None] | None = None
        self._stop_mode: str | None = None
        self._journal_size = -1
        self._checkpoint_at = 0.0
        self._checkpointed_bytes = -1
        self._probe_at = 0.0
        self._probe_pause_s = PROBE_WATCHED_S / 2
        self._usage_at = 0.0
        self._budget_at = 0.0
        self._limited = spec.budget != Budget(on_budget=spec.budget.on_budget)

    def poke(self) -> None:
        """Look again soon: something about the job changed."""
        self._wake.set()

    async def run(self) -> JobStatus:
        """Watch until the attempt is settled; return the job's status after that."""
        around, spec = self._around, self._spec
        handle = handle_of(self._status)
        assert handle is not None, self._status
        self._handle: RuntimeHandle = handle
        self._runtime: Runtime = around.plugins.runtime(spec)
        self._agent: Agent | None = around.plugins.agent_or_none(spec)
        self._directory = around.store.attempt_dir(spec.id, self._status.attempt)
        try:
            self._plan = load_plan(str(self._directory))
        except CorruptRecord:
            self._plan = PLAINEST
        self._secrets = secrets_of(around.store, spec, self._plan)
        events = around.store.events(spec.id)
        self._began_s = attempt_began_awake_s(events, self._status.attempt, around.clocks)
        self._observer: Observer | None = await around.caller.run(
            "the dictionary", CALL_S, open_observer, around.store, around.plugins, spec, self._status
        )
        attempts = self._status.attempts
        before = str(around.store.attempt_dir(spec.id, attempts[-2].number)) if attempts[-1].resumed else None
        self._sentinel = SentinelLoop(
            around.plugins, spec, str(self._directory), before, events, around.allowance, self._secrets.scrub
        )
        subscriptions = self._subscribe()
        if self._watch is not None:
            asyncio.get_running_loop().add_reader(self._watch.fileno(), self._watch_fired)
        try:
            while True:
                probe = await self._round()
                if probe is not None:
                    return await self._settle(probe)
                await self._sleep()
        finally:
            for unsubscribe in subscriptions:
                unsubscribe()
            self._close_watch()
            if self._stopping is not None:
                self._stopping.cancel()
            self._save_checkpoint()

    # The round

    async def _round(self) -> Probe | None:
        """Do one round; return the probe that says that the attempt ended, or None."""
        self._reload_status()
        await self._observe()
        ended = await self._probe()
        if ended is not None:
            return ended
        await self._obey()
        await self._judge()
        if self._now_s() >= self._checkpoint_at:
            self._save_checkpoint()
        return None

    async def _sleep(self) -> None:
        behind = self._observer is not None and not self._observer.caught_up
        deadlines = [self._probe_at, self._sentinel.due_s]
        if self._limited and OVER_BUDGET not in self._status.conditions:
            deadlines.append(self._budget_at)
        if self._spec.timeout_s is not None:
            deadlines.append(self._spec.timeout_s)
        wall = self._around.clocks.wall()
        changes_at = None if self._observer is None else self._observer.next_change(wall)
        if changes_at is not None:
            deadlines.append(self._now_s() + changes_at - wall)
        pause = 0.0 if behind else max(min(d for d in deadlines) - self._now_s(), MIN_ROUND_S)
        # Not wait_for: before Python 3.12 it can swallow a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()
        if not behind and not self._probe_now:
            await asyncio.sleep(MIN_ROUND_S)  # gather what comes together; an end comes once
        self._wake.clear()

    def _now_s(self) -> float:
        return max(self._around.clocks.awake() - self._began_s, 0.0)

    # Input: journal, output, runtime

    def _subscribe(self) -> list[Callable[[], None]]:
        changes, store, job_id = self._around.changes, self._around.store, self._spec.id
        subscriptions = []
        for directory in (self._directory, store.job_dir(job_id)):
            with contextlib.suppress(OSError):  # removed under us: the probe will tell
                subscriptions.append(changes.subscribe(str(directory), self._wake.set))
        return subscriptions

    def _reload_status(self) -> None:
        try:
            size = os.stat(self._around.store.journal_path(self._spec.id)).st_size
        except FileNotFoundError:
            return  # the job's directory was removed while it ran: what we know stands
        if size != self._journal_size:
            self._status = self._around.store.status(self._spec.id)
            self._journal_size = size

    async def _observe(self) -> None:
        observer = self._observer
        if observer is None:
            return
        before = observer.output_bytes
        while True:
            await self._around.caller.run("the observer", CALL_S, observer.feed, self._around.clocks.wall())
            if observer.caught_up or observer.output_bytes - before >= MOST_BYTES_A_ROUND:
                break
        self._sentinel.note_read(observer, self._around.clocks.wall())
        activity = observer.activity(self._around.clocks.wall())
        new_session = observer.session_id is not None and observer.session_id != self._status.session_id
        problems = list(observer.problems)
        observer.problems.clear()
        used = self._status.attempts[-1].usage != observer.usage and self._now_s() >= self._usage_at
        if used:
            self._usage_at = self._now_s() + USAGE_S
        if problems or new_session or used or activity.state != self._status.activity.state:

            def write() -> JobStatus:
                with self._transaction("observer") as tx:
                    if tx.status.lifecycle is Lifecycle.RUNNING:
                        for problem in problems:
                            tx.append("plugin.fault", kind="agent", name=self._spec.agent, reason=problem)
                        if new_session:
                            tx.append("session.seen", session_id=observer.session_id)
                        report_usage(tx, observer.usage)
                        if activity.state != tx.status.activity.state:
                            tx.append("activity.changed", **plain(activity))
                    return tx.status

            await self._commit(write)

    async def _probe(self) -> Probe | None:
        if not self._probe_now and self._now_s() < self._probe_at:
            return None
        self._probe_now = False
        if self._watch is None and self._runtime.caps.watch:
            await self._open_watch()  # first: what happens after the probe must find somebody watching
        try:
            probe = await self._around.caller.run(
                f"runtime {self._spec.runtime}: probe", CALL_S, self._runtime.probe, self._handle
            )
        except Exception as error:  # noqa: BLE001 - a runtime plugin may raise anything; the attempt isn't its probe
            probe = Probe(state=ProbeState.UNKNOWN, conditions=("unresponsive",), detail=f"probe: {error}")
        doubt_s = self._around.deaths.doubt_s(self._spec.id, probe, self._around.clocks.awake())
        if doubt_s is not None:
            self._probe_at = self._now_s() + doubt_s
            return None
        if probe.state in (ProbeState.EXITED, ProbeState.GONE):
            return probe
        self._around.deaths.lives(self._spec.id)
        conditions = dict.fromkeys(probe.conditions, probe.detail)
        # The watch tells of deaths. What it can't tell (a stopped pump, say) isn't worth a poll of a thousand jobs.
        quiet = not conditions and self._stopping is None
        self._probe_pause_s = min(self._probe_pause_s * 2, PROBE_WATCHED_MOST_S) if quiet else PROBE_WATCHED_S
        self._probe_at = self._now_s() + (PROBE_UNWATCHED_S if self._watch is None else self._probe_pause_s)
        if PROBED & set(self._status.conditions) != set(conditions):
            await self._commit(lambda: set_conditions(self._around.store, self._spec.id, conditions, writer=WRITER))
        return None

    async def _open_watch(self) -> None:
        with contextlib.suppress(LogistError, OSError):
            watch = await self._around.caller.run("watch", CALL_S, self._runtime.watch, self._handle)
            if watch is not None:
                self._watch = watch
                asyncio.get_running_loop().add_reader(watch.fileno(), self._watch_fired)

    def _watch_fired(self) -> None:
        assert self._watch is not None
        self._probe_now = True
        if not self._watch.drain():
            self._close_watch()
        self._wake.set()

    def _close_watch(self) -> None:
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch.close()
            self._watch = None

    # Output: stops, limits, judgement

    async def _obey(self) -> None:
        timeout_s, conditions = self._spec.timeout_s, set(self._status.conditions)
        if timeout_s is not None and self._now_s() >= timeout_s and TIMING_OUT not in conditions:
            await self._raise_condition(TIMING_OUT, f"the time limit of {timeout_s:g} s ran out")
        await self._keep_to_budget()
        mode = self._status.cancel
        if mode is None and {TIMING_OUT, OVER_BUDGET, SENTINEL_STOP, SENTINEL_RESUME} & set(self._status.conditions):
            mode = "stop"
        if mode is None or (mode == self._stop_mode and self._stopping is not None and not self._stopping.done()):
            return
        if self._stopping is not None:
            self._stopping.cancel()
        self._stop_mode = mode
        self._stopping = asyncio.create_task(self._stop(self._ladder(mode)), name=f"stop {self._spec.id}")

    async def _keep_to_budget(self) -> None:
        if not self._limited or self._now_s() < self._budget_at or OVER_BUDGET in self._status.conditions:
            return
        self._budget_at = self._now_s() + BUDGET_S
        running = self._observer.usage if self._observer is not None else None
        events = self._around.store.events(self._spec.id)
        used = used_up(self._spec.budget, self._status, events, running=running, running_s=self._now_s())
        if used is not None:
            await self._raise_condition(OVER_BUDGET, used)

    def _ladder(self, mode: str) -> StopLadder:
        if mode == "kill":
            return KILL_NOW
        grace_s = next(
            (
                e.data.get("grace_s")
                for e in reversed(self._around.store.events(self._spec.id))
                if e.kind == "job.cancel_requested"
            ),
            None,
        )
        if not isinstance(grace_s, int | float):
            return self._plan.stop
        return StopLadder(steps=tuple(replace(step, grace_s=float(grace_s)) for step in self._plan.stop.steps))

    async def _stop(self, ladder: StopLadder) -> None:
        lasts_s = sum(step.grace_s for step in ladder.steps) + STOP_MARGIN_S
        try:
            await self._around.caller.run(
                f"runtime {self._spec.runtime}: stop", lasts_s, self._runtime.stop, self._handle, ladder
            )
        except Exception as error:  # noqa: BLE001 - see _probe; the next round tries again
            await asyncio.sleep(1.0)
            await self._raise_condition("unkillable", f"stop: {error}")
        self._probe_now = True
        self._wake.set()

    async def _judge(self) -> None:
        if self._observer is None or self._now_s() < self._sentinel.due_s:
            return
        vitals = None
        if self._runtime.caps.stats and self._sentinel.wants_vitals(self._observer):
            with contextlib.suppress(Exception):
                vitals = await self._around.caller.run("stats", CALL_S, self._runtime.stats, self._handle)
        step = await self._around.caller.run(
            "the sentinel",
            CALL_S,
            self._sentinel.step,
            self._observer,
            now_s=self._now_s(),
            wall=self._around.clocks.wall(),
            vitals=vitals,
            status=self._status,
            plan=self._plan,
            remedies=remedies_for(self._agent, self._runtime, self._plan, self._status),
        )
        if step.events:

            def write() -> JobStatus:
                with self._transaction("sentinel") as tx:
                    if tx.status.lifecycle is Lifecycle.RUNNING:
                        for kind, data in step.events:
                            tx.append(kind, **data)
                    return tx.status

            await self._commit(write)
        if step.act is not None:
            with contextlib.suppress(LogistError, OSError):  # recorded as tried; the ladder's next step follows
                await self._around.caller.run(
                    "sentinel's act", CALL_S, step.act, self._runtime, self._handle, self._agent
                )

    async def _raise_condition(self, condition: str, detail: str) -> None:
        def write() -> JobStatus:
            with self._transaction(WRITER) as tx:
                if tx.status.lifecycle is Lifecycle.RUNNING and condition not in tx.status.conditions:
                    tx.append("condition.raised", condition=condition, detail=detail)
                return tx.status

        await self._commit(write)

    async def _settle(self, probe: Probe) -> JobStatus:
        around, spec = self._around, self._spec
        settled = await asyncio.to_thread(
            settle,
            around.store,
            spec,
            probe,
            self._agent,
            self._observer,
            writer=WRITER,
            secrets=self._secrets,
            fleet=around.fleet,
        )
        around.committed(settled.status)
        around.deaths.lives(spec.id)
        with contextlib.suppress(Exception):
            await around.caller.run("forget", CALL_S, self._runtime.forget, self._handle)
        return settled.status

    def _transaction(self, writer: str) -> AbstractContextManager[Transaction]:
        return self._around.store.transaction(self._spec.id, writer, scrub=self._secrets.scrub)

    async def _commit(self, write: Callable[[], JobStatus]) -> None:
        """Run a transaction in a thread and tell the supervisor of it."""
        try:
            self._status = await asyncio.to_thread(write)
        except LogistError:
            if await asyncio.to_thread(os.path.exists, self._around.store.job_dir(self._spec.id)):
                raise
            return  # removed while it ran
        self._around.committed(self._status)

    def _save_checkpoint(self) -> None:
        from logist_core.jobs.atomic import write_json

        self._checkpoint_at = self._now_s() + CHECKPOINT_S
        with contextlib.suppress(OSError, LogistError):  # a cache: a full disk must not end the watch
            if self._observer is not None and self._observer.output_bytes != self._checkpointed_bytes:
                self._checkpointed_bytes = self._observer.output_bytes
                checkpoint = self._secrets.scrub(self._observer.checkpoint())
                write_json(self._directory / OBSERVER_FILE, checkpoint, durable=False)
            self._sentinel.save()
