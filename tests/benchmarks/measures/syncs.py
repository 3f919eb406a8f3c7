"""How often one job makes the disk write: each sync is a wait on a real disk."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter

from support.waiting import eventually

from benchmarks.ground import Ground
from benchmarks.peers import program
from benchmarks.report import Table
from benchmarks.scale import Scale

#: Each is a wait on a real disk. More of them is a decision, not an accident.
MOST_SYNCS = 14
_CALL = re.compile(r"(fsync|fdatasync|syncfs|sync_file_range)\(\d+<([^>]*)>")


def measure(scale: Scale) -> list[Table]:
    table = Table("syncs of one job, from `logist run -d` to its recorded end", ("count",))
    if shutil.which("strace") is None:
        table.unmeasured["logist"] = "strace is not installed (.ci/install-peers)"
        return [table]
    with Ground() as ground:
        trace = ground.root / "trace"
        argv = ["strace", "-f", "-qq", "-y", "-e", "trace=fsync,fdatasync,syncfs,sync_file_range", "-o", str(trace)]
        done = subprocess.run([*argv, "true"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            table.unmeasured["logist"] = f"strace may not trace here: {done.stderr.strip().splitlines()[-1:]}"
            return [table]
        argv += [*_python(), "-m", "logist_core", "run", "-d", "-a", "command", "--", "true"]
        # strace goes on until the supervisor, which the command has started, leaves.
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=ground.environment) as tracing:
            assert tracing.stdout is not None
            job = tracing.stdout.readline().strip()
            (status,) = ground.wait(job)
            assert status.lifecycle == "succeeded", status
            eventually((ground.logist.home / "supervisor.json").exists, what="the supervisor")
            ground.logist("supervise", "--stop", code=None)
            tracing.wait(60)
        kinds = Counter(_what(path, str(ground.root)) for _, path in _CALL.findall(trace.read_text()))
        assert kinds.total() <= MOST_SYNCS, kinds
        table.add("all", float(kinds.total()))
        for kind, count in kinds.most_common():
            table.add(kind, float(count))
    if program("nq") or program("tsp"):
        table.notes.append("nq, task-spooler, tmux and dtach never sync: after a power cut nothing is promised")
    return [table]


def _python() -> list[str]:
    import sys

    return [sys.executable]


def _what(path: str, root: str) -> str:
    """Return the path with what differs from run to run taken out."""
    short = path.removeprefix(root).removeprefix("/home/")
    short = re.sub(r"\bjobs/(\.new-)?[0-9a-z]{16}[^/]*", "jobs/ID", short)
    return re.sub(r"/\.([a-z.]+?)\.\d.*", r"/\1", short)
