"""Dozens of real jobs of one account and one provider: what one of them learns, the others need not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.logist import Logist, kill
from support.waiting import eventually

from logist_core.config import Config
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.registry import Registry
from logist_core.supervise import client
from logist_core.supervise.submit import SubmitRequest, submit

Events = list[dict[str, Any]]


@pytest.fixture
def pace(logist: Logist) -> None:
    config = Path(logist.environment["LOGIST_CONFIG"])
    config.write_text(
        "max_jobs = 40\n[limits]\nstart_gap_s = 4.0\nbackoff_first_s = 0.5\nbackoff_most_s = 2.0\ngap_s = 0.2\n"
    )


def events(logist: Logist, job: str) -> Events:
    return [json.loads(line) for line in logist("events", "--json", job).stdout.splitlines()]


def attempts(logist: Logist, job: str) -> int:
    return sum(event["kind"] == "attempt.running" for event in events(logist, job))


def mock(logist: Logist, scenario: str, *more: str) -> str:
    settings = [f"scenario={scenario}", "account=shared", "provider=mocked", "pace_s=0", *more]
    return logist.submit("-a", "mock", *(word for s in settings for word in ("--agent-set", s)), "work")


def many(logist: Logist, monkeypatch: pytest.MonkeyPatch, number: int, **settings: str) -> list[str]:
    """Submit jobs as `logist run -d` does, without a process for each."""
    home = Home.open(logist.home)
    store, registry, config = JobStore(home), Registry.discover(), Config.load(None, {})
    request = SubmitRequest(
        cwd=str(logist.home),
        environment=logist.environment,
        agent="mock",
        prompt="work",
        agent_set={"scenario": "rate-limit", "account": "shared", "provider": "mocked", "pace_s": "0", **settings},
    )
    jobs = [submit(store, registry, config, request).id for _ in range(number)]
    monkeypatch.setenv("XDG_RUNTIME_DIR", logist.environment["XDG_RUNTIME_DIR"])
    for job in jobs:
        client.notify(home, job)
    return jobs


@pytest.mark.usefixtures("pace")
def test_one_job_meets_the_limit_and_the_others_wait_for_it_and_go_on_one_after_another(
    logist: Logist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = f"limit_file={tmp_path / 'limit'}"
    first = mock(logist, "rate-limit", limit, "reset_s=20")
    logist.until(first, "waiting")
    others = many(logist, monkeypatch, 23, limit_file=str(tmp_path / "limit"))

    store = JobStore(Home.open(logist.home))

    def parked() -> list[dict[str, Any]] | None:
        listed = [status.to_json() for status in store.statuses()]
        return listed if all(job["lifecycle"] == "waiting" for job in listed) else None

    waiting = eventually(parked, within_s=60.0, what="24 waiting jobs")
    assert {job["limit"]["seen_by"] for job in waiting} == {first}
    assert len({job["not_before"] for job in waiting}) == 24
    resets_at = float((tmp_path / "limit").read_text())
    assert min(job["not_before"] for job in waiting) >= resets_at
    assert "limited until" in logist("ls").stderr
    assert "24 jobs wait" in logist("ls").stderr

    kill(logist.supervisor_pid())
    logist("wait", first, *others, timeout_s=120.0)
    ended = [store.status(job).to_json() for job in (first, *others)]
    assert {status["lifecycle"] for status in ended} == {"succeeded"}
    assert [status["attempt"] for status in ended] == [2] + [1] * 23
    began = sorted(status["attempts"][-1]["started_at"] for status in ended)
    assert began[0] >= resets_at
    assert began[-1] - began[0] >= 1.0


@pytest.mark.usefixtures("pace")
def test_an_overload_is_waited_out_with_a_back_off_that_the_provider_s_jobs_share(logist: Logist) -> None:
    job = mock(logist, "overloaded", "format=json", "trouble_turns=3")
    status = logist.ended(job)
    assert (status["lifecycle"], status["attempt"]) == ("succeeded", 4)
    limits = [event["data"]["limit"] for event in events(logist, job) if event["kind"] == "job.waiting"]
    assert [limit["times"] for limit in limits] == [1, 2, 3]
    assert {(limit["scope"], limit["name"], limit["claim"]) for limit in limits} == {
        ("provider", "mocked", "overloaded")
    }
    waits = [limit["until"] - limit["seen_at"] for limit in limits]
    assert waits == sorted(waits)


@pytest.mark.usefixtures("pace")
def test_a_refused_login_holds_all_jobs_of_the_account_and_asks_once_until_one_gets_through(logist: Logist) -> None:
    first = mock(logist, "auth", "format=json", "trouble_turns=1")
    held = logist.until(first, "held")
    assert (held["limit"]["claim"], held["limit"]["scope"], held["limit"]["until"]) == (
        "auth_failed",
        "credential",
        None,
    )
    others = [mock(logist, "success") for _ in range(3)]
    for job in others:
        assert "login refused" in logist.until(job, "held")["reason"]
    asked = [e["data"]["name"] for job in (first, *others) for e in events(logist, job) if e["kind"] == "person.asked"]
    assert asked == [held["limit"]["name"]]
    kill(logist.supervisor_pid())
    logist("resume", first)
    assert logist.ended(first)["lifecycle"] == "succeeded"
    for job in others:
        status = logist.ended(job)
        assert (status["lifecycle"], attempts(logist, job)) == ("succeeded", 1)


@pytest.mark.usefixtures("pace")
def test_a_login_that_is_still_refused_leaves_the_other_jobs_held(logist: Logist) -> None:
    first = mock(logist, "auth", "format=json")
    logist.until(first, "held")
    other = mock(logist, "success")
    logist.until(other, "held")
    logist("resume", first)
    eventually(lambda: attempts(logist, first) == 2 and logist.status(first)["lifecycle"] == "held", within_s=30.0)
    assert logist.status(other)["lifecycle"] == "held"
    assert attempts(logist, other) == 0


@pytest.mark.usefixtures("pace")
def test_an_agent_that_crashes_is_started_again_and_a_loop_of_crashes_is_not(logist: Logist) -> None:
    job = mock(logist, "crash", "trouble_turns=1")
    status = logist.ended(job)
    assert (status["lifecycle"], status["attempt"], status["attempts"][1]["resumed"]) == ("succeeded", 2, True)
    for_ever = mock(logist, "crash")
    status = logist.ended(for_ever)
    assert (status["lifecycle"], status["attempt"]) == ("failed", 5)
    assert "crashed 5 times in 15 minutes" in status["reason"]


@pytest.mark.usefixtures("pace")
def test_jobs_without_an_account_wait_for_nobody(logist: Logist) -> None:
    limited = logist.submit("-a", "mock", "--agent-set", "scenario=rate-limit", "--agent-set", "reset_s=60", "work")
    logist.until(limited, "waiting")
    began = time.monotonic()
    assert logist.ended(logist.submit("-a", "mock", "work"))["lifecycle"] == "succeeded"
    assert time.monotonic() - began < 60
    assert logist.status(limited)["lifecycle"] == "waiting"
