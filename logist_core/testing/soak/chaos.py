"""The random acts of a soak, the evidence that they leave, and the checks in between.

Invariant: whatever is killed is written down before it is killed, with the job and attempt that it belonged to.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from logist_core.config import Config
from logist_core.errors import CorruptRecord, LogistError
from logist_core.jobs import cache
from logist_core.jobs.fold import fold
from logist_core.jobs.home import Home
from logist_core.jobs.store import STATE, JobStore
from logist_core.protocols import AttachChannel
from logist_core.registry import Registry
from logist_core.supervise import control
from logist_core.supervise.client import ensure_supervisor, notify
from logist_core.supervise.recover import recover
from logist_core.supervise.submit import SubmitRequest, submit
from logist_core.testing.soak import processes
from logist_core.testing.soak.oracle import AttemptEvidence, JobEvidence, Kill, judge
from logist_core.testing.soak.workload import Plan, plan_of, random_plan, read_side
from logist_core.types.job import JobStatus, Lifecycle

#: Jobs that have not ended, at any time.
CROWD = 8
MOST_FOLLOWERS = 3
MOST_CHANNELS = 4
#: After a job's end nothing of it may live for longer than this.
LINGER_LIMIT_S = 15.0
#: After the last fault everything must have ended within so many seconds.
DRAIN_S = 90.0
_LOCKS = {"guard": "shim.lock", "pump": "pump.lock"}


class Violated(Exception):
    """An invariant doesn't hold. Attributes: `job`, the job's id, or an empty text; `text`, one line."""

    def __init__(self, job: str, text: str) -> None:
        super().__init__(text)
        self.job, self.text = job, text


@dataclass(slots=True)
class _Channel:
    channel: AttachChannel
    until: float


@dataclass(slots=True)
class _Seen:
    """What the journal of a job held when it was last looked at."""

    seq: int = 0
    kind: str = ""


@dataclass(slots=True)
class Chaos:
    """One run over one home.

    Attributes:
        home: The home; nothing else may use it.
        rng: Where all that is random comes from.
        counts: What was done, by name.
    """

    home: Home
    rng: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    kills: dict[tuple[str, int], list[Kill]] = field(default_factory=dict)
    _store: JobStore = field(init=False)
    _registry: Registry = field(init=False)
    _sides: Path = field(init=False)
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _judged: dict[str, int] = field(default_factory=dict)
    _ended_at: dict[str, float] = field(default_factory=dict)
    _thaws: list[threading.Timer] = field(default_factory=list)
    _channels: list[_Channel] = field(default_factory=list)
    _followers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _canaries: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _submitted: int = 0
    _kernel_tells: bool = field(default_factory=processes.kernel_tells_exits)

    def __post_init__(self) -> None:
        """Open the store; start nothing yet."""
        self._store = JobStore(self.home)
        self._registry = Registry.discover()
        self._sides = self.home.path.parent / "sides"
        self._sides.mkdir(exist_ok=True)

    # The run

    def run(self, seconds: float, tick: Callable[[], None]) -> None:
        """Do random things for so long, then let everything end, and check all of it.

        Raises:
            Violated: At the first invariant that doesn't hold.
        """
        # Strangers that look like agents of ours: the same names in the environment, another nonce.
        marks = {**os.environ, "LOGIST_JOB": "canary", "LOGIST_NONCE": "0" * 32}
        marks.pop("LOGIST_HOME", None)
        self._canaries = [
            subprocess.Popen(["sleep", "100000"], env=env, start_new_session=True, cwd="/") for env in (marks, {}, {})
        ]
        deadline = time.monotonic() + seconds
        check_at = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            self._act()
            self._tidy()
            if time.monotonic() >= check_at:
                self.check()
                check_at = time.monotonic() + 2.0
            tick()
            time.sleep(self.rng.random() * 0.15)
        self._drain(tick)

    def statuses(self) -> list[JobStatus]:
        """Return how all jobs stand.

        Raises:
            Violated: A job can't be read.
        """
        problems: list[tuple[str, LogistError]] = []
        found = list(self._store.statuses(problems=problems))
        for job, error in problems:
            raise Violated(job, f"it can't be read: {error.message}")
        return found

    def readable(self) -> list[JobStatus]:
        """Return how the jobs stand that can be read at all: for reports."""
        return list(self._store.statuses())

    def _act(self) -> None:
        statuses = self.statuses()
        alive = [status for status in statuses if not status.lifecycle.ended]
        if len(alive) < CROWD and self.rng.random() < 0.7:
            self._guarded("submit", self._submit)
            return
        acts: tuple[tuple[float, str, Callable[[list[JobStatus], list[JobStatus]], None]], ...] = (
            (2, "kill supervisor", lambda *_: self._kill_supervisor()),
            (4, "kill guard", lambda alive, _: self._kill_halves(alive, ("guard",))),
            (4, "kill pump", lambda alive, _: self._kill_halves(alive, ("pump",))),
            (1, "kill guard and pump", lambda alive, _: self._kill_halves(alive, ("guard", "pump"))),
            (1, "kill guard, pump and agent", lambda alive, _: self._kill_halves(alive, ("guard", "pump", "agent"))),
            (2, "kill agent", lambda alive, _: self._kill_halves(alive, ("agent",))),
            (2, "freeze", lambda alive, _: self._freeze(alive)),
            (2, "stop", lambda alive, _: self._stop(alive, "stop")),
            (1, "kill job", lambda alive, _: self._stop(alive, "kill")),
            (2, "retry", lambda _, ended: self._retry(ended)),
            (3, "send", lambda alive, _: self._send(alive)),
            (2, "attach", lambda alive, _: self._attach(alive)),
            (1, "recover", lambda *_: self._recover()),
            (1, "follow", lambda alive, _: self._follow(alive)),
            (0.5, "run in the foreground", lambda *_: self._run_in_foreground()),
            (1, "kill follower", lambda *_: self._kill_follower()),
        )
        (_, name, act) = self.rng.choices(acts, [weight for weight, *_ in acts])[0]
        ended = [status for status in statuses if status.lifecycle.ended]
        self._guarded(name, lambda: act(alive, ended))

    def _guarded(self, name: str, act: Callable[[], None]) -> None:
        """Do something that may come too late: the job ended, its pump just died. Damage is never too late."""
        try:
            act()
        except CorruptRecord as error:
            raise Violated("", f"{name}: {error.message}") from error
        except LogistError as error:
            self.counts[f"refused: {name} ({error.kind})"] += 1
        else:
            self.counts[name] += 1

    # What users do

    def _plan(self) -> Plan:
        self._submitted += 1
        return random_plan(self.rng, self._sides / f"job-{self._submitted}")

    def _submit(self) -> None:
        plan = self._plan()
        request = SubmitRequest(cwd="/", environment=dict(os.environ), agent="command", args=plan.args, pty=plan.pty)
        job = submit(self._store, self._registry, Config.load(Path("/"), os.environ), request).id
        notify(self.home, job, wait_s=0 if self.rng.random() < 0.5 else 20.0)

    def _stop(self, alive: list[JobStatus], mode: str) -> None:
        if alive:
            job = self.rng.choice(alive).id
            control.stop(self._store, job, mode=mode, by="soak", grace_s=self.rng.choice((0.2, 1.0, 3.0)))
            notify(self.home, job, wait_s=0)

    def _retry(self, ended: list[JobStatus]) -> None:
        if ended:
            job = self.rng.choice(ended[-20:]).id
            control.retry(self._store, job, by="soak", environment=dict(os.environ))
            self._ended_at.pop(job, None)
            notify(self.home, job, wait_s=0)

    def _send(self, alive: list[JobStatus], *, everyone: bool = False) -> None:
        readers = [s.id for s in alive if s.lifecycle is Lifecycle.RUNNING and self._manner(s.id) == "reads"]
        for job in readers if everyone else self.rng.sample(readers, min(1, len(readers))):
            control.send(self._store, self._registry, job, b"go\n", by="soak")

    def _manner(self, job: str) -> str:
        plan = plan_of(self._store.spec(job))
        return "" if plan is None else plan.manner

    def _attach(self, alive: list[JobStatus]) -> None:
        running = [s.id for s in alive if s.lifecycle is Lifecycle.RUNNING]
        if running and len(self._channels) < MOST_CHANNELS:
            channel = control.open_channel(
                self._store, self._registry, self.rng.choice(running), cols=100, rows=30, read_only=False
            )
            self._channels.append(_Channel(channel, time.monotonic() + self.rng.random() * 4))
            channel.receive()
            channel.resize(self.rng.randrange(1, 300), self.rng.randrange(1, 100))

    def _recover(self) -> None:
        recover(self._store, self._registry)

    def _follow(self, alive: list[JobStatus]) -> None:
        if alive and len(self._followers) < MOST_FOLLOWERS:
            job = self.rng.choice(alive).id
            words = self.rng.choice((("logs", "-f", job), ("wait", job), ("status", job), ("events", job)))
            self._command(*words)

    def _run_in_foreground(self) -> None:
        if len(self._followers) < MOST_FOLLOWERS:
            plan = self._plan()
            pty = ("--pty",) if plan.pty else ()
            self._command("run", "-a", "command", *pty, "--", *plan.args)

    def _command(self, *words: str) -> None:
        self._followers.append(
            subprocess.Popen(
                [sys.executable, "-m", "logist_core", "--home", str(self.home.path), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    # What fate does

    def _kill_supervisor(self) -> None:
        fd = processes.open_supervisor(self.home.path)
        if fd is None:
            return
        pid = processes.pid_of(fd)
        try:
            self.counts["dead supervisors"] += processes.send(fd, signal.SIGKILL)
            processes.has_ended(fd, 5.0)
        finally:
            os.close(fd)
        with contextlib.suppress(ChildProcessError):  # most are the children of somebody else
            os.waitpid(pid, os.WNOHANG)

    def _kill_halves(self, alive: list[JobStatus], roles: tuple[str, ...]) -> None:
        target = self._target(alive)
        if target is None:
            return
        job, attempt, directory = target
        fds = {role: fd for role in roles if (fd := self._open(directory, role)) is not None}
        try:
            if len(fds) > 1:  # so that none of them sees the others die
                for fd in fds.values():
                    processes.send(fd, signal.SIGSTOP)
            for role, fd in fds.items():
                self.kills.setdefault((job, attempt), []).append(Kill(role, time.time()))
                self.counts[f"dead {role}s"] += processes.send(fd, signal.SIGKILL)
        finally:
            for fd in fds.values():
                os.close(fd)

    def _freeze(self, alive: list[JobStatus]) -> None:
        target = self._target(alive)
        role = self.rng.choice(("guard", "pump", "supervisor"))
        if role == "supervisor":
            fd = processes.open_supervisor(self.home.path)
        else:
            fd = None if target is None else self._open(target[2], role)
        if fd is not None:
            processes.send(fd, signal.SIGSTOP)
            # In a thread: what is frozen may hold the lock that our own next act waits for.
            thaw = threading.Timer(self.rng.random() * 1.5, _thaw, (fd,))
            thaw.start()
            self._thaws.append(thaw)

    def _target(self, alive: list[JobStatus]) -> tuple[str, int, Path] | None:
        begun = [status for status in alive if status.attempts]
        if not begun:
            return None
        status = self.rng.choice(begun)
        return status.id, status.attempt, self._store.attempt_dir(status.id, status.attempt)

    @staticmethod
    def _open(directory: Path, role: str) -> int | None:
        if role == "agent":
            return processes.open_leader(directory)
        return processes.open_half(directory, _LOCKS[role])

    def _kill_follower(self) -> None:
        if self._followers:
            follower = self._followers.pop(self.rng.randrange(len(self._followers)))
            follower.kill()  # our own child, not yet waited for
            follower.wait()

    def _tidy(self) -> None:
        now = time.monotonic()
        self._thaws = [thaw for thaw in self._thaws if thaw.is_alive()]
        for held in list(self._channels):
            with contextlib.suppress(LogistError):
                held.channel.receive()
            if held.until <= now:
                held.channel.close()
                self._channels.remove(held)
        self._followers = [follower for follower in self._followers if follower.poll() is None]

    # What must hold

    def check(self) -> None:
        """Check what must hold at any time.

        Raises:
            Violated: It doesn't.
        """
        self.counts["checks"] += 1
        for canary in self._canaries:
            if canary.poll() is not None:
                raise Violated("", f"a stranger, process {canary.pid}, was killed: {canary.returncode}")
        living = {found.nonce: found for found in processes.family(self.home.path) if found.nonce}
        for status in self.statuses():
            self._check_journal(status.id)
            self._check_leftovers(status, living)
            if status.lifecycle.ended and self._judged.get(status.id) != status.attempt:
                self._judge(status.id)

    def _check_journal(self, job: str) -> None:
        state = (self._store.job_dir(job) / STATE).read_bytes()
        scan = self._store.scan(job)
        if scan.problem is not None:
            raise Violated(job, f"its journal is damaged: {scan.problem.message}")
        seen = self._seen.setdefault(job, _Seen())
        if seen.seq and (len(scan.events) < seen.seq or scan.events[seen.seq - 1].kind != seen.kind):
            raise Violated(job, f"event {seen.seq}, {seen.kind}, is no longer in its journal")
        seen.seq, seen.kind = scan.events[-1].seq, scan.events[-1].kind
        fold(scan.events)
        said = _cached(state, job)
        if said is not None and said[0] != fold(scan.events[: said[1]]):
            raise Violated(job, f"its state.json isn't what its first {said[1]} events make")

    def _check_leftovers(self, status: JobStatus, living: dict[str, processes.Found]) -> None:
        if not status.lifecycle.ended:
            self._ended_at.pop(status.id, None)
            return
        ended_at = self._ended_at.setdefault(status.id, time.monotonic())
        if time.monotonic() - ended_at > LINGER_LIMIT_S:
            for attempt in status.attempts:
                left = living.get(attempt.nonce)
                if left is not None and processes.open_found(left) is not None:
                    raise Violated(status.id, f"it ended, and process {left.pid} of it lives: {left.command}")

    def _judge(self, job: str) -> None:
        status, spec = self._store.status(job), self._store.spec(job)
        if not status.lifecycle.ended:
            return  # tried again meanwhile
        plan = plan_of(spec)
        if plan is None:
            raise Violated(job, "this job isn't the soak's: somebody else uses this home")
        attempts = [
            AttemptEvidence(a, self.kills.get((job, a.number), ()), self._log(job, a.number)) for a in status.attempts
        ]
        evidence = JobEvidence(
            plan, status, self._store.events(job), read_side(plan.side), attempts, self._kernel_tells
        )
        for problem in judge(evidence):
            raise Violated(job, problem)
        self._judged[job] = status.attempt

    def _log(self, job: str, attempt: int) -> bytes:
        try:
            return (self._store.attempt_dir(job, attempt) / "out.log").read_bytes()
        except FileNotFoundError:
            return b""

    # The end

    def _drain(self, tick: Callable[[], None]) -> None:
        for held in self._channels:
            held.until = 0.0
        deadline = time.monotonic() + DRAIN_S
        while alive := [s for s in self.statuses() if not s.lifecycle.ended]:
            self._tidy()
            self._guarded("send", lambda alive=alive: self._send(alive, everyone=True))  # type: ignore[misc]
            ensure_supervisor(self.home, wait_s=20.0)
            if time.monotonic() > deadline:
                stuck = alive[0]
                raise Violated(stuck.id, f"{len(alive)} jobs don't end; this one is {stuck.lifecycle.value}")
            tick()
            time.sleep(0.25)
        self._tidy()
        self._judged.clear()
        self.check()
        for status in self.statuses():
            if status != fold(self._store.events(status.id)):
                raise Violated(status.id, "its status isn't what its journal makes")
        self.leave()
        left = self._left(LINGER_LIMIT_S)
        if left:
            raise Violated("", f"left running: {left[0].pid} {left[0].command}, and {len(left) - 1} more")

    def leave(self) -> None:
        """End the followers and the supervisor."""
        while self._followers:
            self._kill_follower()
        fd = processes.open_supervisor(self.home.path)
        if fd is not None:
            processes.send(fd, signal.SIGTERM)
            processes.has_ended(fd, 20.0)
            os.close(fd)

    def _left(self, within_s: float) -> list[processes.Found]:
        deadline = time.monotonic() + within_s
        while (left := processes.family(self.home.path)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def clean_up(self) -> None:
        """End everything that is this run's own, by force where need be. Only for the end of a run."""
        for thaw in self._thaws:
            thaw.join()
        for canary in self._canaries:
            canary.kill()
            canary.wait()
        with contextlib.suppress(LogistError, OSError):
            self.leave()
        for _ in range(20):  # a guard that is killed before its pump is replaced by it
            left = processes.family(self.home.path)
            for found in left:
                fd = processes.open_found(found)
                if fd is not None:
                    processes.send(fd, signal.SIGKILL)
                    os.close(fd)
            if not left:
                break
            time.sleep(0.1)

    def keep(self, job: str) -> Path:
        """Copy what is on the disk of a job that an invariant was broken on, before anything else changes it."""
        kept = self.home.path.parent / "failed"
        kept.mkdir(exist_ok=True)
        if job:
            shutil.copytree(self._store.job_dir(job), kept / job, symlinks=True, dirs_exist_ok=True)
            plan = plan_of(self._store.spec(job))
            if plan is not None and plan.side.exists():
                shutil.copy(plan.side, kept / f"{job}.side")
        return kept


def _thaw(fd: int) -> None:
    processes.send(fd, signal.SIGCONT)
    os.close(fd)


def _cached(state: bytes, job: str) -> tuple[JobStatus, int] | None:
    """Return the status in a `state.json` and the number of its last event, whatever journal it was made for."""
    import json

    try:
        length = json.loads(state)["journal_bytes"]
    except (ValueError, KeyError, TypeError):
        return None
    return cache.decode(state, job, length)
