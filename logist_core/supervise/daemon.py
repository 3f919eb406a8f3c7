"""The supervisor: one process for each home that admits, launches, watches and settles. Its death harms nothing.

Invariant: everything it knows is in the jobs' directories; what it holds in memory is a cache of them, and a new
supervisor that takes stock of the same directories goes on exactly where this one was.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
import socket
import sys
import time
from collections import ChainMap
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import logist_core
from logist_core import platform
from logist_core.errors import LogistError
from logist_core.jobs.ids import is_id
from logist_core.jobs.survey import complete_index, ended, living
from logist_core.supervise import singleton
from logist_core.supervise.admit import admit
from logist_core.supervise.attempt import AttemptWatch, Surroundings
from logist_core.supervise.brief import is_over_soon, settle_brief, start
from logist_core.supervise.changes import Changes
from logist_core.supervise.client import BUSY, READY, supervisor_command
from logist_core.supervise.clocks import Clocks, wait_left_s
from logist_core.supervise.deaths import FEW, Deaths
from logist_core.supervise.environment import respawn_environment
from logist_core.supervise.fleet import Fleet
from logist_core.supervise.hooks import Hooks
from logist_core.supervise.interventions import Interventions
from logist_core.supervise.limits import USUAL_PACE, Pace
from logist_core.supervise.plugins import Caller, Plugins
from logist_core.supervise.reconcile import Reconciled, reconcile
from logist_core.types.job import JobEvent, JobStatus, Lifecycle
from logist_core.types.launch import Respawn

if TYPE_CHECKING:
    from logist_core.jobs.home import Home
    from logist_core.jobs.store import JobStore
    from logist_core.protocols import Watch
    from logist_core.registry import Registry

log = logging.getLogger("logist.supervisor")

WRITER = "supervisor"
#: A poke can be lost with the process that sent it; so often the directories are looked at anyway.
SWEEP_S = 30.0
#: A supervisor that was started on demand leaves when there was nothing to do for so long.
IDLE_S = 60.0
#: So many pokes at once may have filled the socket's queue (10 datagrams on Linux), and others have been lost.
MANY_POKES = 8
#: Jobs whose attempts are taken stock of at the same time.
STOCK_TAKING_WIDTH = 16
#: Launching blocks a thread for a plan and a start; the rest of the machine has work to do too.
LAUNCH_WIDTH = 8
#: Pokes taken in before anything else is looked at.
POKES_AT_ONCE = 256
#: A job that fails in our hands (its files can't be read, say) is tried again, ever less often.
FIRST_BENCH_S = 1.0
LONGEST_BENCH_S = 60.0
_NEEDS_NOBODY = frozenset({Lifecycle.HELD})


class Supervisor:
    """The event loop's side of a supervisor. Create it, then await `run` while holding the lock."""

    def __init__(
        self,
        home: Home,
        store: JobStore,
        registry: Registry,
        *,
        max_jobs: int,
        idle_s: float | None,
        ready: Callable[[], None] = lambda: None,
        clocks: Clocks | None = None,
        replaced: Callable[[], bool] = lambda: False,
        pace: Pace = USUAL_PACE,
        interventions_per_hour: int = 5,
    ) -> None:
        """Supervise `home`.

        Args:
            home: The home, already open.
            store: Its jobs.
            registry: The plugins.
            max_jobs: How many jobs may be starting or running at once.
            idle_s: Leave after so many seconds without work; None: stay.
            ready: Called when stock has been taken and pokes are heard.
            clocks: For tests.
            pace: How patient to be with limits.
            interventions_per_hour: How often sentinels may act, on all jobs together.
            replaced: Says that another supervisor serves this home now: this one leaves to it.
        """
        self._home, self._store, self._registry = home, store, registry
        self._max_jobs, self._idle_s, self._ready = max_jobs, idle_s, ready
        self._clocks = clocks or Clocks()
        self._replaced = replaced
        self._interventions = Interventions(home.path, interventions_per_hour, self._clocks.wall)
        self._fleet = Fleet(pace, self._clocks.wall)
        self._plugins = Plugins(registry)
        self._caller = Caller()
        self._jobs: dict[str, JobStatus] = {}  # those that have not ended
        self._read_bytes: dict[str, int] = {}  # how long the journals were from which `_jobs` was read
        self._ended: dict[str, Lifecycle] = {}  # for --after
        self._waits: dict[str, JobEvent] = {}  # what each waiting job waits for
        self._watches: dict[str, AttemptWatch] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stale: set[str] = set()
        self._failures: dict[str, int] = {}  # in a row, of launching or watching a job
        self._benched: set[str] = set()  # jobs that failed so and are left alone for a while
        self._wake = asyncio.Event()
        self.leaving = False
        self._hooks = Hooks(store, registry, self._caller)
        self._launching = asyncio.Semaphore(LAUNCH_WIDTH)
        self._respawn = Respawn(
            argv=supervisor_command(home.path),
            env=respawn_environment(os.environ),
            lock=str(singleton.lock_path(home.path)),
        )

    def leave(self) -> None:
        """Leave soon. Jobs run on."""
        self.leaving = True
        self._wake.set()

    async def run(self) -> None:
        """Supervise until `leave`, or until there was nothing to do for long enough."""
        with contextlib.closing(_bind(self._home.path)) as sock:
            loop = asyncio.get_running_loop()
            # The usual one has six threads on two cores: eight starts would keep all journals waiting.
            loop.set_default_executor(ThreadPoolExecutor(2 * LAUNCH_WIDTH, thread_name_prefix="logist-jobs"))
            loop.add_reader(sock.fileno(), self._hear, sock)
            try:
                async with Changes() as changes:
                    self._around = Surroundings(
                        store=self._store,
                        plugins=self._plugins,
                        caller=self._caller,
                        changes=changes,
                        clocks=self._clocks,
                        committed=self._committed,
                        fleet=self._fleet,
                        deaths=Deaths(self._running),
                        allowance=self._interventions.take,
                    )
                    await self._take_stock()
                    self._announce(sock)
                    indexing = asyncio.create_task(self._complete_index(), name="index")
                    await self._supervise()
                    await self._stop_watching()
                    await indexing
            finally:
                loop.remove_reader(sock.fileno())
                if not self._replaced():  # else they are the other's
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(sock.getsockname())
                    singleton.remove_record(self._home.path)
                self._hooks.close()
                self._caller.close()

    def _announce(self, sock: socket.socket) -> None:
        pid = os.getpid()
        singleton.write_record(
            self._home.path,
            singleton.SupervisorRecord(
                pid=pid,
                start=platform.process_start(pid),
                boot_id=platform.boot_id(),
                socket=sock.getsockname(),
                max_jobs=self._max_jobs,
                started_at=time.time(),
                version=logist_core.__version__,
            ),
        )
        self._ready()

    # What there is

    async def _take_stock(self) -> None:
        self._ended = ended(self._store)
        self._sweep()
        gate = asyncio.Semaphore(STOCK_TAKING_WIDTH)

        async def look(job_id: str) -> None:
            async with gate:
                try:
                    found = await asyncio.to_thread(self._reconcile, job_id)
                    self._committed(found.status)
                except Exception:  # a job that can't be read must not keep the others waiting
                    log.exception("job %s could not be looked at", job_id)

        await asyncio.gather(*(look(job_id) for job_id in list(self._jobs)))
        await asyncio.to_thread(self._drop_left_environments, list(self._ended))

    def _running(self) -> int:
        return sum(1 for job in self._jobs.values() if job.lifecycle is Lifecycle.RUNNING)

    def _reconcile(self, job_id: str) -> Reconciled:
        # Of many, those that are gone without a trace are left to their watches, which can doubt it.
        doubtful = self._running() >= FEW
        return reconcile(
            self._store, self._plugins, job_id, writer=WRITER, fleet=self._fleet, settle_vanished=not doubtful
        )

    def _drop_left_environments(self, ended: list[str]) -> None:
        """Forget the environments of ended jobs: a supervisor may have died between a job's end and doing so."""
        for job_id in ended:
            with contextlib.suppress(LogistError, OSError):
                if self._store.environment(job_id) is None:
                    continue
                with self._store.transaction(job_id, WRITER) as tx:  # a retry brings its own, under this lock
                    if tx.status.lifecycle.ended:
                        self._store.drop_environment(job_id)

    async def _complete_index(self) -> None:
        """Note ended jobs that the index doesn't know: it was deleted, or a command died before it had noted one."""
        with contextlib.suppress(LogistError, OSError):  # a cache
            await asyncio.to_thread(complete_index, self._store, lambda: not self.leaving)

    def _sweep(self) -> None:
        """Look at every job that isn't known to have ended."""
        for job_id in self._store.ids():
            if job_id not in self._ended:
                self._refresh(job_id)

    def _refresh(self, job_id: str) -> None:
        try:
            size = self._store.journal_bytes(job_id)
            if size is None or size != self._read_bytes.get(job_id):
                self._note(self._store.status(job_id))
                if size is not None and job_id in self._jobs:
                    self._read_bytes[job_id] = size  # taken before it was read: at worst it is read once more
        except LogistError as error:
            self._waits.pop(job_id, None)
            self._read_bytes.pop(job_id, None)
            if self._jobs.pop(job_id, None) is not None:
                log.warning("job %s is left alone: %s", job_id, error)

    def _note(self, status: JobStatus) -> None:
        self._fleet.note(status)
        if status.lifecycle is not Lifecycle.WAITING:
            self._waits.pop(status.id, None)
        elif self._jobs.get(status.id) != status:
            with contextlib.suppress(LogistError):  # removed just now
                waits = [event for event in self._store.events(status.id) if event.kind == "job.waiting"]
                self._waits[status.id] = waits[-1]
        if status.lifecycle.ended:
            self._jobs.pop(status.id, None)
            self._read_bytes.pop(status.id, None)
            self._ended[status.id] = status.lifecycle
        else:
            self._jobs[status.id] = status
            self._ended.pop(status.id, None)

    def _committed(self, status: JobStatus) -> None:
        """Take in what somebody in this process wrote to a journal."""
        ended_now = status.lifecycle.ended and status.id in self._jobs
        self._read_bytes.pop(status.id, None)  # what was read may be newer than what was committed by us
        self._note(status)
        self._hooks.deliver(status.id)
        if ended_now:
            with contextlib.suppress(LogistError, OSError):
                self._store.drop_environment(status.id)
        self._let_go_on(status)
        self._wake.set()

    def _let_go_on(self, shown_by: JobStatus) -> None:
        """Let those jobs go on that waited for something which `shown_by` shows to be over, one after another."""
        for nth, job_id in enumerate(self._fleet.proven(shown_by)):
            if job_id not in self._tasks:
                due = self._clocks.wall() + nth * self._fleet.pace.gap_s
                self._spawn(job_id, asyncio.to_thread(self._release, job_id, due, shown_by.id))

    def _release(self, job_id: str, due: float, shown_by: str) -> None:
        with self._store.transaction(job_id, WRITER) as tx:
            status = tx.status
            if status.lifecycle is Lifecycle.HELD:
                tx.append("job.released", by=f"job {shown_by} got through")
            elif status.lifecycle is Lifecycle.WAITING and due < (status.not_before or 0.0):
                reason = f"job {shown_by} got through"
                resume, prompt = status.resume, status.resume_prompt
                tx.append("job.waiting", not_before=due, reason=reason, resume=resume, prompt=prompt)

    def _hear(self, sock: socket.socket) -> None:
        """Take in pokes: a job's id, or nothing for a look at everything; anything else says nothing.

        A bounded number at once: whoever floods the socket must not keep us from our work.
        """
        heard = 0
        with contextlib.suppress(BlockingIOError):
            for _ in range(POKES_AT_ONCE):
                text = sock.recv(128).decode("ascii", "replace")
                heard += 1
                if not text or is_id(text):
                    self._stale.add(text)
                    self._wake.set()
        if heard >= MANY_POKES:
            self._stale.add("")
            self._wake.set()

    # What to do

    async def _supervise(self) -> None:
        sweep_at = time.monotonic() + SWEEP_S
        busy_at = time.monotonic()
        while not self.leaving:
            if self._replaced():
                log.warning("the lock's file was removed, and another supervisor has taken over")
                self.leave()
                break
            self._wake.clear()
            if time.monotonic() >= sweep_at:
                self._stale.add("")
                sweep_at = time.monotonic() + SWEEP_S
            self._look_at_stale()
            wake_at = await self._admit()
            if any(job.lifecycle not in _NEEDS_NOBODY for job in self._jobs.values()) or self._tasks:
                busy_at = time.monotonic()
            elif self._idle_s is not None and time.monotonic() - busy_at >= self._idle_s:
                break
            pause = sweep_at - time.monotonic()
            if wake_at is not None:
                pause = min(pause, wake_at - self._clocks.wall())
            if self._idle_s is not None:
                pause = min(pause, busy_at + self._idle_s - time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, 0.01)):
                    await self._wake.wait()

    def _look_at_stale(self) -> None:
        stale, self._stale = self._stale, set()
        if "" in stale:
            self._sweep()
        for job_id in stale - {""}:
            self._refresh(job_id)
            self._hooks.deliver(job_id)
            watch = self._watches.get(job_id)
            if watch is not None:
                watch.poke()

    async def _admit(self) -> float | None:
        """Start what may start, adopt what runs unwatched; return when the next waiting job is due."""
        for job_id, job in list(self._jobs.items()):
            if job.lifecycle in _STARTED and job_id not in self._tasks and job_id not in self._benched:
                self._spawn(job_id, self._adopt(job_id))
        for job in list(self._jobs.values()):
            if job.lifecycle is Lifecycle.RUNNING:
                self._let_go_on(job)
        waits_s = {job_id: wait_left_s(event, self._clocks) for job_id, event in self._waits.items()}
        waiting_to_start = {i for i in self._tasks if i in self._jobs and self._jobs[i].lifecycle in _STARTABLE}
        startable = self._startable(waiting_to_start, waits_s)
        gates = {i: gate for i in startable if (gate := self._fleet.known(self._jobs[i]))}
        not_now = waiting_to_start | self._benched | gates.keys()
        admission = admit(
            [job for i, job in self._jobs.items() if i not in not_now],
            max_jobs=self._max_jobs - len(waiting_to_start),
            now=self._clocks.wall(),
            known=ChainMap(self._ended, {i: job.lifecycle for i, job in self._jobs.items()}),
            waits_s=waits_s,
        )
        for job_id, reason in admission.refuse:
            await asyncio.to_thread(self._refuse, job_id, reason)
        for job_id in admission.start:
            self._spawn(job_id, self._launch_and_watch(job_id))
        due = [admission.wake_at, *(gate.until for gate in gates.values())]
        return min((at for at in due if at is not None), default=None)

    def _startable(self, waiting_to_start: set[str], waits_s: Mapping[str, float]) -> list[str]:
        """Return the jobs that only their account can keep from starting."""
        now = self._clocks.wall()
        return [
            i
            for i, job in self._jobs.items()
            if i not in waiting_to_start
            and (
                job.lifecycle is Lifecycle.QUEUED
                or (job.lifecycle is Lifecycle.WAITING and waits_s.get(i, (job.not_before or 0.0) - now) <= 0)
            )
        ]

    def _refuse(self, job_id: str, reason: str) -> None:
        with self._store.transaction(job_id, WRITER) as tx:
            if tx.status.lifecycle in _STARTABLE:
                tx.append("job.finished", lifecycle="cancelled", outcome="cancelled", reason=reason)
            status = tx.status
        self._committed(status)

    def _spawn(self, job_id: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name=job_id)
        self._tasks[job_id] = task
        task.add_done_callback(lambda done: self._done(job_id, done))

    def _done(self, job_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(job_id, None)
        self._watches.pop(job_id, None)
        if task.cancelled() or task.exception() is None:
            self._failures.pop(job_id, None)
            self._retake(job_id)
            return
        failures = self._failures[job_id] = self._failures.get(job_id, 0) + 1
        pause_s = min(FIRST_BENCH_S * 2.0 ** min(failures - 1, 16), LONGEST_BENCH_S)
        log.error("job %s failed here; it is taken up again in %g s", job_id, pause_s, exc_info=task.exception())
        self._benched.add(job_id)
        asyncio.get_running_loop().call_later(pause_s, self._unbench, job_id)

    def _unbench(self, job_id: str) -> None:
        self._benched.discard(job_id)
        self._retake(job_id)

    def _retake(self, job_id: str) -> None:
        self._stale.add(job_id)
        self._wake.set()

    async def _launch_and_watch(self, job_id: str) -> None:
        watch: Watch | None = None
        async with self._launching:
            try:
                status, watch = await asyncio.to_thread(
                    start, self._store, self._plugins, job_id, self._respawn, self._fleet, writer=WRITER
                )
                self._committed(status)
            except Exception:
                status = self._store.status(job_id)
                if status.lifecycle in _STARTABLE:
                    raise
                # Whether it runs is open now, and the runtime is asked; nothing is launched again blindly.
                log.exception("the launch of job %s failed", job_id)
                self._committed(status)
        if watch is not None and await is_over_soon(watch):
            watch.close()
            watch = None
            self._committed(
                await asyncio.to_thread(settle_brief, self._store, self._plugins, job_id, self._fleet, writer=WRITER)
            )
        await self._adopt(job_id, watch)

    async def _adopt(self, job_id: str, watch: Watch | None = None) -> None:
        """Find out how a started attempt stands, and watch it while it runs, with `watch` where one is open."""
        status = self._jobs.get(job_id)
        if status is not None and status.lifecycle is Lifecycle.STARTING:
            found = await asyncio.to_thread(self._reconcile, job_id)
            self._committed(found.status)
            status = found.status
        if status is not None and status.lifecycle is Lifecycle.RUNNING:
            attempt = self._watches[job_id] = AttemptWatch(self._around, self._store.spec(job_id), status, watch)
            await attempt.run()
        elif watch is not None:
            watch.close()

    async def _stop_watching(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await self._hooks.drain()


_STARTABLE = (Lifecycle.QUEUED, Lifecycle.WAITING)
_STARTED = (Lifecycle.STARTING, Lifecycle.RUNNING)


def _bind(home: Path) -> socket.socket:
    """Return the bound datagram socket for pokes. Its path is short: such paths have about 100 bytes."""
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    path = platform.runtime_dir() / f"supervisor-{name}.sock"
    path.unlink(missing_ok=True)  # we hold the lock: whoever bound it is dead
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(str(path))
    return sock


def run(
    home: Home,
    *,
    max_jobs: int | None,
    on_demand: bool,
    idle_s: float = IDLE_S,
    pace: Pace = USUAL_PACE,
    interventions_per_hour: int = 5,
) -> int:
    """Supervise `home` in this process until it is told to leave; return an exit code.

    Args:
        home: The home, already open.
        max_jobs: How many jobs at once; None: as many as there are cores.
        on_demand: Started by a command: leave when idle, and say READY or BUSY on standard output.
        idle_s: See `IDLE_S`.
        pace: How patient to be with limits.
        interventions_per_hour: How often sentinels may act, on all jobs together.
    """
    from logist_core.jobs.store import JobStore
    from logist_core.registry import Registry

    _log_to_stderr(home)
    store, registry = JobStore(home), Registry.discover()
    while True:
        # Whoever was started on demand has no reason to queue up behind a living supervisor; the little patience is
        # for one that was killed while a child of its own, not yet executing, still held the lock.
        lock = singleton.acquire(home.path, patience_s=0.2 if on_demand else 2.0)
        if lock is None:
            if not on_demand:
                raise LogistError("another supervisor serves this home", hint="logist supervise --status")
            _say(BUSY)
            return 0
        platform.conceal_process()  # it will hold jobs' environments, secrets among them
        supervisor = Supervisor(
            home,
            store,
            registry,
            max_jobs=max_jobs or default_max_jobs(),
            idle_s=idle_s if on_demand else None,
            ready=(lambda: _say(READY)) if on_demand else (lambda: None),
            pace=pace,
            interventions_per_hour=interventions_per_hour,
            replaced=partial(singleton.is_replaced, home.path, lock),
        )
        try:
            asyncio.run(_until_told(supervisor))
        finally:
            os.close(lock)
        # A job that was submitted between our last look and the release of the lock found a supervisor, and no
        # longer has one: look once more without the lock.
        if supervisor.leaving or not _has_work(store):
            return 0


def default_max_jobs() -> int:
    """Return how many jobs run at once where nobody said: one for each core that we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def _until_told(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, supervisor.leave)
    await supervisor.run()


def _has_work(store: JobStore) -> bool:
    return any(s.lifecycle not in _NEEDS_NOBODY for s in living(store))


def _say(word: bytes) -> None:
    """Tell whoever started us, who may be gone, and let go of the pipe."""
    with contextlib.suppress(OSError):
        os.write(1, word)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)


def _log_to_stderr(home: Home) -> None:
    """Log to standard error, which `ensure_supervisor` makes the home's supervisor.log; begin it anew at 1 MiB."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )
    path = home.path / "supervisor.log"
    with contextlib.suppress(OSError):
        if path.stat().st_size > 1 << 20 and os.fstat(2).st_ino == path.stat().st_ino:
            os.truncate(path, 0)
