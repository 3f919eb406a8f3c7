"""One attempt under one plan: started, attacked, looked at until it is over, and put before the oracle."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime
from logist_runtime_host.serving import WRAPPER_VARIABLE

from faults.harness import faulty, oracle
from logist_core.api import AttemptKey, LaunchSpec, LogistError, Probe, ProbeState, RuntimeHandle, StartContext

#: Failing operations, and the errors that the system may give there.
ERRORS = {
    "open": (errno.ENOSPC, errno.EMFILE, errno.EACCES, errno.ENOMEM, errno.EIO, errno.EINTR),
    "write": (errno.ENOSPC, errno.EIO, errno.EINTR),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EINTR),
    "rename": (errno.ENOSPC, errno.EIO, errno.EACCES),
    "link": (errno.ENOSPC, errno.EIO, errno.ENOMEM),
    "fork": (errno.ENOMEM, errno.EAGAIN),
    "flock": (errno.ENOMEM, errno.EINTR),
}

CODE = 37
LINES = 200
# It says that it runs, talks, and says how it ends before it ends: what the oracle compares with.
JOB = (
    'echo run >> "$1/runs"; i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i; done; {middle}'
    'echo {code} > "$1/code"; exit {code}'
)


@dataclass(frozen=True)
class Plan:
    """What is done to whom; see `faulty.Faults`."""

    role: str = ""
    at: int | None = None
    point: str | None = None
    kinds: tuple[str, ...] = ()
    action: str = "kill"
    errno: int = 0
    persist_s: float = 0.0


@dataclass
class Outcome:
    """How a case went.

    Attributes:
        fired: The point at which the fault came; None: the operation was never reached.
        started: Whether `start` returned a handle.
        ended: The answer that told the end; None: nothing ran.
        wrong: What the oracle says.
        lost_bytes: Output that is missing.
        recorded_s: From the job's last act to the recorded exit.
    """

    fired: str | None
    started: bool
    ended: Probe | None
    wrong: list[str]
    lost_bytes: int = 0
    recorded_s: float | None = None


@dataclass
class Case:
    """One attempt, its directory, and the processes around it."""

    root: Path
    runtime: HostRuntime
    directory: Path = field(init=False)
    key: AttemptKey = field(init=False)
    handle: RuntimeHandle | None = None
    error: str = ""

    def __post_init__(self) -> None:
        self.directory = self.root / "attempt"
        self.directory.mkdir(mode=0o700)
        self.key = AttemptKey("job0", 1, secrets.token_hex(16))

    @property
    def wrapper(self) -> Path:
        return self.root / "wrapper.py"

    def start(self, script: str, **options: Any) -> None:
        """Start the job; a refusal is kept in `error`, and `find` settles what it means."""
        self.begin(script, **options)
        if self.handle is None:
            self.handle = self.find()

    def begin(self, script: str, **options: Any) -> None:
        context = StartContext(directory=str(self.directory), environment=dict(os.environ))
        launch = LaunchSpec(argv=("sh", "-c", script, "sh", str(self.root)), cwd="/", **options)
        try:
            self.handle = self.runtime.start(launch, self.key, context)
        except LogistError as error:
            self.error = error.message

    def find(self) -> RuntimeHandle | None:
        return self.runtime.find(self.key, str(self.directory))

    def probe(self) -> Probe:
        assert self.handle is not None
        return self.runtime.probe(self.handle)

    def wait(self, within_s: float = 20.0) -> Probe:
        """Look until it has ended; the last answer if it doesn't."""
        deadline = time.monotonic() + within_s
        while (answer := self.probe()).state is ProbeState.RUNNING and time.monotonic() < deadline:
            time.sleep(0.005)
        return answer

    def roles(self) -> dict[str, int]:
        """Return the last pid of each role."""
        try:
            lines = (self.root / "roles").read_text().splitlines()
        except OSError:
            return {}
        return {role: int(pid) for role, pid in (line.split() for line in lines)}

    def trace(self) -> list[str]:
        """Return the points that were passed, in order."""
        try:
            return [line.split(" ", 3)[3] for line in (self.root / "trace").read_text().splitlines()]
        except OSError:
            return []

    def fired(self) -> str | None:
        try:
            return (self.root / "fired").read_text().split(" ", 1)[1].strip()
        except OSError:
            return None

    def pid(self, role: str, within_s: float = 5.0) -> int | None:
        """Return the pid of a role as soon as there is one."""
        deadline = time.monotonic() + within_s
        while (pid := self.roles().get(role)) is None and time.monotonic() < deadline:
            time.sleep(0.001)
        return pid

    def kill(self, role: str) -> bool:
        """Kill -9 the process that last had this role; return whether it lived."""
        pid = self.pid(role)
        return pid is not None and send(pid, str(self.wrapper), signal.SIGKILL)


