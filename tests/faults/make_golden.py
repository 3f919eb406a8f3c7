"""Makes a golden home: what a real run of this version leaves on the disk, with everything of the machine taken out.

    python tests/faults/make_golden.py tests/faults/golden/NAME.json

One JSON object, file name to content. The name says which layout, journal and protocol it is of; what is stored is
never made anew, for later versions have to read it as it is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from logist_core.jobs import journal
from logist_core.types.job import JobEvent

HOME = "/home/user/.local/state/logist"
#: Caches, locks and what only says which processes there were.
LEFT_OUT = ("supervisor.", ".reserve", "state.json", ".lock", "hooks.json", ".tmp", "shim.err")


def main(target: str) -> None:
    """Run three jobs and write down what they left."""
    with tempfile.TemporaryDirectory(prefix="lg-") as root, tempfile.TemporaryDirectory(prefix="lr-") as run:
        home = Path(root, "home")
        environment = {"PATH": os.environ["PATH"], "LOGIST_HOME": str(home), "HOME": root, "XDG_RUNTIME_DIR": run}

        def logist(*words: str) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "logist_core", *words],
                env=environment,
                cwd=root,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.stdout or not done.stderr.startswith("logist: error"), done.stderr
            return done.stdout.strip()

        command = ("-d", "-a", "command", "-C", "/")
        jobs = [
            logist(
                "run", "-d", *command, "--name", "greets", "--label", "team=a", "--", "sh", "-c", "echo hello; exit 7"
            ),
            logist("run", "-d", "-C", "/", "-a", "mock", "say something"),
            logist(
                "run", "-d", *command, "--pty", "--name", "sleeps", "--", "sh", "-c", "echo on a terminal; sleep 600"
            ),
        ]
        logist("wait", *jobs[:2], "--timeout", "30s")
        deadline = time.monotonic() + 30
        while "on a terminal" not in logist("logs", jobs[2]) and time.monotonic() < deadline:
            time.sleep(0.1)
        golden = {
            str(path.relative_to(home)): neutral(path.name, path.read_bytes(), str(home), root, run)
            for path in sorted(home.rglob("*"))
            if path.is_file() and not any(part in path.name for part in LEFT_OUT)
        }
        logist("kill", *jobs[2:])
        logist("wait", *jobs[2:], "--timeout", "30s")
        logist("supervise", "--stop")
    Path(target).write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


def neutral(name: str, data: bytes, home: str, root: str, run: str) -> str:
    """Return a file's text without names and ids of this machine and its user."""
    text = data.decode()
    identity = _identity()
    for found, put in (
        (home, HOME),
        (run, "/run/user/1000"),
        (root, "/home/user"),
        (sys.executable, "/usr/bin/python3"),
        (sys.prefix, "/usr"),
        (str(Path(__file__).parents[2]), "/usr/lib/logist"),
        *identity.items(),
    ):
        text = text.replace(found, put)
    text = re.sub(r'("created_by":\s*)"[^"]*"', r'\1"user@host"', text)
    text = re.sub(r'("PATH":\s*)"[^"]*"', r'\1"/usr/bin:/bin"', text)
    if name != "events.log":
        return text
    # The checksums are of the lines as they were: seal them again.
    lines = []
    for line in text.splitlines():
        record = json.loads(line)
        event = JobEvent(**{field: record[field] for field in JobEvent.__slots__})
        lines.append(journal.encode(event, record.get("more", 0)).decode())
    return "".join(lines)


def _identity() -> dict[str, str]:
    from logist_runtime_host import keeper

    known = keeper.identity()
    return {
        known["boot_id"]: "11111111-2222-4333-8444-555555555555",
        known["machine_id"]: "0123456789abcdef0123456789abcdef",
        known["pid_space"]: "pid:[4026531836] time:[4026531834]",
    }


if __name__ == "__main__":
    main(sys.argv[1])
