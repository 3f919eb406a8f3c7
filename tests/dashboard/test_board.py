from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.cli.text import one_line
from logist_core.dashboard.board import Board, compose, group_of, in_order, span
from logist_core.supervise.admit import admit
from logist_core.types.job import JobStatus, Lifecycle
from logist_core.types.signals import Activity, Claim

pytestmark = pytest.mark.fast

NOW = 1_800_000_000.0


def job(
    lifecycle: Lifecycle = Lifecycle.RUNNING, activity: str = "unknown", text: str = "", **fields: Any
) -> JobStatus:
    plain = {"id": "01a", "name": None, "agent": "mock", "runtime": "host", "created_at": NOW - 60}
    activity_now = Activity(state=activity, text=text or None)
    return JobStatus(**{**plain, "lifecycle": lifecycle, "activity": activity_now, **fields})


def board(*statuses: JobStatus, **options: Any) -> Board:
    return compose(statuses, now=NOW, clean=one_line, **{"limit": None, **options})


jobs = st.builds(
    job,
    st.sampled_from(Lifecycle),
    st.sampled_from([*(claim.value for claim in Claim), "unknown"]),
    id=st.text("0123456789abc", min_size=4, max_size=4),
    priority=st.integers(-1, 1),
)
ORDER = ["needs you", "running", "waiting", "queued", "ended"]


@given(st.lists(jobs, max_size=30))
def test_whoever_needs_a_person_comes_first_then_by_how_near_the_work_is(statuses: list[JobStatus]) -> None:
    ranks = [ORDER.index(group_of(status)) for status in in_order(statuses)]
    assert ranks == sorted(ranks)


@given(st.lists(jobs, max_size=30))
def test_within_a_group_the_newest_comes_first_but_in_the_queue_what_starts_first(statuses: list[JobStatus]) -> None:
    ordered = in_order(statuses)
    for before, after in pairwise(ordered):
        if group_of(before) == group_of(after) == "queued":
            assert (-before.priority, before.id) <= (-after.priority, after.id)
        elif group_of(before) == group_of(after):
            assert before.id >= after.id


@given(st.lists(jobs, max_size=30, unique_by=lambda status: status.id))
def test_the_queue_is_shown_in_the_order_in_which_it_starts(statuses: list[JobStatus]) -> None:
    shown = [status.id for status in in_order(statuses) if status.lifecycle is Lifecycle.QUEUED]
    queued = [status for status in statuses if status.lifecycle is Lifecycle.QUEUED]
    assert tuple(shown) == admit(queued, max_jobs=100, now=0.0, known={}).start


@given(st.lists(jobs, max_size=60), st.integers(0, 40), st.integers(0, 30))
def test_every_job_is_shown_or_counted(statuses: list[JobStatus], limit: int, ended_limit: int) -> None:
    shown = board(*statuses, limit=limit, ended_limit=ended_limit)
    assert len(shown.rows) <= limit
    assert len(shown.rows) + shown.hidden == len(statuses) == sum(shown.counts.values())
    assert sum(row.group == "ended" for row in shown.rows) <= ended_limit


@pytest.mark.parametrize(
    ("status", "group"),
    [
        (job(Lifecycle.HELD), "needs you"),
        (job(activity="permission_prompt"), "needs you"),
        (job(activity="waiting_input"), "needs you"),
        (job(activity="working"), "running"),
        (job(Lifecycle.STARTING), "running"),
        (job(Lifecycle.WAITING), "waiting"),
        (job(Lifecycle.QUEUED), "queued"),
        (job(Lifecycle.FAILED, "permission_prompt"), "ended"),
    ],
)
def test_jobs_are_grouped_by_what_they_need(status: JobStatus, group: str) -> None:
    assert group_of(status) == group


def test_a_row_says_what_the_job_does_and_why() -> None:
    asking = job(activity="permission_prompt", text="Run \x1b[31mrm\x1b[0m?", started_at=NOW - 65, name="n")
    (row,) = board(dataclasses.replace(asking, conditions=("stalled",))).rows
    assert (row.name, row.state, row.activity) == ("n", "running", "permission_prompt, stalled")
    assert (row.age, row.ran, row.detail) == ("1m00s", "1m05s", "Run rm?")


def test_a_row_of_an_ended_job_says_how_long_it_ran_and_why_it_ended() -> None:
    ended = job(Lifecycle.FAILED, "working", started_at=NOW - 50, ended_at=NOW - 20, reason="exit code 7")
    (row,) = board(ended).rows
    assert (row.activity, row.ran, row.detail) == ("-", "30s", "exit code 7")


@given(st.text())
def test_nothing_that_a_job_says_of_itself_is_shown_raw(text: str) -> None:
    text += "\x1b]0;t\x07\x1b[2J\r\n"
    status = job(activity="working", text=text, name=text, agent=text, reason=text, conditions=(text,))
    (row,) = board(status).rows
    shown = "".join((row.name, row.agent, row.activity, row.detail))
    assert not any(ord(char) < 32 or char == "\x7f" for char in shown)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (-1, "0s"), (59.9, "59s"), (245, "4m05s"), (7620, "2h07m"), (273_600, "3d04h")]
)
def test_spans_are_short(seconds: float | None, text: str) -> None:
    assert span(seconds) == text
