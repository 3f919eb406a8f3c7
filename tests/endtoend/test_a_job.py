"""A job from submission to its end, as a user sees it."""

from __future__ import annotations

import json
import re
import signal

from support.logist import Logist
from support.waiting import eventually


def test_the_first_command_of_the_readme(logist: Logist) -> None:
    result = logist("run", "--agent", "mock", "say hello")
    assert "say hello" in result.stdout
    assert re.search(r"succeeded in [\d.]+ ?s.*exit (code )?0.*job [0-9a-z]{16}", result.stderr), result.stderr


def test_what_status_prints_has_the_documented_shape(logist: Logist) -> None:
    job = logist.submit("-a", "mock", "--name", "first", "--label", "team=x", "hello")
    status = logist.ended("first")
    assert set(status) >= {
        "schema", "id", "name", "agent", "runtime", "lifecycle", "activity", "conditions", "outcome", "exit",
        "attempt", "attempts", "pid", "created_at", "started_at", "ended_at", "labels", "session_id",
    }  # fmt: skip
    assert set(status["activity"]) == {
        "state", "since", "source", "rule", "stream", "offset", "text", "confidence", "expires",
    }  # fmt: skip
    assert status["schema"] == 1
    assert (status["id"], status["name"], status["labels"]) == (job, "first", {"team": "x"})
    assert (status["lifecycle"], status["outcome"], status["exit"]) == (
        "succeeded",
        "succeeded",
        {"code": 0, "signal": None},
    )
    assert status["activity"]["state"] == "completed"
    assert status["activity"]["rule"]
    assert status["pid"] is None
    assert logist.json("ls", "--all") == [status]


def test_the_home_and_its_files_are_private(logist: Logist) -> None:
    logist.ended(logist.shell("umask; exit 0"))
    for path in [logist.home, *logist.home.rglob("*")]:
        mode = path.stat().st_mode & 0o777
        assert mode & 0o077 == 0, f"{path} has mode {mode:o}"


def test_a_failed_job_makes_run_exit_with_5(logist: Logist) -> None:
    result = logist("run", "-a", "command", "--", "sh", "-c", "echo out; echo err >&2; exit 7", code=5)
    assert result.stdout == "out\n"
    assert "err\n" in result.stderr
    assert "failed" in result.stderr.splitlines()[-1]
    assert "7" in result.stderr.splitlines()[-1]


def test_wait_until_a_state_and_its_time_out(logist: Logist) -> None:
    job = logist.shell("sleep 30")
    logist("wait", job, "--until", "running", "--timeout", "20s")
    logist("wait", job, "--timeout", "0.3s", code=124)
    logist("kill", job)
    logist("wait", job, "--timeout", "20s", code=5)


def test_ctrl_c_asks_the_job_to_stop(logist: Logist) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    with logist.popen("run", "-a", "command", "--", "sh", "-c", script) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        run.send_signal(signal.SIGINT)
        assert run.stdout.readline() == "bye\n"
        assert run.wait(30) in (5, 130)
    (status,) = logist.json("ls", "--all")
    assert status["lifecycle"] == "cancelled"
    assert status["exit"]["code"] == 0


def test_a_second_ctrl_c_kills(logist: Logist) -> None:
    script = "trap '' TERM INT; echo up; while :; do sleep 0.1; done"
    with logist.popen("run", "-a", "command", "--", "sh", "-c", script) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        run.send_signal(signal.SIGINT)
        eventually(lambda: logist.json("ls")[0]["conditions"] == ["cancelling"])
        run.send_signal(signal.SIGINT)
        run.wait(30)
    (status,) = logist.json("ls", "--all")
    assert (status["lifecycle"], status["exit"]["signal"]) == ("cancelled", 9)


def test_a_job_runs_in_the_environment_and_directory_of_its_submitter(logist: Logist) -> None:
    job = logist.shell('echo "$MINE $GIVEN $PWD"', "--env", "GIVEN=two", "-C", "/usr")
    logist.ended(job)
    first = logist("logs", job).stdout
    assert first == " two /usr\n"
    job = logist("run", "-d", "-a", "command", "--", "sh", "-c", 'echo "$MINE"', env={"MINE": "one"}).stdout.strip()
    logist.ended(job)
    assert logist("logs", job).stdout == "one\n"


