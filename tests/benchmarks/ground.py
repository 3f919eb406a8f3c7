"""A home for one measure, real commands and a real supervisor in it, and jobs that say for themselves when they run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from support.logist import Logist
from support.waiting import eventually

from logist_core.config import Config
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.registry import Registry
from logist_core.supervise.client import poke
from logist_core.supervise.submit import SubmitRequest, submit
from logist_core.testing.soak import processes
from logist_core.types.job import JobStatus

#: An idle job: it says its pid, and then it sleeps.
SLEEPER = "sleep"
_SLEEP_S = "31415926"


class Ground:
    """A root directory, a home below it, and an environment that leads nowhere else. A context manager."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="logist-bench-"))
        memory = "/dev/shm"
        self._run_dir = Path(tempfile.mkdtemp(prefix="lb-", dir=memory if os.access(memory, os.W_OK) else None))
        (self.root / "user").mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LOGIST_", "XDG_"))}
        self.environment = {
            **kept,
            "HOME": str(self.root / "user"),
            "LOGIST_HOME": str(self.root / "home"),
            "LOGIST_CONFIG": str(self.root / "config.toml"),
            "XDG_RUNTIME_DIR": str(self._run_dir),
            "NO_COLOR": "1",
        }
        self.logist = Logist(self.root / "home", self.environment)
        self._before: dict[str, str] = {}

    def __enter__(self) -> Ground:
        self._before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.environment)
        self.home = Home.open(self.logist.home)
        self.store = JobStore(self.home)
        self.registry = Registry.discover()
        self.config = Config.load(Path("/"), self.environment)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.end_sleepers()
            left = self.logist.clean_up()
        finally:
            os.environ.clear()
            os.environ.update(self._before)
            shutil.rmtree(self._run_dir, ignore_errors=True)
            shutil.rmtree(self.root, ignore_errors=True)
        assert not left or kind is not None, f"left running: {left}"

    # Logist

    @contextlib.contextmanager
    def supervisor(self, max_jobs: int) -> Iterator[subprocess.Popen[str]]:
        """Supervise the home for the length of a block; jobs run on after it."""
        args = ("supervise", "--max-jobs", str(max_jobs))
        with self.logist.popen(*args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                eventually((self.logist.home / "supervisor.json").exists, what="a supervisor")
                yield process
            finally:
                process.terminate()
                process.wait(30)

    def submit(self, *argv: str, pty: bool = False) -> str:
        """Submit as `logist run -d` does, without a new interpreter for each job."""
        request = SubmitRequest(cwd="/", environment=self.environment, agent="command", args=argv, pty=pty)
        job = submit(self.store, self.registry, self.config, request).id
        poke(self.home, job)
        return job

    def wait(self, *jobs: str, within_s: float = 600.0) -> list[JobStatus]:
        """Return the statuses of jobs once all have ended."""
        left = list(jobs)
        deadline = time.monotonic() + within_s
        while left:
            left = [status.id for status in self.store.statuses(left) if not status.lifecycle.ended]
            assert time.monotonic() < deadline, f"{len(left)} jobs don't end"
            if left:
                time.sleep(min(0.25, 0.02 * len(left)))
        return list(self.store.statuses(jobs))

    # Jobs and processes

    @property
    def sleeper(self) -> str:
        """A shell script that says its pid, and sleeps without a shell around it."""
        return f"echo $$ >>{self.root}/pids; exec {SLEEPER} {_SLEEP_S}"

    def sleepers(self) -> list[int]:
        """Return the pids of the sleepers that run."""
        with contextlib.suppress(FileNotFoundError):
            pids = [int(line) for line in (self.root / "pids").read_text().split()]
            return [pid for pid in pids if _is_sleeper(pid)]
        return []

    def await_sleepers(self, count: int) -> None:
        eventually(lambda: len(self.sleepers()) >= count, within_s=300.0, what=f"{count} idle jobs")

    def end_sleepers(self) -> None:
        """End every idle job, by whomever it was started: what keeps it ends by itself."""
        for pid in self.sleepers():
            with contextlib.suppress(OSError):
                fd = os.pidfd_open(pid)
                if _is_sleeper(pid):
                    signal.pidfd_send_signal(fd, signal.SIGTERM)
                os.close(fd)
        (self.root / "pids").unlink(missing_ok=True)

    def keepers_of(self, below: Path) -> list[int]:
        """Return the pids of what belongs to `below` and is no idle job itself: what keeps the jobs."""
        return [found.pid for found in processes.family(below) if not _is_sleeper(found.pid)]


def _is_sleeper(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == f"{SLEEPER}\0{_SLEEP_S}\0".encode()
    except OSError:
        return False


def pss_kib(pids: list[int]) -> float:
    """Return the memory of processes, each shared page divided among those that share it, KiB."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += float(line.split()[1])
    return total


def cpu_s(pids: list[int]) -> float:
    """Return the CPU time that processes have used so far, seconds."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            # The clock of a whole process, threads that have ended included (clock_getcpuclockid(3)).
            total += time.clock_gettime((~pid << 3) | 2)
    return total
