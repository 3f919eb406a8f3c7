"""Cases 13, 15 and 16: a pid, a group or a boot that came to mean something else is never acted upon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Runs as the first process of a pid namespace of its own, where the next pid can be chosen.
REUSE = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

command = sys.argv[1]
home = Path(os.environ["LOGIST_HOME"])


def logist(*words):
    return subprocess.run([sys.executable, "-m", "logist_core", *words], capture_output=True, text=True)


def gone(pid):
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        try:
            os.waitpid(pid, os.WNOHANG)  # we are init here
        except ChildProcessError:
            pass
        time.sleep(0.002)


def take(pid):
    for _ in range(50):
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            os.setsid()  # its group and its session bear the reused number too
            os.execvp("sleep", ["sleep", "600"])
        if child == pid:
            return
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    sys.exit(f"pid {pid} could not be had again")


signal.alarm(60)  # and with us, the first process, all others go

job = logist("run", "-d", "-a", "command", "--", "sleep", "600").stdout.strip()
attempt = home / "jobs" / job / "attempts" / "1"
while not (attempt / "child.json").exists():
    time.sleep(0.01)
leader = json.loads((attempt / "child.json").read_text())["pid"]
guard = json.loads((attempt / "shim.json").read_text())["pid"]
supervisor = json.loads((home / "supervisor.json").read_text())["pid"]
pump = [int(p) for p in Path(f"/proc/{guard}/task/{guard}/children").read_text().split() if int(p) != leader][0]
victims = (supervisor, guard, pump, leader)
for pid in victims:
    os.kill(pid, signal.SIGSTOP)
for pid in victims:
    os.kill(pid, signal.SIGKILL)
for pid in victims:
    gone(pid)
victims = victims[1:]  # the supervisor's record is asked for a poke only, by a socket's name
for pid in victims:
    take(pid)
answers = [logist(command, *([job] if command != "recover" else []))]
logist("wait", job, "--timeout", "20s")
status = json.loads(logist("status", job, "--json").stdout)
answers += [logist("recover"), logist("supervise", "--stop")]
living = [pid for pid in victims if os.waitpid(pid, os.WNOHANG) == (0, 0)]
print(json.dumps({"living": len(living), "of": len(victims), "lifecycle": status["lifecycle"]}))
for pid in victims:
    os.kill(pid, signal.SIGKILL)
"""


@pytest.mark.parametrize("command", ["recover", "stop", "kill"])
def test_cases_15_and_16_strangers_that_got_the_recorded_pids_and_groups_survive(tmp_path: Path, command: str) -> None:
    if os.getuid() != 0:
        pytest.skip("a pid namespace of one's own needs root here")
    script = tmp_path / "reuse.py"
    script.write_text(REUSE)
    run = tmp_path / "r"
    run.mkdir(mode=0o700)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE_", "LOGIST_"))}
    environment |= {"LOGIST_HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(run), "HOME": str(tmp_path)}
    found = subprocess.run(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, str(script), command],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        env=environment,
    )
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert (answer["living"], answer["of"]) == (3, 3)
    assert answer["lifecycle"] in ("lost", "cancelled")
