"""Which rules match which lines of a log: Logist's engines beside ripgrep, grep, RE2 and the naive loop.

Figures are of CPU time, so that a busy machine changes them little; each engine runs in a process of its own, on one
thread. What is slow is measured on the first part of the log. All have to find the same.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import agentlog
from benchmarks.peers import HOW, VENV, program
from benchmarks.report import Table
from benchmarks.scale import Scale
from logist_core.observe.engines import VARIABLE, FastEngine, works

_CHILD = Path(__file__).parent.parent / "children" / "classify.py"
#: What is read at less than some MB/s reads so much.
_PART, _SMALL_PART = 16 << 20, 1 << 20
#: So long is waited for a program that is no Logist.
_PATIENCE_S = 300.0


def measure(scale: Scale) -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="logist-bench-") as root:
        log = agentlog.log(scale.log_mib << 20)
        parts = {}
        for size in (len(log), _PART, _SMALL_PART):
            cut = log.rfind(b"\n", 0, min(size, len(log))) + 1
            parts[size] = Path(root) / f"{size}.log"
            parts[size].write_bytes(log[:cut])
        whole = len(log)
        matching = 0
        tables = []
        for count in scale.rules:
            table, matching = _one(f"{count:,} rules", agentlog.rules(count), parts, whole)
            tables.append(table)
        plain = agentlog.rules(min(200, scale.rules[-1]), plain=True)
        tables.append(_one(f"{len(plain):,} plain messages, anywhere in a line,", plain, parts, whole)[0])
        share = 100 * matching / log.count(b"\n")
        tables[0].notes.append(f"log: {len(log) / 1e6:.0f} MB, {log.count(10):,} lines, {share:.2f} % of them match")
        return tables


def _one(what: str, rules: list[str], parts: dict[int, Path], whole: int) -> tuple[Table, int]:
    # What can be made once is made once: a supervisor lives for days. The peers' own is a fraction of a second.
    table = Table(
        f"Classifying a log with {what}, MB/s of CPU time",
        ("MB/s", "MB/s by the clock", "made in s", "MiB at most"),
        against=("ripgrep",),
        ratio_of="MB/s",
    )
    log, part, small = parts[whole], parts[_PART], parts[_SMALL_PART]
    _add(table, "nothing: read in pieces of 64 KiB", log, _child("nothing", log, rules))
    oracle = _child("logist", log, rules, engine="portable", part=part.stat().st_size)
    if works(FastEngine):
        fast = _child("logist", log, rules, engine="fast", part=small.stat().st_size)
        assert fast["digest"] == oracle["digest"], "the engines don't find the same"
        _add(table, "logist, fast engine", log, fast)
    else:
        table.unmeasured["logist, fast engine"] = "hyperscan isn't installed: logist-core[fast]"
    _add(table, "logist, portable engine", log, oracle)
    naive = _child("naive", small, rules)
    again = _child("logist", small, rules, engine="portable")
    assert naive["digest"] == again["digest"], "the naive loop doesn't find the same"
    _add(table, "naive loop of `regex`", small, naive)
    _add_command(table, "ripgrep", log, ["rg", "--no-config", "-j1", "-c", "-f", "-", str(log)], rules, oracle["lines"])
    # grep has no (?i) in an expression: all its rules ignore case, which for this log makes no difference it can find.
    grep = ["grep", "-a", "-E", "-i", "-c", "-f", "-", str(small)]
    _add_command(table, "grep -E", small, grep, [_extended(rule) for rule in rules], None)
    if (VENV / "bin" / "python").exists() and _has_re2():
        re2 = _child("re2", part, rules, python=str(VENV / "bin" / "python"))
        assert re2["digest"] == oracle["part_digest"], "RE2 doesn't find the same"
        _add(table, "google-re2 Set, line by line", part, re2)
    else:
        table.unmeasured["google-re2 Set, line by line"] = HOW
    return table, oracle["lines"]


def _extended(rule: str) -> str:
    return rule.removeprefix("(?i)").replace("(?:", "(")


def _has_re2() -> bool:
    asked = subprocess.run([str(VENV / "bin" / "python"), "-c", "import re2"], capture_output=True, check=False)
    return asked.returncode == 0


def _add(table: Table, name: str, log: Path, figures: dict[str, Any]) -> None:
    size = log.stat().st_size / 1e6
    rates = (size / max(figures["cpu_s"], 1e-6), size / max(figures["wall_s"], 1e-6))
    table.add(name, *rates, figures["made_in_s"], figures["rss_kib"] / 1024)


def _child(
    name: str, log: Path, rules: list[str], *, engine: str = "", part: int = 0, python: str = sys.executable
) -> dict[str, Any]:
    done = subprocess.run(
        [python, str(_CHILD), name, str(log), json.dumps(rules), str(part)],
        env={**os.environ, VARIABLE: engine}, capture_output=True, text=True, check=False, timeout=3_600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _add_command(table: Table, name: str, log: Path, argv: list[str], rules: list[str], expected: int | None) -> None:
    path = program(argv[0])
    if path is None:
        table.unmeasured[name] = HOW
        return
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    try:
        done = subprocess.run(
            [path, *argv[1:]], input="\n".join(rules) + "\n", capture_output=True, text=True, check=False,
            timeout=_PATIENCE_S, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        table.unmeasured[name] = f"not done with {log.stat().st_size / 1e6:.0f} MB after {_PATIENCE_S:.0f} s"
        return
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stderr
    assert expected is None or int(done.stdout or 0) == expected, f"{name}: {done.stdout.strip()} lines, not {expected}"
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    size = log.stat().st_size / 1e6
    table.add(name, size / max(cpu, 1e-6), size / wall, None, None)
