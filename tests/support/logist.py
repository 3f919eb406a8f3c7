"""The real `logist` command in a home of its own, and a look at the processes behind it that trusts only /proc."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.waiting import eventually

ENDED = {"succeeded", "failed", "cancelled", "timed_out", "failed_to_start", "lost"}


@dataclass
class Logist:
    """One home and the environment in which commands run against it."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def popen(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        env = {**self.environment, **options.pop("env", {})}
        return subprocess.Popen([sys.executable, "-m", "logist_core", *args], text=True, env=env, **options)

    def __call__(
        self, *args: str, code: int | None = 0, timeout_s: float = 60.0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; `code` is the exit code that it must have, None for any."""
        text = options.pop("input", None)
        if text is not None:
            options["stdin"] = subprocess.PIPE
        with self.popen(*args, **options) as process:
            try:
                out, err = process.communicate(text, timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"logist {args} hung; stdout {out!r} stderr {err!r}") from None
        if code is not None:
            assert process.returncode == code, f"logist {args}: {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def json(self, *args: str, **options: Any) -> Any:
        return json.loads(self(*args, "--json", **options).stdout)

    def submit(self, *args: str, **options: Any) -> str:
        """Submit a job without waiting for it; return its id."""
        return self("run", "-d", *args, **options).stdout.strip()

    def shell(self, script: str, *options: str) -> str:
        """Submit a shell script as a job; return its id."""
        return self.submit("-a", "command", *options, "--", "sh", "-c", script)

    def status(self, job: str) -> dict[str, Any]:
        status: dict[str, Any] = self.json("status", job)
        return status

    def until(self, job: str, *states: str, within_s: float = 30.0) -> dict[str, Any]:
        """Return the status of `job` once its lifecycle is one of `states`."""

        def reached() -> dict[str, Any] | None:
            status = self.status(job)
            return status if status["lifecycle"] in states else None

        return eventually(reached, within_s=within_s, what=f"{job} in {states}: {self.status(job)}")

    def ended(self, job: str, *, within_s: float = 60.0) -> dict[str, Any]:
        return self.until(job, *ENDED, within_s=within_s)

    def attempt_dir(self, job: str, number: int = 1) -> Path:
        return self.home / "jobs" / job / "attempts" / str(number)

    def fact(self, job: str, name: str, number: int = 1) -> dict[str, Any]:
        """Return a fact that the host runtime wrote about an attempt, waiting for it."""
        path = self.attempt_dir(job, number) / name
        raw = eventually(lambda: path.exists() and path.read_bytes(), what=str(path))
        fact: dict[str, Any] = json.loads(raw)
        return fact

    def keeper_pid(self, job: str) -> int:
        return int(self.fact(job, "shim.json")["pid"])

    def pump_pid(self, job: str) -> int:
        """Return the pid of the job's pump: the keeper's child that runs the keeper's own program."""
        keeper = self.keeper_pid(job)
        program = Path(f"/proc/{keeper}/cmdline").read_bytes()

        def pump() -> int | None:
            for pid in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split():
                if Path(f"/proc/{pid}/cmdline").read_bytes() == program:
                    return int(pid)
            return None

        return eventually(pump, what="a pump") or 0

    def supervisor_pid(self) -> int:
        path = self.home / "supervisor.json"
        return int(json.loads(eventually(lambda: path.exists() and path.read_bytes(), what="a supervisor"))["pid"])

    def processes(self) -> list[tuple[int, str]]:
        """Return (pid, command line) of every process that has this home in its arguments or environment."""
        mark = os.fsencode(self.home)
        return [
            (pid, command.decode(errors="replace"))
            for pid, command, environment in _proc()
            if (mark in command or mark in environment) and pid != os.getpid()
        ]

    def clean_up(self) -> list[tuple[int, str]]:
        """End what runs in this home; return what had to be ended by force, which no test may leave."""
        listing = self("ls", "--all", "--json", code=None) if self.home.exists() else None
        if listing is not None and listing.returncode == 0:
            ids = [s["id"] for s in json.loads(listing.stdout) if s["lifecycle"] not in ENDED]
            if ids:
                self("kill", *ids, code=None)
                self("wait", *ids, "--timeout", "20s", code=None)
        left = self.processes()
        for _ in range(3):  # one that was just starting may take over from the one that was stopped
            if left:
                self("supervise", "--stop", code=None)
                with contextlib.suppress(AssertionError):
                    eventually(lambda: not self.processes(), within_s=5.0)
                left = self.processes()
        for pid, _ in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


def kill(pid: int) -> None:
    """Kill -9 `pid` and wait until the kernel has taken it away (or only a zombie is left)."""
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    finally:
        os.close(fd)
    eventually(lambda: not alive(pid), within_s=5.0, what=f"the end of {pid}")


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _proc() -> Iterator[tuple[int, bytes, bytes]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            command = environment = b""
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
                environment = Path(f"/proc/{entry}/environ").read_bytes()  # of a supervisor, only root may read it
            if command or environment:
                yield int(entry), command, environment
