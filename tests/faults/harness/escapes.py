"""Programs that try to outlive the end of their attempt, and a count of those that did, for each way to kill a tree."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from logist_runtime_host.runtime import HostRuntime

from faults.harness import oracle
from faults.harness.bench import Bench, Case, send
from logist_core.api import KILL_NOW

_CHAIN = """
import os, time
end = time.time() + 15
while time.time() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.001)
"""
_DOUBLE_FORK = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
time.sleep(60)
"""
_CLEARED = """
import os, sys, time
if len(sys.argv) > 2:
    time.sleep(60)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-I", "-S", sys.argv[0], sys.argv[1], "again"], {})
    os._exit(0)
time.sleep(60)
"""
_BOMB = """
import os, sys, time
with open(sys.argv[1], "w") as file:
    file.write("0")
end = time.time() + 15
while time.time() < end:
    try:
        os.fork()
    except OSError:
        time.sleep(0.002)
"""

#: What an agent may start, by name. Each runs as `python -I -S FILE ARGUMENT`, so that its file names it in /proc.
ESCAPES = {
    "pid-hopping chain": _CHAIN,
    "double fork": _DOUBLE_FORK,
    "setsid": "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(60)",
    "cleared environment": _CLEARED,
    "fork bomb under pids.max": _BOMB,
}
_PIDS = Path("/sys/fs/cgroup/pids")


def can_limit_pids() -> bool:
    """Return whether a fork bomb can be kept under a limit here (cgroup v1 `pids`, or v2)."""
    return os.access(_PIDS / "cgroup.procs", os.W_OK)


def survivors(bench: Bench, name: str, *, cgroup: bool | str) -> tuple[int, int]:
    """Start an escape in an attempt, kill the attempt; return (how many live, how many of them were reported)."""
    case = bench.case(runtime=HostRuntime(cgroup=cgroup, start_timeout_s=10.0))
    program = case.root / "escape.py"
    program.write_text(ESCAPES[name])
    limit = _PIDS / f"logist-test-{os.getpid()}-{case.key.nonce[:8]}"
    argument = "x"
    if name.startswith("fork bomb"):
        limit.mkdir()
        (limit / "pids.max").write_text("64")
        argument = str(limit / "cgroup.procs")
    case.start(f"{sys.executable} -I -S {program} {argument} & sleep 60")
    deadline = time.monotonic() + 10.0
    while not oracle.alive(str(program)) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # the escape is under way
    assert case.handle is not None
    answer = case.runtime.stop(case.handle, KILL_NOW)
    reported = len(answer.exit.survivors) if answer.exit is not None else 0
    alive = _steady(program)
    _clean_up(case, program, limit)
    return alive, reported


def _steady(program: Path) -> int:
    """Return how many live: none only if three looks find none, for a chain is seen by chance."""
    most = 0
    for _ in range(3):
        most = max(most, len(oracle.alive(str(program))))
        time.sleep(0.01)
    return most


def _clean_up(case: Case, program: Path, limit: Path) -> None:
    deadline = time.monotonic() + 20.0
    while (left := oracle.alive(str(program))) and time.monotonic() < deadline:
        for pid in left:
            send(pid, str(program), signal.SIGKILL)
    with contextlib.suppress(FileNotFoundError):
        limit.rmdir()
    assert case.handle is not None
    case.runtime.forget(case.handle)
