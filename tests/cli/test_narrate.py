from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.cli.narrate import _TELLERS, exit_code, farewell, is_over, tell
from logist_core.types.job import AttemptStatus, Exit, JobEvent, JobStatus, Lifecycle
from logist_core.types.signals import Activity

pytestmark = pytest.mark.fast

NOW = 1_800_000_000.0


def status(lifecycle: Lifecycle = Lifecycle.RUNNING, **fields: Any) -> JobStatus:
    return JobStatus(
        **{"id": "01abc", "name": None, "agent": "mock", "runtime": "host", "lifecycle": lifecycle, **fields}
    )


def event(kind: str, **data: Any) -> JobEvent:
    return JobEvent(seq=1, at=NOW, boot_s=1.0, boot_id="b", writer="supervisor:1", kind=kind, data=data)


@pytest.mark.parametrize(
    ("happened", "job", "line"),
    [
        (event("job.created"), status(), "job 01abc: mock on host"),
        (event("attempt.running"), status(), "running"),
        (event("attempt.running"), status(attempt=2, pid=7), "running  (attempt 2, pid 7)"),
        (
            event("activity.changed"),
            status(activity=Activity(state="working", rule="mock/tool", stream="out", offset=1234)),
            "working  (rule mock/tool, out+1234)",
        ),
        (
            event("activity.changed"),
            status(activity=Activity(state="rate_limited", rule="r", text="limit\x1b[2J reached")),
            "rate_limited  (rule r)  “limit reached”",
        ),
        (
            event("activity.changed"),
            status(activity=Activity(state="permission_prompt", text="May I?")),
            "permission_prompt  “May I?”  answer: logist send 01abc TEXT",
        ),
        (event("session.seen", session_id="s-1"), status(), "session s-1"),
        (event("condition.raised", condition="stalled", detail="silent for 5 m"), status(), "stalled: silent for 5 m"),
        (event("condition.cleared", condition="stalled"), status(), "no longer stalled"),
        (
            event("sentinel.verdict", level="stalled", cause="silent_hang", evidence=["no output for 300 s", "no CPU"]),
            status(),
            "sentinel: stalled, silent_hang  (no output for 300 s; no CPU)",
        ),
        (event("sentinel.verdict", level="active", cause=""), status(), None),
        (event("sentinel.acted", action="stop", result="ended"), status(), "sentinel acts: stop: ended"),
        (
            event("job.waiting", reason="usage limit"),
            status(Lifecycle.WAITING, attempt=1, exit=Exit(code=1)),
            "attempt 1 ended (exit 1), waiting: usage limit",
        ),
        (event("job.held", reason="log in"), status(Lifecycle.HELD), "held for a person: log in"),
        (event("job.requeued", resume=True), status(Lifecycle.QUEUED), "queued again, to go on with its session"),
        (event("job.cancel_requested", by="ann", mode="stop"), status(), "stop asked for by ann"),
        (event("job.cancel_requested", by="ann", mode="kill"), status(), "kill asked for by ann"),
        (event("attempt.failed_to_start", error="no"), status(attempt=1), "attempt 1 did not start: no"),
        (event("attempt.lost", reason="gone"), status(attempt=1), "attempt 1 was lost: gone"),
        (event("plugin.fault", name="mock", reason="ValueError"), status(), "plugin mock: ValueError"),
        (event("note.added", text="started afresh"), status(), "started afresh"),
        (event("attempt.exited", code=0), status(), None),
        (event("from.the.future", x=1), status(), None),
    ],
)  # fmt: skip
def test_an_event_is_told_in_one_line_or_not_at_all(happened: JobEvent, job: JobStatus, line: str | None) -> None:
    assert tell(happened, job) == line


@given(
    st.sampled_from([*_TELLERS, "x.y"]),
    st.dictionaries(
        st.sampled_from(["reason", "text", "error", "condition", "level", "cause", "evidence", "result", "by", "mode"]),
        st.none() | st.text() | st.integers() | st.lists(st.text()),
    ),
)
def test_telling_never_fails_and_never_shows_a_control_character(kind: str, data: dict[str, Any]) -> None:
    line = tell(event(kind, **data), status())
    assert line is None or line.isprintable() or not any(ord(char) < 32 or char == "\x7f" for char in line)


def test_the_farewell_has_outcome_duration_exit_and_id() -> None:
    ended = status(Lifecycle.SUCCEEDED, outcome="succeeded", started_at=NOW, ended_at=NOW + 1.2, exit=Exit(code=0))
    assert farewell(ended, NOW + 99) == "succeeded in 1.2s, exit 0, job 01abc"


def test_the_farewell_of_a_failure_says_why_unless_the_exit_does() -> None:
    ended = {"started_at": NOW, "ended_at": NOW + 1.0, "exit": Exit(code=7)}
    assert farewell(status(Lifecycle.FAILED, reason="exit code 7", **ended), NOW) == "failed in 1.0s, exit 7, job 01abc"
    assert "exit 7, 401, job" in farewell(status(Lifecycle.FAILED, reason="401", **ended), NOW)


def test_the_farewell_counts_attempts_and_names_an_unusual_outcome() -> None:
    attempts = tuple(AttemptStatus(number=n, state="exited", nonce="") for n in (1, 2))
    line = farewell(status(Lifecycle.FAILED, outcome="unverified", attempts=attempts), NOW)
    assert line == "failed (unverified), 2 attempts, job 01abc"


def test_a_job_that_never_started_has_no_duration() -> None:
    line = farewell(status(Lifecycle.FAILED_TO_START, reason="no such program", started_at=NOW, ended_at=NOW), NOW)
    assert line == "failed to start, no such program, job 01abc"


@pytest.mark.parametrize(
    ("lifecycle", "interrupted", "code"),
    [
        (Lifecycle.SUCCEEDED, True, 0),
        (Lifecycle.HELD, False, 4),
        (Lifecycle.FAILED, True, 5),
        (Lifecycle.LOST, False, 5),
        (Lifecycle.CANCELLED, False, 5),
        (Lifecycle.CANCELLED, True, 130),
    ],
)
def test_the_exit_code_says_what_became_of_the_job(lifecycle: Lifecycle, interrupted: bool, code: int) -> None:
    assert exit_code(status(lifecycle), interrupted=interrupted) == code


def test_a_job_is_over_when_it_has_ended_or_is_held() -> None:
    assert [lifecycle for lifecycle in Lifecycle if not is_over(status(lifecycle))] == [
        Lifecycle.QUEUED,
        Lifecycle.STARTING,
        Lifecycle.RUNNING,
        Lifecycle.WAITING,
    ]