def send(pid: int, mark: str, number: int) -> bool:
    """Signal a process that we know by a mark in its command line; return whether it was there."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if mark.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return False
        signal.pidfd_send_signal(fd, number)
        if number == signal.SIGKILL:
            keeper.wait_readable(fd, 5.0)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class Bench:
    """Makes cases, each in a directory of its own, and judges them; a canary lives beside them (I7)."""

    def __init__(self, *, kernel_exit_info: bool = True, cgroup: bool = True) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="lf-"))
        self.runtime = HostRuntime(kernel_exit_info=kernel_exit_info, cgroup=cgroup, start_timeout_s=10.0)
        self.cases = 0
        self.points: set[str] = set()
        self._before = {}
        run = self.root / "run"
        run.mkdir(mode=0o700)
        for name in (
            WRAPPER_VARIABLE,
            "XDG_RUNTIME_DIR",
            "COVERAGE_PROCESS_START",
            "COVERAGE_PROCESS_CONFIG",
            "LOGIST_NONCE",
        ):
            self._before[name] = os.environ.pop(name, None)
        os.environ["XDG_RUNTIME_DIR"] = str(run)
        self.canary = subprocess.Popen(["sleep", "3600"])

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in oracle.alive(str(self.root)):  # only what a failed case left: all of it bears our directory
            send(pid, "", signal.SIGKILL)
        self.canary.kill()
        self.canary.wait()
        shutil.rmtree(self.root, ignore_errors=True)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def case(self, plan: Plan | None = None, runtime: HostRuntime | None = None) -> Case:
        """Return a new case whose keepers will run under `plan`."""
        self.cases += 1
        root = self.root / f"c{self.cases}"
        root.mkdir()
        case = Case(root, runtime or self.runtime)
        values = {"directory": str(root), **vars(plan or Plan())}
        case.wrapper.write_text(faulty.wrapper_text(values))
        os.environ[WRAPPER_VARIABLE] = str(case.wrapper)
        return case

    def run(
        self,
        plan: Plan,
        *,
        pty: bool = False,
        may_be_lost: bool = False,
        middle: str = "sleep 0.03;",
        lines: int = LINES,
        kill_first: str = "",
    ) -> Outcome:
        """Run a job under `plan` to its end and judge it; `kill_first` names a role that dies right after the start."""
        case = self.case(plan)
        descriptors = len(os.listdir("/proc/self/fd"))
        case.start(JOB.format(lines=lines, code=CODE, middle=middle), pty=pty)
        if kill_first:
            case.kill(kill_first)
        outcome = self.judge(case, pty=pty, may_be_lost=may_be_lost, lines=lines, pump_died=plan.role == "pump")
        self.points.update(f"{plan.role}: {point}" for point in case.trace())
        if len(os.listdir("/proc/self/fd")) > descriptors:
            outcome.wrong.append("I8: descriptors of ours are left")
        if not outcome.wrong:
            shutil.rmtree(case.root, ignore_errors=True)
        return outcome

    def run_randomly_killed(
        self, victims: list[tuple[str, float]], *, pty: bool = False, middle: str = "sleep 0.05;", lines: int = LINES
    ) -> Outcome:
        """Run a job and kill each (role, seconds after the one before it) of `victims` on the way."""
        case = self.case(Plan())
        starting = threading.Thread(
            target=case.begin, args=(JOB.format(lines=lines, code=CODE, middle=middle),), kwargs={"pty": pty}
        )
        starting.start()
        killed = 0
        for role, delay_s in victims:
            case.pid(role)
            time.sleep(delay_s)
            killed += case.kill(role)
        starting.join()
        if case.handle is None:
            case.handle = case.find()
        both = {"keeper", "pump"} <= {role for role, _ in victims}
        pump_died = any(role == "pump" for role, _ in victims)
        outcome = self.judge(case, pty=pty, may_be_lost=both, lines=lines, pump_died=pump_died)
        outcome.fired = f"{killed} killed" if killed else None
        if not outcome.wrong:
            shutil.rmtree(case.root, ignore_errors=True)
        return outcome

    def judge(
        self,
        case: Case,
        *,
        pty: bool,
        may_be_lost: bool,
        lines: int,
        pump_died: bool,
        expected: oracle.Expected | None = None,
    ) -> Outcome:
        """Look until it is over, look again, and ask the oracle."""
        started = case.handle is not None
        first = case.wait() if started else None
        output = b"".join(b"line %d%s\n" % (i, b"\r" if pty else b"") for i in range(1, lines + 1))
        if expected is None:
            expected = oracle.Expected(
                code=CODE,
                output=output,
                may_be_lost=may_be_lost,
                may_lose_bytes=keeper.READ_SIZE if pty and pump_died else 0,
            )
        if first is not None and first.exit is not None and first.exit.exec_error:
            expected = replace(expected, never_started=True)
        if case.handle is not None:
            case.runtime.forget(case.handle)
        deadline = time.monotonic() + 5.0
        while True:  # what was told to go needs its moment
            second = case.probe() if started else None
            arguments = (case.directory, case.key.nonce, str(case.wrapper), first, second, expected)
            wrong = oracle.violations(*arguments)
            if not wrong or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if self.canary.poll() is not None:
            wrong.append("I7: the canary is dead")
        out = case.directory / "out.log"
        lost = len(expected.output) - out.stat().st_size if out.exists() and (case.root / "code").exists() else 0
        return Outcome(case.fired(), started, first, wrong, max(0, lost), self._recorded_s(case, first))

    @staticmethod
    def _recorded_s(case: Case, ended: Probe | None) -> float | None:
        last = case.root / "code"
        if ended is None or ended.exit is None or ended.exit.ended_at is None or not last.exists():
            return None
        return float(ended.exit.ended_at) - last.stat().st_mtime
