from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.supervise.admit import admit
from logist_core.types.job import JobStatus, Lifecycle

pytestmark = pytest.mark.fast


def job(job_id: str, lifecycle: Lifecycle = Lifecycle.QUEUED, **more: object) -> JobStatus:
    return JobStatus(id=job_id, name=None, agent="mock", runtime="host", lifecycle=lifecycle, **more)


def test_jobs_of_one_priority_start_in_the_order_in_which_they_came() -> None:
    assert admit([job("b"), job("a"), job("c")], max_jobs=2, now=0, known={}).start == ("a", "b")


def test_a_higher_priority_goes_first() -> None:
    assert admit([job("a"), job("b", priority=5)], max_jobs=1, now=0, known={}).start == ("b",)


def test_starting_and_running_jobs_occupy_their_slots() -> None:
    jobs = [job("a", Lifecycle.RUNNING), job("b", Lifecycle.STARTING), job("c")]
    assert admit(jobs, max_jobs=2, now=0, known={}).start == ()


def test_a_waiting_job_starts_when_it_is_due_and_says_when_that_is() -> None:
    jobs = [job("a", Lifecycle.WAITING, not_before=100.0), job("b", Lifecycle.WAITING, not_before=50.0)]
    early = admit(jobs, max_jobs=8, now=10.0, known={})
    assert early.start == ()
    assert early.wake_at == 50.0
    assert admit(jobs, max_jobs=8, now=60.0, known={}).start == ("b",)


def test_a_length_of_time_is_waited_for_on_the_clock_that_says_how_much_is_left() -> None:
    jobs = [job("a", Lifecycle.WAITING, not_before=100.0), job("b", Lifecycle.WAITING, not_before=900.0)]
    admission = admit(jobs, max_jobs=8, now=500.0, known={}, waits_s={"a": 12.0, "b": -1.0})
    assert admission.start == ("b",)
    assert admission.wake_at == 512.0


def test_a_job_waits_for_the_one_it_comes_after() -> None:
    later = job("b", after=("a",))
    assert admit([later], max_jobs=8, now=0, known={"a": Lifecycle.RUNNING}).start == ()
    assert admit([later], max_jobs=8, now=0, known={"a": Lifecycle.SUCCEEDED}).start == ("b",)


def test_a_job_after_one_that_did_not_succeed_is_refused_with_the_reason() -> None:
    admission = admit([job("b", after=("a",))], max_jobs=8, now=0, known={"a": Lifecycle.TIMED_OUT})
    assert admission.start == ()
    assert admission.refuse == (("b", "job a, which it comes after, ended as timed_out"),)


def test_a_job_after_one_that_was_removed_may_start() -> None:
    assert admit([job("b", after=("a",))], max_jobs=8, now=0, known={}).start == ("b",)


def test_a_job_that_is_to_be_stopped_does_not_start() -> None:
    assert admit([job("a", cancel="stop")], max_jobs=8, now=0, known={}).start == ()


JOBS = st.lists(
    st.builds(
        job,
        st.text("abcdefgh", min_size=4, max_size=4),
        st.sampled_from([s for s in Lifecycle if not s.ended]),
        priority=st.integers(-3, 3),
        not_before=st.one_of(st.none(), st.floats(0, 100)),
    ),
    unique_by=lambda j: j.id,
    max_size=20,
)


@given(jobs=JOBS, max_jobs=st.integers(1, 6), now=st.floats(0, 100))
def test_admission_never_exceeds_the_limit_and_never_leaves_a_slot_empty(
    jobs: list[JobStatus], max_jobs: int, now: float
) -> None:
    admission = admit(jobs, max_jobs=max_jobs, now=now, known={})
    busy = sum(j.lifecycle in (Lifecycle.STARTING, Lifecycle.RUNNING) for j in jobs)
    due = [
        j
        for j in jobs
        if j.lifecycle is Lifecycle.QUEUED or (j.lifecycle is Lifecycle.WAITING and (j.not_before or 0) <= now)
    ]
    assert len(admission.start) == min(max(max_jobs - busy, 0), len(due))
    assert set(admission.start) <= {j.id for j in due}
