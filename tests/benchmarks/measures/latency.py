"""From the submission to the agent's first instruction, and until the command has returned."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.ground import Ground
from benchmarks.peers import STARTERS, unmeasured
from benchmarks.report import Table, median_and_worst
from benchmarks.scale import Scale


def measure(scale: Scale) -> list[Table]:
    table = Table(
        "start latency, ms (median and worst)",
        ("first instruction", "worst", "command returns", "returns, worst"),
        against=("dtach", "tmux", "task-spooler", "nq"),
        ratio_of="first instruction",
        unmeasured=unmeasured(STARTERS),
    )
    with Ground() as ground:
        bell = Bell(ground.root / "bell")
        table.add("posix_spawn (floor)", *bell.figures(scale.repeats, _spawn))
        for kind in STARTERS:
            if kind.installed():
                peer = kind(ground.root)
                peer.start("exit 0")  # the server of those that have one
                table.add(peer.name, *bell.figures(scale.repeats, peer.start))
                peer.stop()
        jobs: list[str] = []
        with ground.supervisor(8):
            _warm_up(ground)
            table.add(
                "logist, in a library",
                *bell.figures(scale.repeats, lambda script: jobs.append(ground.submit("sh", "-c", script))),
            )
            table.add(
                "logist run -d", *bell.figures(scale.repeats, lambda script: jobs.append(ground.logist.shell(script)))
            )
        table.add(
            "logist run -d, no supervisor yet",
            *bell.figures(
                max(1, scale.repeats // 3),
                lambda script: jobs.append(ground.logist.shell(script)),
                before=lambda: ground.logist("supervise", "--stop", code=None),
            ),
        )
        assert {(s.lifecycle, s.exit.code) for s in ground.wait(*jobs) if s.exit} == {("succeeded", 0)}
        ground.logist("supervise", "--stop", code=None)
    return [table]


class Bell:
    """Something that a job rings with its first instruction: a FIFO, a new one each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rung = 0

    def figures(
        self, repeats: int, start: Callable[[str], object], before: Callable[[], object] = lambda: None
    ) -> tuple[float, float, float, float]:
        """Return median and worst of the time to the ring, and of the time until `start` returned, ms."""
        rings, returns = [], []
        for _ in range(repeats):
            before()
            self._rung += 1
            fifo = Path(f"{self._path}-{self._rung}")
            os.mkfifo(fifo)
            heard: list[float] = []
            listener = threading.Thread(target=_listen, args=(fifo, heard), daemon=True)
            listener.start()
            began = time.perf_counter()
            start(f"echo >{fifo}")
            returns.append((time.perf_counter() - began) * 1e3)
            listener.join(60)
            assert heard, "the job never ran"
            rings.append((heard[0] - began) * 1e3)
        return (*median_and_worst(rings), *median_and_worst(returns))


def _listen(path: Path, heard: list[float]) -> None:
    with path.open("rb") as fifo:
        fifo.read(1)
        heard.append(time.perf_counter())


def _spawn(script: str) -> None:
    subprocess.Popen(["sh", "-c", script]).wait(60)


def _warm_up(ground: Ground) -> None:
    ground.wait(ground.submit("true"))