def test_no_value_of_the_environment_reaches_the_disk(logist: Logist) -> None:
    job = logist("run", "-d", "-a", "command", "--", "sleep", "60", env={"API_TOKEN": "hunter2-xyzzy"}).stdout.strip()
    logist.until(job, "running")
    for _ in range(2):
        for path in logist.home.rglob("*"):
            if path.is_file():
                assert b"hunter2-xyzzy" not in path.read_bytes(), path
        logist("kill", job, code=None)
        logist.ended(job)


def test_a_job_starts_after_the_one_it_comes_after(logist: Logist) -> None:
    first = logist.shell("sleep 0.5; exit 0")
    second = logist.shell("exit 0", "--after", first)
    third = logist.shell("exit 0", "--after", logist.shell("exit 9"))
    assert logist.ended(second)["lifecycle"] == "succeeded"
    assert logist.status(second)["started_at"] >= logist.status(first)["ended_at"]
    refused = logist.ended(third)
    assert (refused["lifecycle"], refused["attempts"]) == ("cancelled", [])
    assert "comes after" in refused["reason"]


def test_a_time_limit_ends_the_job_as_timed_out(logist: Logist) -> None:
    status = logist.ended(logist.shell("sleep 60", "--timeout", "1s"))
    assert (status["lifecycle"], status["outcome"]) == ("timed_out", "timed_out")


def test_a_silent_hang_is_found_journalled_and_cleaned_up(logist: Logist) -> None:
    job = logist.submit(
        "-a", "mock", "--agent-set", "scenario=hang",
        "--sentinel-set", "stall_s=2", "--sentinel-set", "grace_s=0", "--sentinel-set", "on_stall=stop", "work",
    )  # fmt: skip
    status = logist.ended(job)
    assert status["lifecycle"] == "failed"
    assert "silent_hang" in status["reason"]
    verdicts = [e for e in events(logist, job) if e["kind"] == "sentinel.verdict" and e["data"]["level"] == "stalled"]
    assert verdicts
    assert verdicts[0]["data"]["cause"] == "silent_hang"
    assert verdicts[0]["data"]["evidence"]


def test_a_usage_limit_with_a_reset_is_waited_out_and_the_same_session_goes_on(logist: Logist) -> None:
    job = logist.submit("-a", "mock", "--agent-set", "scenario=rate-limit", "--agent-set", "reset_s=1", "work")
    waiting = logist.until(job, "waiting", "succeeded")
    session = waiting["session_id"]
    status = logist.ended(job)
    assert status["lifecycle"] == "succeeded"
    assert status["attempt"] == 2
    assert status["session_id"] == session
    assert status["attempts"][1]["resumed"] is True


def test_retry_starts_afresh_and_resume_takes_the_session_up(logist: Logist) -> None:
    job = logist.submit("-a", "mock", "--agent-set", "scenario=error", "work")
    session = logist.ended(job)["session_id"]
    logist("retry", job)
    assert logist.ended(job)["attempt"] == 2
    assert logist.status(job)["attempts"][1]["resumed"] is False
    logist("resume", job, "go on")
    status = logist.ended(job)
    assert status["attempt"] == 3
    assert status["attempts"][2]["resumed"] is True
    assert session is not None


def test_what_was_typed_reaches_the_agent(logist: Logist) -> None:
    job = logist.submit("-a", "command", "--pty", "--", "sh", "-c", 'printf "name? "; read n; echo "hello $n"')
    logist.until(job, "running")
    eventually(lambda: "name?" in logist("logs", job).stdout)
    logist("send", job, "Ada")
    assert logist.ended(job)["lifecycle"] == "succeeded"
    assert "hello Ada" in logist("logs", job).stdout
    assert any(e["kind"] == "input.sent" and "Ada" not in json.dumps(e) for e in events(logist, job))


def test_an_ended_job_is_removed_and_a_running_one_is_not(logist: Logist) -> None:
    job = logist.shell("exit 0")
    logist.ended(job)
    running = logist.shell("sleep 30")
    logist.until(running, "running")
    logist("rm", job)
    assert logist("rm", running, code=None).returncode != 0
    assert [s["id"] for s in logist.json("ls", "--all")] == [running]


def events(logist: Logist, job: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in logist("events", job, "--json").stdout.splitlines()]
