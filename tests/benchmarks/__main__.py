"""Prints every table, and what could not be measured and why. Exit code 0 unless something measured is wrong."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measures import MEASURES
from benchmarks.page import write
from benchmarks.report import Table, render
from benchmarks.scale import FULL, PART, SMALL, THOUSAND


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="tiny sizes: for correctness, not for figures")
    parser.add_argument("--thousand", action="store_true", help="idle and re-attached jobs up to 1,000 (needs ~6 GB)")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="one measure; repeatable")
    parser.add_argument("--part", action="store_true", help="smaller sizes, for a machine that others work on")
    parser.add_argument("--page", type=Path, help="write the tables between the marks of this Markdown page")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    scale = SMALL if options.small else PART if options.part else THOUSAND if options.thousand else FULL
    machine = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg(),
    }
    print("machine:", ", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    tables: list[Table] = []
    for name in options.only or MEASURES:
        began = time.monotonic()
        found = MEASURES[name](scale)
        tables += found
        for table in found:
            print("\n" + render(table), flush=True)
        load = "/".join(f"{value:.1f}" for value in os.getloadavg())
        print(f"({name}: {time.monotonic() - began:.0f} s; load {load})", flush=True)
    if options.page is not None:
        write(options.page, tables, machine, f"uv run python tests/benchmarks {' '.join(arguments)}")
    if options.json is not None:
        record = {"schema": 1, "machine": machine, "scale": scale.name, "tables": [t.to_json() for t in tables]}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
