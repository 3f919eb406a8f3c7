"""`python -m logist_core.testing.soak`: the command. Exit code 0: all invariants held; 1: one didn't; 2: bad usage."""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from logist_core.errors import LogistError
from logist_core.jobs.home import Home
from logist_core.testing.soak.chaos import Chaos, Violated
from logist_core.types.job import JobStatus

_REPORT_S = 10.0
#: What a surrounding Logist would pass on, and what would lead us out of our own directories.
_NOT_OURS = ("LOGIST_", "XDG_")


def main(arguments: list[str]) -> int:
    """Run a soak; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m logist_core.testing.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long to do random things (default: 2)")
    parser.add_argument("--seed", type=int, help="for the same choices again (timing still differs)")
    parser.add_argument("--home", type=Path, help="an empty directory for the run's home and files; it is kept")
    options = parser.parse_args(arguments)
    if sys.platform != "linux":
        parser.error("the oracle needs Linux: it reads /proc")
    if options.home is not None and options.home.exists() and any(options.home.iterdir()):
        parser.error(f"{options.home} is not empty")
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    print(f"soak: seed {seed}, {options.minutes:g} minutes", flush=True)
    root = options.home.absolute() if options.home else Path(tempfile.mkdtemp(prefix="logist-soak-"))
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    memory = "/dev/shm"  # noqa: S108 - the directory made in it is private
    run_dir = Path(tempfile.mkdtemp(prefix="soak-", dir=memory if os.access(memory, os.W_OK) else None))
    _surround(root, run_dir)
    try:
        kept = _soak(root, seed, options.minutes * 60.0)
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
    if not kept and options.home is None:
        shutil.rmtree(root, ignore_errors=True)
    return int(kept)


def _surround(root: Path, run_dir: Path) -> None:
    """Make this process, and all that it starts, live in the run's own directories."""
    for name in [name for name in os.environ if name.startswith(_NOT_OURS)]:
        del os.environ[name]
    user = root / "user"
    user.mkdir(exist_ok=True)
    (root / "config.toml").write_text("max_jobs = 6\n")
    os.environ.update(
        HOME=str(user),
        LOGIST_HOME=str(root / "home"),
        LOGIST_CONFIG=str(root / "config.toml"),
        XDG_RUNTIME_DIR=str(run_dir),
        NO_COLOR="1",
    )


def _soak(root: Path, seed: int, seconds: float) -> bool:
    """Run it and print what happened; return whether the directories are to be kept."""
    chaos = Chaos(Home.open(root / "home"), random.Random(seed))  # noqa: S311 - to be repeatable, not secret
    began = time.monotonic()
    next_at = began + _REPORT_S

    def tick() -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at += _REPORT_S
            print(f"soak: {_line(chaos, time.monotonic() - began)}", flush=True)

    violated: Violated | None = None
    try:
        chaos.run(seconds, tick)
    except Violated as error:
        violated = error
        kept = chaos.keep(error.job)
    except LogistError as error:
        violated = Violated("", f"{type(error).__name__}: {error.message}")
        kept = root
    finally:
        chaos.clean_up()
    _print_table(chaos)
    if violated is None:
        print(f"soak: all held, in {time.monotonic() - began:.0f} s (seed {seed})", flush=True)
        return False
    print(f"soak: VIOLATED (seed {seed}): {violated.text}")
    if violated.job:
        print(f"soak: job {violated.job}, as it was then: {kept / violated.job}; side file: {kept / violated.job}.side")
        for (job, attempt), kills in chaos.kills.items():
            if job == violated.job:
                shown = ", ".join(f"{kill.role} at {kill.at:.3f}" for kill in kills)
                print(f"soak: killed of attempt {attempt}: {shown}")
    print(f"soak: the whole run: {root}", flush=True)
    return True


def _line(chaos: Chaos, elapsed_s: float) -> str:
    lifecycles = _lifecycles(chaos.readable())
    dead = ", ".join(f"{n} {name.removeprefix('dead ')}" for name, n in sorted(chaos.counts.items()) if "dead " in name)
    stand = ", ".join(f"{n} {name}" for name, n in sorted(lifecycles.items()))
    return f"{elapsed_s:.0f} s: {lifecycles.total()} jobs ({stand}); killed {dead}; {chaos.counts['checks']} checks"


def _lifecycles(statuses: list[JobStatus]) -> Counter[str]:
    return Counter(status.lifecycle.value for status in statuses)


def _print_table(chaos: Chaos) -> None:
    statuses = chaos.readable()
    rows = [(f"jobs {name}", count) for name, count in sorted(_lifecycles(statuses).items())]
    rows.append(("attempts", sum(len(status.attempts) for status in statuses)))
    rows += sorted(chaos.counts.items())
    width = max(len(name) for name, _ in rows)
    for name, count in rows:
        print(f"  {name:<{width}}  {count:>6}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
