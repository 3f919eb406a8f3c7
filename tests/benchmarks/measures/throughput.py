"""Short jobs: how many times `true` a second, from the first submission to the last recorded end."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.ground import Ground
from benchmarks.peers import Nq, TaskSpooler, program, unmeasured
from benchmarks.report import Table
from benchmarks.scale import Scale


def measure(scale: Scale) -> list[Table]:
    table = Table(
        f"short jobs: {scale.jobs} x true, jobs per second by how many at once",
        tuple(f"{width} wide" for width in scale.widths),
        against=("parallel --joblog --results", "task-spooler"),
        ratio_of=f"{scale.widths[-1]} wide",
        unmeasured=unmeasured((TaskSpooler, Nq)),
    )
    table.unmeasured["tmux, dtach, supervisord"] = "no queue, no limit of jobs at once"
    with Ground() as ground:
        measured: dict[str, list[float | None]] = {}
        for width in scale.widths:
            rows = _floor_and_peers(ground.root, scale.jobs, width, table)
            rows["logist, in a library"] = _logist(ground, scale.jobs, width)
            for name, rate in rows.items():
                measured.setdefault(name, []).append(rate)
        rate = _through_the_command_line(ground, scale.cli_jobs)
        measured["logist run -d for each"] = [None] * (len(scale.widths) - 1) + [rate]
        for name, rates in measured.items():
            table.add(name, *rates)
    table.notes.append(
        f"`logist run -d for each`: {scale.cli_jobs} commands one after the other: the command's own cost"
    )
    return [table]


def _logist(ground: Ground, count: int, width: int) -> float:
    with ground.supervisor(width):
        ground.wait(ground.submit("true"))
        began = time.time()
        ended = ground.wait(*(ground.submit("true") for _ in range(count)))
    assert len(ended) == count
    assert {(s.lifecycle, s.exit and s.exit.code, len(s.attempts)) for s in ended} == {("succeeded", 0, 1)}
    return count / (max(s.ended_at or 0.0 for s in ended) - began)


def _through_the_command_line(ground: Ground, count: int) -> float:
    with ground.supervisor(8):
        began = time.time()
        ended = ground.wait(*(ground.logist.submit("-a", "command", "--", "true") for _ in range(count)))
    assert {s.lifecycle for s in ended} == {"succeeded"}
    return count / (max(s.ended_at or 0.0 for s in ended) - began)


def _floor_and_peers(root: Path, count: int, width: int, table: Table) -> dict[str, float | None]:
    rows: dict[str, float | None] = {}
    began = time.perf_counter()
    words = "true\n" * count
    done = subprocess.run(
        ["xargs", "-P", str(width), "-n", "1", "env"], input=words, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows["xargs (floor)"] = count / (time.perf_counter() - began)
    parallel = program("parallel")
    if parallel is None:
        table.unmeasured["parallel"] = "not installed (.ci/install-peers)"
    else:
        rows["parallel"] = _parallel(parallel, root, count, width, log=False)
        rows["parallel --joblog --results"] = _parallel(parallel, root, count, width, log=True)
    if TaskSpooler.installed():
        rows["task-spooler"] = _task_spooler(root, count, width)
    if Nq.installed():
        rows["nq"] = _nq(root, count) if width == 1 else None
    return rows


def _parallel(parallel: str, root: Path, count: int, width: int, *, log: bool) -> float:
    place = root / f"parallel-{width}-{log}"
    place.mkdir()
    environment = {**os.environ, "PARALLEL_HOME": str(place)}
    (place / "will-cite").touch()
    options = ["--joblog", str(place / "joblog"), "--results", str(place / "results")] if log else []
    began = time.perf_counter()
    done = subprocess.run(
        [parallel, "-j", str(width), *options, "true"], input="\n".join(map(str, range(count))) + "\n", text=True,
        env=environment, capture_output=True, check=False,
    )  # fmt: skip
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    if log:
        assert len((place / "joblog").read_text().splitlines()) == count + 1
    return count / took


def _task_spooler(root: Path, count: int, width: int) -> float:
    place = root / f"tsp-{width}"
    place.mkdir()
    peer = TaskSpooler(place)
    peer.call(peer.tsp, "-S", str(width))
    try:
        began = time.perf_counter()
        for _ in range(count):
            peer.call(peer.tsp, "true")
        peer.call(peer.tsp, "-w")
        while peer.call(peer.tsp, "-l").count("finished") < count:
            time.sleep(0.02)
        took = time.perf_counter() - began
    finally:
        peer.stop()
    return count / took


def _nq(root: Path, count: int) -> float:
    peer = Nq(root)
    queue = peer.root / "queue"
    peer.environment["NQDIR"] = str(queue)
    nq = str(program("nq"))
    began = time.perf_counter()
    for _ in range(count):
        peer.call(nq, "-q", "true")
    peer.call(nq, "-w")
    took = time.perf_counter() - began
    logs = [log.read_text() for log in queue.glob(",*")]
    assert len(logs) == count
    assert all("[exited with status 0.]" in log for log in logs)
    return count / took
