"""The commands that ask something of jobs, up to the point where a supervisor carries it out."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logist_core.cli import cmd_rm, cmd_supervise
from logist_core.jobs.store import JobStore
from logist_core.supervise import singleton
from logist_core.supervise.limits import USUAL_PACE

Run = Callable[..., Any]


def kinds(jobs: Any, job: str) -> list[str]:
    return [event.kind for event in jobs.store.events(job)]


# stop, kill


def test_a_queued_job_that_is_stopped_is_cancelled_at_once(jobs: Any, logist_here: Run) -> None:
    job = jobs.make()
    ran = logist_here("stop", job)
    assert (ran.code, ran.out) == (0, "")
    assert "cancelled" in ran.err
    assert jobs.store.status(job).lifecycle == "cancelled"


@pytest.mark.parametrize(("command", "mode"), [("stop", "stop"), ("kill", "kill")])
def test_a_running_job_is_asked_through_its_journal(jobs: Any, logist_here: Run, command: str, mode: str) -> None:
    job = jobs.running()
    assert logist_here(command, job).code == 0
    status = jobs.store.status(job)
    assert (status.cancel, status.lifecycle) == (mode, "running")


def test_the_grace_of_a_stop_is_passed_on(jobs: Any, logist_here: Run) -> None:
    job = jobs.running()
    logist_here("stop", job, "--grace", "3s")
    assert jobs.store.events(job)[-1].data["grace_s"] == 3.0


def test_one_wrong_reference_stops_no_job(jobs: Any, logist_here: Run) -> None:
    job = jobs.running()
    assert logist_here("stop", job, "nosuchjob").code == 3
    assert jobs.store.status(job).cancel is None


def test_of_several_jobs_one_that_has_ended_does_not_save_the_others(jobs: Any, logist_here: Run) -> None:
    ended, running = jobs.ended(), jobs.running()
    ran = logist_here("stop", ended, running)
    assert ran.code == 2
    assert "has ended already" in ran.err
    assert jobs.store.status(running).cancel == "stop"


def test_a_stop_can_wait_for_the_end(jobs: Any, logist_here: Run) -> None:
    job = jobs.running()
    timer = threading.Timer(0.2, lambda: jobs.add(job, *jobs.end(0)))
    timer.start()
    ran = logist_here("stop", "--wait", job)
    timer.join()
    assert "succeeded" in ran.err


# retry, resume, send


def test_only_a_job_that_is_over_can_be_retried(jobs: Any, logist_here: Run) -> None:
    job = jobs.running()
    ran = logist_here("retry", job)
    assert ran.code == 2
    assert "running" in ran.err


def test_a_held_job_is_resumed_with_what_it_is_told(jobs: Any, logist_here: Run) -> None:
    job = jobs.held()
    assert logist_here("resume", job, "I have logged in").code == 0
    status = jobs.store.status(job)
    assert (status.lifecycle, status.resume, status.resume_prompt) == ("queued", True, "I have logged in")


@pytest.mark.parametrize("prompt", ["", "a\0b"])
def test_what_a_resumed_job_is_told_must_be_fit_for_an_agent(jobs: Any, logist_here: Run, prompt: str) -> None:
    job = jobs.held()
    assert logist_here("resume", job, prompt).code == 2
    assert jobs.store.status(job).lifecycle == "held"


def test_nothing_can_be_sent_to_a_job_that_does_not_run(jobs: Any, logist_here: Run) -> None:
    ran = logist_here("send", jobs.ended(), "hello")
    assert ran.code == 2
    assert "not running" in ran.err
    assert logist_here("send", jobs.ended(), "", "--no-enter").code == 2


# rm


def test_an_ended_job_is_removed_and_its_id_printed(jobs: Any, logist_here: Run) -> None:
    job, other = jobs.ended(), jobs.ended()
    assert logist_here("rm", job).out.split() == [job]
    assert jobs.store.ids() == [other]


def test_a_job_that_has_not_ended_is_kept(jobs: Any, logist_here: Run) -> None:
    running, ended = jobs.running(), jobs.ended()
    ran = logist_here("rm", running, ended)
    assert ran.code == 1
    assert ran.out.split() == [ended]
    assert jobs.store.ids() == [running]


def test_force_cancels_a_queued_job_and_removes_it(jobs: Any, logist_here: Run) -> None:
    job = jobs.make()
    assert logist_here("rm", "--force", job).out.split() == [job]
    assert jobs.store.ids() == []


def test_force_removes_a_job_whose_records_are_damaged(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    (jobs.store.job_dir(job) / "state.json").unlink()
    (jobs.store.job_dir(job) / "events.log").write_text("garbage\n")
    assert logist_here("rm", job).code == 1
    assert logist_here("rm", "--force", job).code == 0
    assert jobs.store.ids() == []


def test_force_keeps_a_job_that_does_not_end(jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cmd_rm, "KILL_WAIT_S", 0.1)
    job = jobs.running()
    ran = logist_here("rm", "--force", job)
    assert ran.code == 1
    assert "was not removed" in ran.err
    assert jobs.store.status(job).cancel == "kill"


def test_ended_jobs_are_removed_by_age(jobs: Any, logist_here: Run) -> None:
    two_hours_ago = JobStore(jobs.home, now=lambda: time.time() - 7200)
    old = type(jobs)(jobs.home, two_hours_ago, now=time.time() - 7210).ended()
    young, running = jobs.ended(), jobs.running()
    assert "no job to remove" in logist_here("rm", "--ended", "--older", "3h").err
    assert logist_here("rm", "--ended", "--older", "1h").out.split() == [old]
    assert sorted(jobs.store.ids()) == sorted([young, running])
    assert logist_here("rm", "--ended").out.split() == [young]


@pytest.mark.parametrize("args", [(), ("x", "--ended"), ("x", "--older", "1d")])
def test_what_to_remove_must_be_said_once(jobs: Any, logist_here: Run, args: tuple[str, ...]) -> None:
    assert logist_here("rm", *args).code == 2


# recover, supervise


def test_recovery_reports_every_job_that_has_not_ended(jobs: Any, logist_here: Run) -> None:
    jobs.ended()
    queued = jobs.make()
    ran = logist_here("recover", "--dry-run", "--json")
    assert (ran.json["schema"], ran.json["dry_run"]) == (1, True)
    assert [job["id"] for job in ran.json["jobs"]] == [queued]
    shown = logist_here("recover", "--dry-run")
    assert queued in shown.out
    assert "nothing was changed" in shown.err
    assert queued in logist_here("recover").out


def test_without_a_home_there_is_no_supervisor(logist_here: Run) -> None:
    assert "no supervisor" in logist_here("supervise", "--status").out
    assert logist_here("supervise", "--status", "--json").json == {"schema": 1, "alive": False, "supervisor": None}


def record_of(jobs: Any, pid: int, **changes: Any) -> singleton.SupervisorRecord:
    from logist_core import platform

    fields = {
        "pid": pid,
        "start": platform.process_start(pid),
        "boot_id": platform.boot_id(),
        "socket": "/nowhere",
        "max_jobs": 3,
        "started_at": jobs.now,
        "version": "0.1",
    }
    record = singleton.SupervisorRecord(**{**fields, **changes})
    singleton.write_record(jobs.home.path, record)
    return record


def test_a_living_supervisor_is_described(jobs: Any, logist_here: Run) -> None:
    assert "is starting" in logist_here("supervise", "--status").out
    record_of(jobs, os.getpid())
    assert f"pid {os.getpid()}" in logist_here("supervise", "--status").out
    assert logist_here("supervise", "--status", "--json").json["supervisor"]["max_jobs"] == 3


def test_a_process_that_only_has_the_supervisors_old_pid_is_not_ended(jobs: Any, logist_here: Run) -> None:
    import subprocess

    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        record_of(jobs, bystander.pid, start="1")
        ran = logist_here("supervise", "--stop")
        assert ran.code == 1
        assert "is not the supervisor" in ran.err
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_supervisor_that_does_not_leave_is_reported(
    jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmd_supervise, "STOP_WAIT_S", 0.1)
    taken: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: taken.append(number))
    try:
        record_of(jobs, os.getpid())
        assert logist_here("supervise", "--stop").code == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert taken == [signal.SIGTERM]


def test_without_a_supervisor_there_is_none_to_stop(logist_here: Run, jobs: Any, tmp_path: Path) -> None:
    assert "no supervisor" in logist_here("supervise", "--stop").err
    assert logist_here("supervise", "--status", "--stop").code == 2


def test_a_second_supervisor_is_refused(jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from logist_core.supervise import daemon

    asked: list[object] = []
    monkeypatch.setattr(daemon, "run", lambda home, **options: asked.append(options) or 0)
    assert logist_here("supervise", "--max-jobs", "3").code == 0
    assert asked == [{"max_jobs": 3, "on_demand": False, "pace": USUAL_PACE, "interventions_per_hour": 5}]
