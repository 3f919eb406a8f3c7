"""The peers: programs that keep jobs, too. Each is what its own registry ships; none is started by what isn't there.

A peer lives in a directory of its own and ends when its jobs have ended, or by `stop`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support.waiting import eventually

#: Where `.ci/install-peers` puts what comes from the package index of Python.
VENV = Path(os.environ.get("LOGIST_PEERS") or Path.home() / ".cache" / "logist-peers")
HOW = "not installed (.ci/install-peers)"


def program(name: str) -> str | None:
    """Return the path of an installed program, None if it isn't installed."""
    beside = VENV / "bin" / name
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(name)


class Peer:
    """A program that starts a job and returns. `name` is also the name of its row."""

    name = ""
    program = ""
    #: What it promises, in a few words, for the table.
    promise = ""

    def __init__(self, root: Path) -> None:
        self.root = root / self.name.replace(" ", "-")
        self.root.mkdir(exist_ok=True)
        self.environment = {**os.environ, "TMPDIR": str(self.root)}
        self.count = 0

    @classmethod
    def installed(cls) -> bool:
        return program(cls.program) is not None

    def argv(self, script: str) -> list[str]:
        """Return the command that starts `sh -c script` in the background."""
        raise NotImplementedError

    def start(self, script: str) -> None:
        self.count += 1
        self.call(*self.argv(script))

    def call(self, *argv: str) -> str:
        done = subprocess.run(
            argv, env=self.environment, cwd=self.root, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{argv}: {done.returncode} {done.stderr}"
        return done.stdout

    def stop(self) -> None:
        """End what runs beside the jobs."""


class Tmux(Peer):
    name = program = "tmux"
    promise = "terminal; all jobs die with the one server; no exit code kept"

    def argv(self, script: str) -> list[str]:
        return [*self._tmux(), "new-session", "-d", script]

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        # Otherwise the server leaves with the last session, and the next command may meet it half gone.
        (self.root / "conf").write_text("set -g exit-empty off\n")

    def _tmux(self) -> list[str]:
        return [str(program("tmux")), "-f", str(self.root / "conf"), "-S", str(self.root / "socket")]

    def stop(self) -> None:
        if self.count:
            self.call(*self._tmux(), "kill-server")


class Dtach(Peer):
    name = program = "dtach"
    promise = "terminal; no log, no exit code"

    def argv(self, script: str) -> list[str]:
        return [str(program("dtach")), "-n", str(self.root / f"socket-{self.count}"), "sh", "-c", script]


class Abduco(Peer):
    name = program = "abduco"
    promise = "terminal; exit code until somebody looked; no log"

    def argv(self, script: str) -> list[str]:
        return [str(program("abduco")), "-n", str(self.root / f"socket-{self.count}"), "sh", "-c", script]


class TaskSpooler(Peer):
    name, program = "task-spooler", "tsp"
    promise = "queue; log and exit code; all jobs die with the one server"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.environment |= {"TS_SOCKET": str(self.root / "socket"), "TS_MAXFINISHED": "100000"}
        self.environment |= {"TS_SLOTS": "2000"}

    def argv(self, script: str) -> list[str]:
        return [self.tsp, "sh", "-c", script]

    @property
    def tsp(self) -> str:
        return str(program("tsp"))

    def stop(self) -> None:
        with contextlib.suppress(AssertionError):
            self.call(self.tsp, "-K")


class Nq(Peer):
    name = program = "nq"
    promise = "log; the queue is one after the other; no exit code but in the log"

    def start(self, script: str) -> None:
        # A directory of its own each time: in one queue the jobs would wait for one another.
        self.environment["NQDIR"] = str(self.root / f"queue-{self.count}")
        super().start(script)

    def argv(self, script: str) -> list[str]:
        return [str(program("nq")), "-q", "sh", "-c", script]


class Supervisord(Peer):
    name, program = "supervisord", "supervisord"
    promise = "services by a configuration file; log; all jobs die with the one server"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._config = self.root / "conf"

    def argv(self, script: str) -> list[str]:
        raise NotImplementedError("its jobs are in its configuration; see `start_all`")

    def start_all(self, script: str, count: int) -> None:
        """Start the server with `count` programs, all of them at once."""
        socket = self.root / "socket"
        lines = [
            f"[unix_http_server]\nfile={socket}",
            f"[supervisord]\nlogfile={self.root}/log\npidfile={self.root}/pid\nchildlogdir={self.root}",
            "minfds=8192\nminprocs=4096",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
            f"[supervisorctl]\nserverurl=unix://{socket}",
            f"[program:job]\ncommand=sh -c '{script}'\nprocess_name=job-%(process_num)d\nnumprocs={count}",
            "autorestart=false\nstartsecs=0",
        ]
        self._config.write_text("\n".join(lines) + "\n")
        self.call(str(program("supervisord")), "-c", str(self._config))
        eventually(socket.exists, what="supervisord")

    def stop(self) -> None:
        if self._config.exists():
            with contextlib.suppress(AssertionError):
                self.call(str(program("supervisorctl")), "-c", str(self._config), "shutdown")
            eventually(lambda: not (self.root / "pid").exists(), what="the end of supervisord")


#: Those that start one job a command.
STARTERS: Sequence[type[Peer]] = (Tmux, Dtach, Abduco, TaskSpooler, Nq)


def unmeasured(peers: Sequence[type[Peer]]) -> dict[str, str]:
    return {peer.name: HOW for peer in peers if not peer.installed()}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]
