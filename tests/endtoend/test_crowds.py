"""Many processes and many jobs at once: one attempt each, no torn file, true codes, nothing left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

from support.logist import Logist
from support.waiting import eventually


def test_fifty_commands_on_one_job_at_once_leave_one_attempt_and_one_truth(logist: Logist) -> None:
    job = logist.shell("sleep 2; exit 3")
    commands = [
        ("status", job, "--json"),
        ("logs", job),
        ("wait", job, "--timeout", "60s"),
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
    status = logist.ended(job)
    assert len(status["attempts"]) == 1
    assert status["lifecycle"] == "cancelled"
    events = [json.loads(line) for line in logist("events", job, "--json").stdout.splitlines()]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert [e["kind"] for e in events].count("attempt.starting") == 1
    assert [e["kind"] for e in events].count("job.cancel_requested") == 1


def test_two_hundred_short_jobs_eight_at_a_time_all_end_with_their_own_codes(logist: Logist) -> None:
    with logist.popen("supervise", "--max-jobs", "8") as supervisor:
        eventually((logist.home / "supervisor.json").exists, what="a supervisor")
        jobs = {logist.shell(f"echo $$; exit {i % 256}"): i % 256 for i in range(200)}
        logist("wait", *jobs, "--timeout", "240s", code=5, timeout_s=300)
        found = {s["id"]: s["exit"]["code"] for s in logist.json("ls", "--all")}
        assert found == jobs
        assert logist.json("supervise", "--status")["max_jobs"] == 8
        fds = os.listdir(f"/proc/{supervisor.pid}/fd")
        assert len(fds) < 40, f"the supervisor keeps {len(fds)} descriptors"
        children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split()
        assert children == []
        assert [p for p in logist.processes() if p[0] != supervisor.pid] == []
        supervisor.terminate()
        assert supervisor.wait(20) == 0
    assert not list((logist.home.parent / "user").glob("*"))
    assert os.listdir(os.path.join(logist.environment["XDG_RUNTIME_DIR"], "logist")) in ([], ["vault"], ["env"])
