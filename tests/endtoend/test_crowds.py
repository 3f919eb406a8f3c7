"""Many processes and many jobs at once: one attempt each, no torn file, true codes, nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.logist import Logist
from support.waiting import eventually

from logist_core.config import Config
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.registry import Registry
from logist_core.supervise.client import poke
from logist_core.supervise.submit import SubmitRequest
from logist_core.supervise.submit import submit as store_submit


def test_fifty_commands_on_one_job_at_once_leave_one_attempt_and_one_truth(logist: Logist) -> None:
    gate = logist.home.parent / "gate"
    job = logist.shell(f"trap '' TERM; while [ ! -e {gate} ]; do sleep 0.1; done; exit 3")
    logist.until(job, "running")
    commands = [
        ("status", job, "--json"),
        ("logs", job),
        ("wait", job, "--timeout", "2s"),
        ("recover", "--json"),
        ("ls", "--json"),
        ("events", job, "--json"),
        ("stop", job, "--grace", "30s"),
        ("retry", job),
        ("send", job, "x"),
        ("kill", "no-such-job"),
    ]
    crowd = [logist.popen(*commands[i % 7]) for i in range(35)] + [
        logist.popen(*commands[7 + i % 3]) for i in range(15)
    ]
    for process in crowd:
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        if process.returncode == 0 and "--json" in process.args and "events" not in process.args:
            json.loads(out)
    gate.touch()
    status = logist.ended(job)
    assert len(status["attempts"]) == 1
    assert status["exit"] == {"code": 3, "signal": None}
    assert status["lifecycle"] == "cancelled"
    events = [json.loads(line) for line in logist("events", job, "--json").stdout.splitlines()]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert [e["kind"] for e in events].count("attempt.starting") == 1
    assert [e["kind"] for e in events].count("job.cancel_requested") == 1


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


def submit(logist: Logist, script: str) -> str:
    """Submit as `logist run -d` does, without a new interpreter for each job."""
    home = Home.open(logist.home)
    request = SubmitRequest(cwd="/", environment=logist.environment, agent="command", args=("sh", "-c", script))
    config = Config.load(Path("/"), logist.environment)
    job = store_submit(JobStore(home), Registry.discover(), config, request).id
    poke(home, job)
    return job


def test_two_hundred_short_jobs_eight_at_a_time_all_end_with_their_own_codes(
    logist: Logist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", logist.environment["XDG_RUNTIME_DIR"])
    with logist.popen("supervise", "--max-jobs", "8", stderr=subprocess.DEVNULL) as supervisor, ended(supervisor):
        eventually((logist.home / "supervisor.json").exists, what="a supervisor")
        jobs = {submit(logist, f"echo $$; exit {i % 256}"): i % 256 for i in range(200)}
        logist("wait", *jobs, "--timeout", "150s", code=5, timeout_s=160)
        found = {s["id"]: s["exit"]["code"] for s in logist.json("ls", "--all")}
        assert found == jobs
        assert logist.json("supervise", "--status")["supervisor"]["max_jobs"] == 8
        fds = os.listdir(f"/proc/{supervisor.pid}/fd")
        assert len(fds) < 40, f"the supervisor keeps {len(fds)} descriptors"
        children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split()
        assert children == []
        assert [p for p in logist.processes() if p[0] != supervisor.pid] == []
        supervisor.terminate()
        assert supervisor.wait(20) == 0
    assert not list((logist.home.parent / "user").glob("*"))
    assert os.listdir(os.path.join(logist.environment["XDG_RUNTIME_DIR"], "logist")) in ([], ["vault"], ["env"])
