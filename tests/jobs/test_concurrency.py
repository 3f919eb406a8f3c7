"""Real processes at one job: nothing acknowledged is lost, nothing is torn, nothing happens twice."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from logist_core.jobs.fold import fold
from logist_core.jobs.store import JobStore

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def storm(run_python: Run, store: JobStore, job: str) -> Callable[[str], dict[str, Any]]:
    """Run storm.py and return what it says; its seed shows in a failure."""

    def run(what: str) -> dict[str, Any]:
        seed = random.randrange(2**32)
        done = run_python("storm.py", store.home.path, job, what, seed)
        assert done.returncode == 0, f"seed {seed}: {done.stderr}"
        result: dict[str, Any] = {"stderr": done.stderr, **json.loads(done.stdout)}
        return result

    return run


def test_fifty_processes_at_one_job_lose_nothing_and_start_it_once(
    storm: Callable[[str], dict[str, Any]], store: JobStore, job: str
) -> None:
    said = storm("crowd")
    assert said["failed"] == [], said["stderr"]
    events = store.events(job)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    written = Counter((event.data["by"], event.data["bytes"]) for event in events if event.kind == "input.sent")
    rounds = [(me, n) for me, n in said["acknowledged"] if n != "started"]
    assert len(rounds) == 200
    assert written == Counter([*rounds, *((me, n + 1000) for me, n in rounds)])
    [winner] = [me for me, n in said["acknowledged"] if n == "started"]
    status = store.status(job)
    assert status == fold(events)
    assert (status.attempt, status.attempts[0].nonce) == (1, winner)
    assert {event.writer.split(":")[0] for event in events if event.kind.startswith("attempt")} == {winner}


def test_a_writer_killed_at_any_instant_loses_nothing_that_it_acknowledged(
    storm: Callable[[str], dict[str, Any]],
) -> None:
    said = storm("kill")
    assert said["kills"] > 10
    assert said["acknowledged"] > 0
    assert said["sent"] >= said["acknowledged"]


def test_a_maker_of_jobs_killed_at_any_instant_leaves_whole_jobs_or_none(
    storm: Callable[[str], dict[str, Any]],
) -> None:
    said = storm("create")
    assert said["kills"] > 5
    assert said["seen"] > 0
    assert (said["left"], said["trash"]) == ([], [])
