"""`logist ls` with many jobs in the home."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable

from benchmarks.ground import Ground
from benchmarks.peers import python
from benchmarks.report import Table, median_and_worst
from benchmarks.scale import Scale
from logist_core.jobs.ids import new_id
from logist_core.types.job import JobSpec


def measure(scale: Scale) -> list[Table]:
    table = Table(
        "`ls`, ms (median and worst)", ("median", "worst"), against=("python -c 'import click'",), ratio_of="median"
    )
    repeats = max(2, scale.repeats)
    table.add("python -c pass", *_figures(repeats, python("pass")))
    table.add("python -c 'import click'", *_figures(repeats, python("import click")))
    for name, argv in (("tmux ls (no server)", ["tmux", "-L", "logist-bench-none", "ls"]), ("tsp -l", None)):
        if argv is None:
            table.unmeasured[name] = "its list is the server's memory: nothing to compare with jobs on disk"
            continue
        try:
            table.add(name, *_figures(repeats, argv, codes=(0, 1)))
        except FileNotFoundError:
            table.unmeasured[name] = "not installed (.ci/install-peers)"
    with Ground() as ground:
        made = 0
        for count in scale.listed:
            began = time.perf_counter()
            for _ in range(count - made):
                _make_ended(ground)
            each_ms = (time.perf_counter() - began) * 1e3 / (count - made)
            made = count
            table.notes.append(f"making job {count} and ending it took {each_ms:.1f} ms each")
            listed = json.loads(ground.logist("ls", "--all", "--json").stdout)
            assert len(listed) == count, f"{len(listed)} of {count} jobs are listed"
            for args in (("ls",), ("ls", "--all"), ("ls", "--all", "--json")):
                figures = _figures_of(repeats, lambda args=args: ground.logist(*args))
                table.add(f"logist {' '.join(args)}, {count:,} jobs", *figures)
    return [table]


def _make_ended(ground: Ground) -> None:
    spec = JobSpec(id=new_id(), agent="command", runtime="host", cwd="/", created_at=time.time(), args=("true",))
    ground.store.create(spec, None)
    with ground.store.transaction(spec.id, "cli") as tx:
        tx.append("job.cancel_requested", by="bench", mode="stop", grace_s=None)
        tx.append("job.finished", lifecycle="cancelled", outcome="cancelled", reason="made for a benchmark")


def _figures(repeats: int, argv: list[str], codes: tuple[int, ...] = (0,)) -> tuple[float, float]:
    def run() -> None:
        assert subprocess.run(argv, capture_output=True, check=False).returncode in codes

    return _figures_of(repeats, run)


def _figures_of(repeats: int, run: Callable[[], object]) -> tuple[float, float]:
    run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1e3)
    return median_and_worst(times)
