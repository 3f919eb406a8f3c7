"""Runs agents through failures, and prints or writes the table. Exit code 1 where a verdict is wrong.

    python -m tests.real.matrix                       all agents, all failures (half an hour)
    python -m tests.real.matrix --quick               six agents and ten failures: a few minutes
    python -m tests.real.matrix codex --case 401      one cell
    python -m tests.real.matrix --write               ... and writes docs/reference/agent-matrix.md

Needs the programs (`.ci/install-agents all`), and a network namespace: root, or unprivileged user namespaces.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fake_provider.harness import agent_program, run_provider
from real.matrix.cases import QUICK, chosen
from real.matrix.cells import GRACE_S, Cell, run_cell
from real.matrix.report import DOCUMENT, merged, page, summary
from real.matrix.stands import STANDS
from support.logist import Logist

CI_AGENTS = ("claude", "codex", "gemini", "opencode", "aider", "mini")


def run_matrix(agents: list[str], cases: list[str] | None, *, jobs: int, grace_s: float = GRACE_S) -> list[Cell]:
    """Run every case with every agent, `jobs` at a time; print each cell as it comes."""
    root = Path(tempfile.mkdtemp(prefix="logist-matrix-"))
    run_dir = Path(tempfile.mkdtemp(prefix="lg-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "LANG": "C.UTF-8",
        "LOGIST_HOME": str(root / "logist"),
        "LOGIST_CONFIG": str(root / "config.toml"),
        "XDG_RUNTIME_DIR": str(run_dir),
        "NO_COLOR": "1",
    }
    (root / "config.toml").write_text(f"max_jobs = {jobs + 2}\n")
    for agent in agents:
        agent_program(agent)
    cells: list[Cell] = []
    try:
        with run_provider(root) as provider:
            logist = Confined(root / "logist", environment, inside=provider.inside)
            try:
                with ThreadPoolExecutor(jobs) as pool:
                    # By case, so that the slow starters among the agents are spread over the time.
                    futures = [
                        pool.submit(run_cell, agent, case, provider, logist, root, grace_s=grace_s)
                        for case in chosen(cases)
                        for agent in agents
                    ]
                    for future in futures:
                        cells.append(future.result())
                        print(_line(cells[-1]), flush=True)
            finally:
                logist.clean_up()
    finally:
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(run_dir, ignore_errors=True)
    return cells


class Confined(Logist):
    """The `logist` command inside the provider's namespace, supervisor, runtime and agents included."""

    def __init__(self, home: Path, environment: dict[str, str], *, inside: object) -> None:
        super().__init__(home, environment)
        self._inside = inside

    def popen(self, *args: str, **options: object) -> object:  # type: ignore[override]
        import subprocess

        for stream in ("stdin", "stdout", "stderr"):
            options.setdefault(stream, subprocess.DEVNULL if stream == "stdin" else subprocess.PIPE)
        env = {**self.environment, **options.pop("env", {})}  # type: ignore[dict-item]
        argv = self._inside([sys.executable, "-m", "logist_core", *args])  # type: ignore[operator]
        return subprocess.Popen(argv, text=True, env=env, **options)  # type: ignore[call-overload]


def _line(cell: Cell) -> str:
    told = "-" if cell.verdict_s is None else f"{cell.verdict_s:.1f}s"
    words = (
        f"{cell.agent:9} {cell.case:12} {cell.verdict:8} {cell.cause or '-':17} {cell.end:10} {cell.exit:10} {told:8}"
    )
    return f"{words} {cell.reason[:110]}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real.matrix", description=__doc__)
    parser.add_argument("agents", nargs="*", choices=[[], *STANDS], help="which agents (default: all)")
    parser.add_argument("--case", action="append", help="one case; repeatable")
    parser.add_argument("--quick", action="store_true", help="six agents, ten cases each")
    parser.add_argument("--jobs", type=int, default=3, help="so many at the same time (default: 3)")
    parser.add_argument("--write", action="store_true", help=f"write what was found into {DOCUMENT.name}")
    parser.add_argument("--json", type=Path, help="write the cells here as well")
    options = parser.parse_args(arguments)
    agents = options.agents or list(CI_AGENTS if options.quick else STANDS)
    cases = options.case or (list(QUICK) if options.quick else None)
    began = time.monotonic()
    cells = run_matrix(agents, cases, jobs=options.jobs, grace_s=1.0 if options.quick else GRACE_S)
    print(summary(cells), f"({time.monotonic() - began:.0f} s)")
    if options.json:
        options.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")
    if options.write:
        DOCUMENT.write_text(page(merged(cells, list(STANDS))))
    return 1 if any(cell.verdict == "wrong" for cell in cells) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
