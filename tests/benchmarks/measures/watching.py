"""From a line on the disk to the state that `logist status` shows, while every job prints."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from support.waiting import eventually

from benchmarks.ground import Ground, cpu_s
from benchmarks.report import Table
from benchmarks.scale import Scale

LINES_PER_S = 10
#: Two lines that the default dictionary reads in any agent's output, and the states that they stand for. Such as count
#: at once: a limit that is read in text is believed only after a second without work.
CLAIMS = (
    ("Do you want to continue? [y/N]", "permission_prompt"),
    ("Error: the context window is exceeded", "context_exhausted"),
)
_NOISE = b"reading src/module.py, line %d\n"


def measure(scale: Scale) -> list[Table]:
    table = Table(
        f"from a line on the disk to the state in `logist status`, every job printing {LINES_PER_S} lines a second",
        ("p50, ms", "p99, ms", "supervisor's CPU, % of a core"),
    )
    table.unmeasured["peers"] = "of those here none reads what its jobs print"
    for count in scale.watched:
        table.add(f"logist, {count:,} jobs", *_latency(count, scale.samples))
    table.notes.append(f"{scale.samples} lines that change the state, spread over the jobs")
    table.notes.append("the jobs sleep: the benchmark appends to their logs, as an agent does that owns its log")
    return [table]


def _latency(count: int, samples: int) -> tuple[float, float, float]:
    with Ground() as ground, ground.supervisor(count + 1) as supervisor:
        jobs = [ground.submit("sh", "-c", ground.sleeper) for _ in range(count)]
        ground.await_sleepers(count)
        eventually(
            lambda: all(status.lifecycle == "running" for status in ground.store.statuses(jobs)),
            within_s=300.0,
            what="running jobs",
        )
        logs = [ground.store.attempt_dir(job, 1) / "out.log" for job in jobs]
        stop = threading.Event()
        printing = threading.Thread(target=_print, args=(logs, stop), daemon=True)
        printing.start()
        try:
            _sample(ground, jobs[0], logs[0], *CLAIMS[0])  # the dictionary is compiled with the first
            before, began = cpu_s([supervisor.pid]), time.perf_counter()
            took = []
            for n in range(samples):
                chosen = (n * 7919 + 1) % count
                took.append(_sample(ground, jobs[chosen], logs[chosen], *CLAIMS[(n // count + 1) % 2]))
            busy = (cpu_s([supervisor.pid]) - before) / (time.perf_counter() - began)
        finally:
            stop.set()
            printing.join()
        ground.end_sleepers()
        assert {s.exit.signal for s in ground.wait(*jobs) if s.exit} == {15}
    took.sort()
    return took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))], busy * 100


def _print(logs: list[Path], stop: threading.Event) -> None:
    """Append to every log `LINES_PER_S` times a second, evenly spread."""
    began, done = time.perf_counter(), 0
    while not stop.is_set():
        due = int((time.perf_counter() - began) * LINES_PER_S * len(logs))
        for n in range(done, due):
            _append(logs[n % len(logs)], _NOISE % n)
        done = due
        stop.wait(0.005)


def _append(log: Path, line: bytes) -> None:
    fd = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.write(fd, line)
    os.close(fd)


def _sample(ground: Ground, job: str, log: Path, line: str, state: str) -> float:
    _append(log, line.encode() + b"\n")
    began = time.perf_counter()
    deadline = began + 60
    while ground.store.status(job).activity.state != state:
        assert time.perf_counter() < deadline, f"{state} was never seen: {ground.store.status(job)}"
        time.sleep(0.001)
    return (time.perf_counter() - began) * 1e3
