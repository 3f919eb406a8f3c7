"""What must hold after every case, whatever was done to whom: the invariants I1 to I9.

I1 no living process of the attempt unless it runs; I2 one look settles what has ended; I3 the recorded exit is the real
one; I4 the log is complete but for the documented loss; I5 every record is whole or absent; I6 looking twice changes
nothing; I7 no stranger was signalled; I8 nothing leaked; I9 one run at the most.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from logist_runtime_host import keeper
from logist_runtime_host.places import socket_path

from logist_core.api import Probe, ProbeState


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What an honest end of the job looks like.

    Attributes:
        code: The exit code of the job.
        output: All that it writes.
        may_be_lost: Whether an unknown exit is honest: nobody could see it.
        may_lose_bytes: So much of the output may be missing, in one piece.
        never_started: The start was refused: nothing ran, and nothing may.
    """

    code: int
    output: bytes
    may_be_lost: bool = False
    may_lose_bytes: int = 0
    never_started: bool = False


def alive(mark: str) -> list[int]:
    """Return the living processes whose command line or environment holds `mark`."""
    found = []
    for process in keeper.SYSTEM.processes():
        if process.state in "ZX" or process.pid == os.getpid():
            continue
        try:
            command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in command or mark.encode() in keeper.SYSTEM.environment(process.pid):
            found.append(process.pid)
    return found


def missing(out: bytes, expected: bytes) -> int | None:
    """Return how many bytes were cut out of `expected` in one piece to give `out`; None where it isn't so."""
    same = next(
        (i for i, (a, b) in enumerate(zip(out, expected, strict=False)) if a != b), min(len(out), len(expected))
    )
    rest = out[same:]
    return len(expected) - len(out) if expected.endswith(rest) and len(out) <= len(expected) else None


def records(directory: Path) -> list[str]:
    """Return the records of a directory that are neither whole nor absent (I5)."""
    broken = []
    for path in directory.glob("*.json"):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            broken.append(f"I5: {path.name} is broken")
    return broken


def violations(
    directory: Path, nonce: str, wrapper: str, first: Probe | None, second: Probe | None, expected: Expected
) -> list[str]:
    """Return what is wrong after a case, a line each.

    Args:
        directory: The attempt's; the job's own `runs` and `code` are in its parent.
        nonce: The attempt's.
        wrapper: The path by which this case's keepers and pumps can be told from any others.
        first: The answer of the look that found the end; None: nothing was ever started.
        second: The answer of a look after that.
        expected: The honest end.
    """
    wrong = records(directory)
    runs = lines(directory.parent / "runs")
    real = lines(directory.parent / "code")
    if runs > 1:
        wrong.append(f"I9: the job ran {runs} times")
    if first is None:
        if runs:
            wrong.append("I1: nobody knows of it, and it ran")
    elif expected.never_started and runs:
        wrong.append("I9: the start was refused, and it ran")
    elif not expected.never_started:
        wrong += _judge(directory, first, second, expected, ended_by_itself=bool(real))
    wrong += [f"I1: process {pid} is left" for pid in alive(nonce)]
    wrong += [f"I8: guard or pump {pid} is left" for pid in alive(wrapper)]
    path = socket_path(nonce)
    if os.path.exists(path):
        wrong.append("I8: its socket is left")
    roots = [root for root in (keeper.cgroup_root(), keeper.freezer_root()) if root]
    if any(os.path.exists(os.path.join(root, keeper.cgroup_name(path))) for root in roots):
        wrong.append("I8: its cgroup is left")
    for name in ("shim.lock", "pump.lock"):
        if keeper.is_locked(None, str(directory / name)):
            wrong.append(f"I8: {name} is held")
    return wrong


def _judge(
    directory: Path, first: Probe, second: Probe | None, expected: Expected, *, ended_by_itself: bool
) -> list[str]:
    wrong = []
    if first.state not in (ProbeState.EXITED, ProbeState.GONE):
        return [f"I2: still {first.state.value}: {first.detail}"]
    if second != first:
        wrong.append(f"I6: {first} and then {second}")
    if first.state is ProbeState.GONE and not expected.may_be_lost:
        wrong.append(f"I3: the exit is lost: {first.detail}")
    if first.exit is not None and (first.exit.code != expected.code or not ended_by_itself):
        wrong.append(f"I3: recorded {first.exit}, real {expected.code}")
    out = (directory / "out.log").read_bytes() if (directory / "out.log").exists() else b""
    lost = missing(out, expected.output)
    if ended_by_itself and (lost is None or lost > expected.may_lose_bytes):
        wrong.append(f"I4: {len(out)} bytes of {len(expected.output)}: {out[:60]!r}...")
    return wrong


def lines(path: Path) -> int:
    """Return how many lines a file has; none where there is no file."""
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
