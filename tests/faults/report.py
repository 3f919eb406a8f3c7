"""Runs the kill loops, prints the figures of docs/reference/durability.md: `uv run python tests/faults/report.py`."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measures.recovery import reattach

from faults.harness.bench import Bench, Outcome, Plan
from faults.harness.escapes import ESCAPES, can_limit_pids, survivors
from faults.harness.supervisors import SupervisorOutcome, Supervisors
from logist_core.api import ProbeState

_WRONG = {"run twice": "I9", "unknown processes": "I1", "wrong exit codes": "I3", "strangers signalled": "I7"}


class Row:
    """What the cases of one role came to."""

    def __init__(self, name: str) -> None:
        self.name, self.kills, self.cases, self.lost = name, 0, 0, 0
        self.wrong: list[str] = []
        self.lost_bytes: list[int] = []
        self.recorded_s: list[float] = []

    def add(self, outcome: Outcome | SupervisorOutcome) -> bool:
        """Count a case; return whether its fault came."""
        self.cases += 1
        self.kills += outcome.fired is not None
        self.wrong += outcome.wrong
        if isinstance(outcome, Outcome):
            # A start that was refused, with nothing run, is no lost job: its submitter was told.
            self.lost += outcome.ended is not None and outcome.ended.state is ProbeState.GONE
            if outcome.fired is not None:
                self.lost_bytes.append(outcome.lost_bytes)
                if outcome.recorded_s is not None:
                    self.recorded_s.append(outcome.recorded_s)
        return outcome.fired is not None

    def line(self) -> str:
        """Return the row of the table."""
        counts = [sum(text.startswith(code) for text in self.wrong) for code in _WRONG.values()]
        return f"| {self.name} | {self.kills} | {self.lost} | " + " | ".join(map(str, counts)) + " |"


def every_operation(row: Row, run: Callable[[int], Outcome | SupervisorOutcome], most: int = 180) -> None:
    """Run cases 1, 2, 3 ... until two in a row don't reach their operation."""
    number, misses = 1, 0
    while misses < 2 and number < most:
        misses = 0 if row.add(run(number)) else misses + 1
        number += 1


def keep(rows: list[Row], row: Row) -> None:
    """Take a finished row in, and show how far it is."""
    rows.append(row)
    print(row.line(), file=sys.stderr, flush=True)


def measure(kills: int, tries: int, seed: int) -> tuple[list[Row], list[tuple[str, int, int, int]]]:
    """Return the rows of the kill table, and (escape, tries, survivors with a cgroup, and without)."""
    rng = random.Random(seed)
    rows = []
    with Bench() as bench:
        for role, pty in (("keeper", False), ("keeper", True), ("pump", False), ("pump", True)):
            mode = "terminal" if pty else "files"
            row = Row(f"{role}, at every operation ({mode})")
            every_operation(row, lambda n, r=role, p=pty: bench.run(Plan(role=r, at=n), pty=p), 60)  # type: ignore[misc]
            keep(rows, row)
            row = Row(f"{role}, at random ({mode})")
            for _ in range(kills):
                row.add(bench.run_randomly_killed([(role, rng.random() * 0.1)], pty=pty))
            keep(rows, row)
        escapes = []
        for name in ESCAPES:
            if name.startswith("fork bomb") and not can_limit_pids():
                continue
            counts = [sum(survivors(bench, name, cgroup=c)[0] > 0 for _ in range(tries)) for c in (True, False)]
            escapes.append((name, tries, *counts))
    with Supervisors() as supervisors:
        row = Row("supervisor, at every operation")
        every_operation(row, lambda n: supervisors.run(Plan(role="supervisor", at=n)))
        keep(rows, row)
        last, row = row.kills, Row("supervisor, at random operations")
        for _ in range(2 * kills):  # as many as the others get in their two modes
            row.add(supervisors.run(Plan(role="supervisor", at=rng.randint(1, last))))
        keep(rows, row)
    return rows, escapes


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=250, help="random kills of each role in each mode (default: 250)")
    parser.add_argument("--tries", type=int, default=5, help="kills of each escape by each method (default: 5)")
    parser.add_argument(
        "--jobs",
        type=int,
        nargs="*",
        default=[1, 100, 1000],
        help="so many running jobs are found again by a supervisor",
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    rows, escapes = measure(options.kills, options.tries, options.seed)
    command = f"uv run python tests/faults/report.py --kills {options.kills} --tries {options.tries}"
    print(f"By `{command} --seed {options.seed}`.\n")
    print("| killed with -9 | kills | exits lost | " + " | ".join(_WRONG) + " |")
    print("|---|--:|--:|" + "--:|" * len(_WRONG))
    for row in rows:
        print(row.line())
    lost = [size for row in rows if row.name.startswith("pump") and "terminal" in row.name for size in row.lost_bytes]
    recorded = sorted(1000 * s for row in rows if row.name.startswith("keeper, at random") for s in row.recorded_s)
    print("\n| figure | value |\n|---|--:|")
    print(f"| output lost per pump killed (terminal), bytes: mean, most | {statistics.mean(lost):.0f}, {max(lost)} |")
    middle, late = statistics.median(recorded), recorded[int(len(recorded) * 0.99)]
    print(f"| job's last act to recorded exit, keeper killed, ms: median, 99th percentile | {middle:.0f}, {late:.0f} |")
    print("\n| running jobs | another supervisor watches all, s: started by hand | after kill -9 |\n|--:|--:|--:|")
    for count in options.jobs:
        _, by_hand_s, after_kill_s = reattach(count)
        print(f"| {count:,} | {by_hand_s:.2f} | {after_kill_s:.2f} |", flush=True)
    print("\n| escape | tries | with survivors: cgroup | with survivors: looking until none is left |")
    print("|---|--:|--:|--:|")
    for name, tries, with_cgroup, without in escapes:
        print(f"| {name} | {tries} | {with_cgroup} | {without} |")
    for row in rows:
        for text in row.wrong:
            print(f"{row.name}: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
