"""kill -9 of any Logist process while a job runs: the job goes on, nothing is lost, its true exit code is recorded."""

from __future__ import annotations

import os
import signal

import pytest
from support.logist import Logist, alive, kill
from support.waiting import eventually

LINES = 40
SCRIPT = f"for i in $(seq {LINES}); do echo line $i; sleep 0.1; done; exit 7"
EXPECTED = [f"line {i}" for i in range(1, LINES + 1)]


def running_job(logist: Logist) -> str:
    job = logist.shell(SCRIPT)
    eventually(lambda: "line 3\n" in logist("logs", job, code=None).stdout, what="output")
    return job


def check_it_ended_as_it_really_did(logist: Logist, job: str) -> None:
    status = logist.ended(job)
    assert status["lifecycle"] == "failed"
    assert status["exit"] == {"code": 7, "signal": None}
    assert len(status["attempts"]) == 1
    assert logist("logs", job).stdout.splitlines() == EXPECTED


def test_a_job_outlives_the_command_that_started_it(logist: Logist) -> None:
    with logist.popen("run", "-a", "command", "--", "sh", "-c", SCRIPT) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "line 1\n"
        kill(run.pid)
    (job,) = [s["id"] for s in logist.json("ls")]
    assert logist.status(job)["lifecycle"] == "running"
    check_it_ended_as_it_really_did(logist, job)


def test_a_job_outlives_the_supervisor_and_its_keeper_starts_another(logist: Logist) -> None:
    job = running_job(logist)
    first = logist.supervisor_pid()
    kill(first)
    eventually(lambda: logist.supervisor_pid() != first and alive(logist.supervisor_pid()), within_s=5.0)
    assert logist.status(job)["lifecycle"] == "running"
    check_it_ended_as_it_really_did(logist, job)


def test_a_job_outlives_its_pump(logist: Logist) -> None:
    job = running_job(logist)
    kill(logist.pump_pid(job))
    check_it_ended_as_it_really_did(logist, job)


def test_a_job_outlives_its_keeper(logist: Logist) -> None:
    job = running_job(logist)
    kill(logist.keeper_pid(job))
    eventually(lambda: "orphaned" in logist.status(job)["conditions"], within_s=5.0)
    assert logist.status(job)["lifecycle"] == "running"
    check_it_ended_as_it_really_did(logist, job)


def test_a_job_outlives_all_of_them_at_once_and_is_found_again_and_never_run_twice(logist: Logist) -> None:
    job = running_job(logist)
    agent = logist.status(job)["pid"]
    everybody = [logist.supervisor_pid(), logist.pump_pid(job), logist.keeper_pid(job)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)  # so that none of them sees the others die
    for pid in everybody:
        kill(pid)
    assert alive(agent)
    eventually(lambda: logist.status(job)["lifecycle"] == "running", within_s=5.0)
    assert logist.status(job)["pid"] == agent
    check_it_ended_as_it_really_did(logist, job)


def test_recover_settles_a_job_that_ended_while_nobody_looked(logist: Logist) -> None:
    job = running_job(logist)
    everybody = [logist.supervisor_pid(), logist.pump_pid(job), logist.keeper_pid(job), logist.status(job)["pid"]]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)  # so that none of them sees the others die
    for pid in everybody:
        kill(pid)
    before = logist.json("recover", "--dry-run")
    assert [r["after"] for r in before["jobs"]] == ["running"]
    logist("recover")
    status = logist.ended(job)
    # Whoever reads /proc before init has reaped the agent sees how it ended; after that nobody can know.
    assert (status["lifecycle"], status["exit"]) in [("failed", {"code": None, "signal": 9}), ("lost", None)]


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_a_stop_is_carried_out_though_the_supervisor_died_at_once(logist: Logist, command: str) -> None:
    job = running_job(logist)
    kill(logist.supervisor_pid())
    logist(command, job)
    status = logist.ended(job)
    assert status["lifecycle"] == "cancelled"
    assert status["exit"]["signal"] is not None
