"""Supervisors under a plan: forked from one warm process, so that a case costs no interpreter's start.

`Supervisors` is the tests' side. Run as a program, this file is the warm process: it reads a plan a line, forks a
supervisor that carries it out, and answers with the wait status.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.harness.bench import Plan

IDLE_S = 0.05


@dataclass
class SupervisorOutcome:
    """How a case went; see `bench.Outcome`."""

    fired: str | None
    code: int | None
    lifecycle: str
    attempts: int
    wrong: list[str] = field(default_factory=list)


class Supervisors:
    """A home of its own, and supervisors for it that die on demand."""

    def __init__(self) -> None:
        from logist_core.config import Config
        from logist_core.jobs.home import Home
        from logist_core.jobs.store import JobStore
        from logist_core.registry import Registry

        self.root = Path(tempfile.mkdtemp(prefix="ls-"))
        run = self.root / "run"
        run.mkdir(mode=0o700)
        self._before = {name: os.environ.get(name) for name in ("XDG_RUNTIME_DIR", "LOGIST_HOME", "LOGIST_CONFIG")}
        os.environ["XDG_RUNTIME_DIR"] = str(run)
        os.environ["LOGIST_HOME"] = str(self.root / "home")
        os.environ["LOGIST_CONFIG"] = str(self.root / "config.toml")
        self.home = Home.open(self.root / "home")
        self.store = JobStore(self.home)
        self.registry = Registry.discover()
        self.config = Config.load(self.root, os.environ)
        self.cases = 0
        self.points: set[str] = set()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        self._warm = subprocess.Popen(
            [sys.executable, __file__, str(self.home.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.root / "log").open("wb"),
            text=True,
            env=environment,
        )

    def __enter__(self) -> Supervisors:
        return self

    def __exit__(self, *_: object) -> None:
        import shutil

        from faults.harness import oracle
        from faults.harness.bench import send

        assert self._warm.stdin is not None
        self._warm.stdin.close()
        self._warm.wait(30)
        for pid in oracle.alive(str(self.root)):  # respawned supervisors, idle by now
            send(pid, "", signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def supervise(self, plan: dict[str, object] | None) -> int:
        """Run a supervisor until it leaves or dies; return its wait status."""
        assert self._warm.stdin is not None and self._warm.stdout is not None
        self._warm.stdin.write(json.dumps(plan) + "\n")
        self._warm.stdin.flush()
        return int(self._warm.stdout.readline())

    def run(self, plan: Plan, *, middle: str = "sleep 0.03;") -> SupervisorOutcome:
        """Submit a job, have a supervisor under `plan` take it up, a sound one finish; judge."""
        from faults.harness.bench import CODE, JOB, LINES
        from logist_core.supervise import client
        from logist_core.supervise.submit import SubmitRequest, submit

        self.cases += 1
        self._be_alone()
        side = self.root / f"c{self.cases}"
        side.mkdir()
        script = JOB.format(lines=LINES, code=CODE, middle=middle)
        args = ("sh", "-c", script, "sh", str(side))
        request = SubmitRequest(cwd=str(side), environment=dict(os.environ), agent="command", args=args)
        job_id = submit(self.store, self.registry, self.config, request).id
        self.supervise({**vars(plan), "directory": str(side)})
        deadline = time.monotonic() + 20.0
        self.supervise(None)  # also after an end: its last words may be missing
        while not self.store.status(job_id).lifecycle.ended and time.monotonic() < deadline:
            self.supervise(None)
            if not self.store.status(job_id).lifecycle.ended:
                client.poke(self.home, job_id)  # a pump started another supervisor: tell it, as commands do
                time.sleep(0.02)
        outcome = self._judge(job_id, side, refusable=plan.action == "fail")
        if not outcome.wrong:
            self.store.remove(job_id)  # a home of many ended jobs would move the launch to ever later operations
        return outcome

    def _be_alone(self) -> None:
        """End a supervisor that a pump of an earlier case has started: it would take up the next case's job."""
        from faults.harness.bench import send
        from logist_core.supervise import client

        deadline = time.monotonic() + 10.0
        while (info := client.supervisor_info(self.home)).alive and time.monotonic() < deadline:
            if info.record is not None:
                send(info.record.pid, str(self.home.path), signal.SIGTERM)
            time.sleep(0.01)

    def _judge(self, job_id: str, side: Path, *, refusable: bool) -> SupervisorOutcome:
        from faults.harness import oracle
        from faults.harness.bench import CODE, LINES
        from logist_core.supervise.recover import recover

        status = self.store.status(job_id)
        before = (self.store.job_dir(job_id) / "events.log").read_bytes()
        recover(self.store, self.registry)
        recover(self.store, self.registry)
        wrong = []
        if (self.store.job_dir(job_id) / "events.log").read_bytes() != before:
            wrong.append("I6: recovery changed a settled job")
        runs = oracle.lines(side / "runs")
        # A system that refuses what a start needs may fail the start, in words; a kill may not.
        refused = refusable and runs == 0 and status.lifecycle.value == "failed_to_start" and bool(status.reason)
        if runs != 1 and not refused:
            wrong.append(f"I9: the job ran {runs} times in {status.attempt} attempts: {status.reason}")
        last = status.attempts[-1] if status.attempts else None
        code = last.exit.code if last is not None and last.exit is not None else None
        if code != CODE and not refused:
            wrong.append(f"I3: recorded {code}, {status.lifecycle.value}: {status.reason}")
        if last is not None:
            directory = self.store.attempt_dir(job_id, last.number)
            wrong += oracle.records(directory)
            if runs == 1:
                expected = b"".join(b"line %d\n" % i for i in range(1, LINES + 1))
                out = (directory / "out.log").read_bytes()
                if out != expected:
                    wrong.append(f"I4: {len(out)} bytes of {len(expected)}")
        wrong += oracle.records(self.store.job_dir(job_id))
        deadline = time.monotonic() + 5.0
        while (left := [p for a in status.attempts for p in oracle.alive(a.nonce)]) and time.monotonic() < deadline:
            time.sleep(0.02)
        wrong += [f"I1: process {pid} is left" for pid in left]
        if self.store.environment(job_id) is not None:
            wrong.append("I8: its environment is left in the vault")
        fired = None
        with contextlib.suppress(OSError):
            fired = (side / "fired").read_text().split(" ", 1)[1].strip()
        with contextlib.suppress(OSError):
            self.points.update(line.split(" ", 3)[3] for line in (side / "trace").read_text().splitlines())
        if wrong:
            wrong.append("its journal was:\n" + before.decode(errors="replace"))
        return SupervisorOutcome(fired, code, status.lifecycle.value, status.attempt, wrong)


def main() -> None:
    """Be the warm process."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import importlib

    import faulty
    import recorder

    from logist_core.jobs.home import Home
    from logist_core.supervise import daemon, launch

    launch.FIRST_PAUSE_S = daemon.FIRST_BENCH_S = 0.01  # between tries of what the machine refused
    for name in (
        "logist_runtime_host.runtime",
        "logist_agent_command.plugin",
        "logist_patterns_default.plugin",
        "logist_sentinel_default.plugin",
        "logist_core.observe.observer",
        "logist_core.registry",
        "logist_core.jobs.store",
        "asyncinotify",
        "filelock",
        "subprocess",
    ):
        importlib.import_module(name)
    home = Path(sys.argv[1])
    for line in sys.stdin:
        plan = json.loads(line)
        pid = os.fork()
        if pid == 0:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            if plan is not None:
                faults = faulty.Faults(plan, "supervisor")
                faults.become("supervisor")
                faults.install()
                recorder.install(plan)
            code = 1
            try:
                code = daemon.run(Home.open(home), max_jobs=2, on_demand=True, idle_s=IDLE_S)
            finally:
                os._exit(code)
        status = os.waitpid(pid, 0)[1]
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
