"""What the sentinel did is told, and can be judged again, from the records alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from support.logist import Logist, kill
from support.waiting import eventually

FAST = ("stall_s=2", "suspect_s=1", "grace_s=0.2", "windows=1")


def settings(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--sentinel-set", pair)]


def hung(logist: Logist, *options: str) -> str:
    scenario = ["--agent-set", "scenario=stream-hang", "--agent-set", "pace_s=0"]
    return logist.submit("-a", "mock", "--pty", *scenario, *settings(*FAST), *options, "work")


def test_a_hang_is_freed_and_explained_and_every_verdict_is_reproduced_from_a_copy(
    logist: Logist, tmp_path: Path
) -> None:
    job = hung(logist)
    log = logist.attempt_dir(job) / "out.log"
    eventually(lambda: log.exists() and log.stat().st_size > 0, what="output")
    told = logist.json("explain", job)
    assert told["id"] == job
    kill(logist.supervisor_pid())
    assert logist.ended(job)["lifecycle"] == "succeeded"

    told = logist.json("explain", job)
    assert [act["action"] for act in told["sentinel"]["acts"]].count("unstick") == 1
    assert all(act["evidence"] for act in told["sentinel"]["acts"])
    assert "unstick" in logist("explain", job).stdout

    copy = tmp_path / "report" / job
    shutil.copytree(logist.home / "jobs" / job, copy)
    *lines, summary = map(json.loads, logist("replay", f"{copy}/", "--json").stdout.splitlines())
    assert summary["looks"] == summary["same_verdicts"] == len(lines) > 0
    assert summary["other_activities"] == 0
    assert "unstick" in [line["verdict"]["action"] for line in lines]
    assert "unstick" in logist("replay", job).stdout
    report = logist.json("sentinel", "report")
    assert (report["acts"]["unstick"], report["ended"]["unstick"]) == (1, {"succeeded": 1})
    assert "unstick" in logist("sentinel", "report").stdout


def test_a_running_job_that_hangs_is_told_what_comes_next(logist: Logist) -> None:
    job = logist.submit(
        "-a", "mock", "--agent-set", "scenario=hang", "--agent-set", "pace_s=0", *settings("stall_s=600"), "work"
    )
    record = logist.attempt_dir(job) / "sentinel.rec"
    eventually(lambda: record.exists() and b'"look"' in record.read_bytes(), what="a look")
    coming = logist.json("explain", job)["sentinel"]["next"]
    assert [item["level"] for item in coming if item["action"] in ("resume", "stop")] == ["stalled"]
    assert "if nothing moves" in logist("explain", job).stdout
    logist("kill", job)


def test_in_mode_observe_the_report_names_the_acts_that_would_have_been_needless(logist: Logist) -> None:
    job = hung(logist, *settings("mode=observe"))
    pretended = eventually(lambda: logist.json("sentinel", "report")["would"], what="an act that was not done")
    assert sum(pretended.values()) >= 1
    logist("send", job, "\x1b", "--raw", code=None)
    logist("kill", job, code=None)
    logist.ended(job)
    assert "would" in logist("sentinel", "report").stdout


def test_acts_beyond_the_hourly_allowance_of_the_home_are_told_and_not_done(logist: Logist) -> None:
    Path(logist.environment["LOGIST_CONFIG"]).write_text("interventions_per_hour = 0\n")
    job = hung(logist)

    def refused() -> bool:
        return "not done: unstick" in logist("events", job).stdout

    eventually(refused, what="a refusal")
    told = logist.json("explain", job)
    assert {act["action"] for act in told["sentinel"]["acts"]} == {"notify"}
    assert logist.status(job)["lifecycle"] == "running"
    logist("kill", job)


def test_a_budget_of_no_interventions_holds_the_job_instead_of_acting(logist: Logist) -> None:
    job = hung(logist, "--max-interventions", "0")
    held = logist.until(job, "held")
    assert "0 of 0 interventions" in held["reason"]
    assert f"logist resume {job}" in held["reason"]


def test_a_budget_of_time_pauses_the_job_and_resuming_grants_as_much_again(logist: Logist) -> None:
    job = logist.submit(
        "-a", "mock", "--agent-set", "scenario=hang", "--agent-set", "trouble_turns=1", "--max-wall", "1s", "work"
    )
    held = logist.until(job, "held")
    assert "the budget is used up" in held["reason"]
    assert held["attempts"][0]["state"] == "exited"
    logist("resume", job)
    status = logist.ended(job)
    assert (status["lifecycle"], status["attempts"][1]["resumed"]) == ("succeeded", True)


def test_a_budget_of_tokens_stops_a_job_that_may_not_be_paused(logist: Logist) -> None:
    job = logist.submit(
        "-a", "mock", *(w for s in ("scenario=rate-limit", "reset_s=0.2", "format=json") for w in ("--agent-set", s)),
        "--max-tokens", "1", "--on-budget", "stop", "work",
    )  # fmt: skip
    status = logist.ended(job)
    assert (status["lifecycle"], status["outcome"]) == ("failed", "budget_exceeded")
    assert status["usage"]["tokens_out"] > 0
    assert "tokens" in status["reason"]
