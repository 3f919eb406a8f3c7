"""kill -9 of any Logist process while a job runs: the job goes on, nothing is lost, its true exit code is recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.logist import Logist, alive, kill
from support.waiting import eventually

SCRIPT = """
i=0
while [ ! -e "$GATE" ]; do i=$((i + 1)); echo line $i; sleep 0.1; done
echo $i > "$GATE"
exit 7
"""


def running_job(logist: Logist) -> str:
    """Return a job that prints a line every 0.1 s until it is told to end with code 7."""
    job = logist.shell(SCRIPT, "--env", f"GATE={logist.home.parent / 'gate'}")
    eventually(lambda: "line 3\n" in logist("logs", job, code=None).stdout, what="output")
    return job


def check_it_ends_as_it_really_does(logist: Logist, job: str) -> None:
    """Let the job go on for a while, then end, and compare the records with what it says itself."""
    seen = logist("logs", job).stdout.count("\n")
    eventually(lambda: logist("logs", job).stdout.count("\n") > seen + 3, what="more output")
    gate = logist.home.parent / "gate"
    gate.touch()
    status = logist.ended(job)
    assert status["lifecycle"] == "failed"
    assert status["exit"] == {"code": 7, "signal": None}
    assert len(status["attempts"]) == 1
    printed = int(gate.read_text())
    assert logist("logs", job).stdout.splitlines() == [f"line {i}" for i in range(1, printed + 1)]


def test_a_job_outlives_the_command_that_started_it(logist: Logist) -> None:
    gate = logist.home.parent / "gate"
    with logist.popen("run", "-a", "command", "--env", f"GATE={gate}", "--", "sh", "-c", SCRIPT) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "line 1\n"
        kill(run.pid)
    (job,) = [s["id"] for s in logist.json("ls")]
    assert logist.status(job)["lifecycle"] == "running"
    check_it_ends_as_it_really_does(logist, job)


def test_a_job_outlives_the_supervisor_and_its_keeper_starts_another(logist: Logist) -> None:
    job = running_job(logist)
    first = logist.supervisor_pid()
    kill(first)
    eventually(lambda: logist.supervisor_pid() != first and alive(logist.supervisor_pid()), what="another supervisor")
    assert logist.status(job)["lifecycle"] == "running"
    check_it_ends_as_it_really_does(logist, job)


def test_a_job_outlives_its_pump(logist: Logist) -> None:
    job = running_job(logist)
    kill(logist.pump_pid(job))
    check_it_ends_as_it_really_does(logist, job)


def test_a_job_outlives_its_keeper(logist: Logist) -> None:
    job = running_job(logist)
    kill(logist.keeper_pid(job))
    eventually(lambda: "orphaned" in logist.status(job)["conditions"], what="the loss of the keeper")
    assert logist.status(job)["lifecycle"] == "running"
    check_it_ends_as_it_really_does(logist, job)


def test_a_job_outlives_all_of_them_at_once_and_is_found_again_and_never_run_twice(logist: Logist) -> None:
    job = running_job(logist)
    agent = logist.status(job)["pid"]
    kill_at_once(logist.supervisor_pid(), logist.pump_pid(job), logist.keeper_pid(job))
    assert alive(agent)
    status = logist.status(job)
    assert (status["lifecycle"], status["pid"]) == ("running", agent)
    check_it_ends_as_it_really_does(logist, job)


def test_recover_settles_a_job_that_ended_while_nobody_looked(logist: Logist) -> None:
    job = running_job(logist)
    agent = logist.status(job)["pid"]
    kill_at_once(logist.supervisor_pid(), logist.pump_pid(job), logist.keeper_pid(job), agent)
    before = logist.json("recover", "--dry-run")
    assert [r["after"] for r in before["jobs"]] == ["running"]
    logist("recover")
    status = logist.ended(job)
    # Whoever reads /proc before init has reaped the agent sees how it ended; after that nobody can know.
    assert (status["lifecycle"], status["exit"]) in [("failed", {"code": None, "signal": 9}), ("lost", None)]


def test_the_queue_goes_on_though_the_supervisor_died_with_the_last_running_job(logist: Logist) -> None:
    Path(logist.environment["LOGIST_CONFIG"]).write_text("max_jobs = 1\n")
    job = running_job(logist)
    ran = logist.home.parent / "ran"
    logist.until(logist.shell(f"touch {ran}"), "queued")
    kill(logist.supervisor_pid())
    (logist.home.parent / "gate").touch()
    # No command is run now that could start a supervisor: the keepers have to.
    eventually(ran.exists, within_s=60.0, what="the queued job")
    assert logist.ended(job)["exit"] == {"code": 7, "signal": None}


def kill_at_once(*pids: int) -> None:
    """Kill -9 all of them, none of which sees another one die."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        kill(pid)


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_a_stop_is_carried_out_though_the_supervisor_died_at_once(logist: Logist, command: str) -> None:
    job = running_job(logist)
    kill(logist.supervisor_pid())
    logist(command, job)
    status = logist.ended(job)
    assert status["lifecycle"] == "cancelled"
    assert status["exit"]["signal"] is not None


LONG_LIVED = """
import os, signal, sys, time
from logist_core.jobs.home import Home
from logist_core.supervise.client import ensure_supervisor, supervisor_info
home = Home.open()
ensure_supervisor(home)
pid = supervisor_info(home).record.pid
os.kill(pid, signal.SIGKILL)
while os.path.exists(f"/proc/{pid}"):
    time.sleep(0.01)
"""


def test_a_supervisor_that_dies_leaves_no_zombie_in_a_command_that_lives_on(logist: Logist) -> None:
    done = subprocess.run([sys.executable, "-c", LONG_LIVED], env=logist.environment, timeout=60, check=False)
    assert done.returncode == 0
