from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.supervise.judge import MOST_CONTINUATIONS, Circumstances, judge
from logist_core.supervise.limits import USUAL_PACE
from logist_core.types.job import Continuation, Outcome, Result
from logist_core.types.launch import ExitStatus

pytestmark = pytest.mark.fast

OK = ExitStatus(code=0)
NOTHING = Circumstances()


def lifecycle(*args: object, why: Circumstances = NOTHING) -> object:
    return judge(*args, why, now=1000.0).data["lifecycle"]  # type: ignore[arg-type]


def test_the_exit_code_decides_where_the_agent_has_no_opinion() -> None:
    assert lifecycle(OK, None) == "succeeded"
    assert lifecycle(ExitStatus(code=7), None) == "failed"
    assert lifecycle(ExitStatus(signal=11), None) == "failed"


def test_exit_code_0_is_no_success_when_the_agent_knows_better() -> None:
    verdict = judge(OK, Outcome(result=Result.FAILED, reason="is_error: 401"), Circumstances(), now=0)
    assert verdict.data == {"lifecycle": "failed", "outcome": "failed", "reason": "is_error: 401"}


def test_unverified_work_is_no_success() -> None:
    verdict = judge(OK, Outcome(result=Result.UNVERIFIED, reason="no answer"), Circumstances(), now=0)
    assert (verdict.data["lifecycle"], verdict.data["outcome"]) == ("failed", "unverified")


def test_a_lost_attempt_is_lost_and_never_exit_code_0() -> None:
    assert lifecycle(None, None) == "lost"


def test_a_program_that_never_ran_failed_to_start() -> None:
    assert lifecycle(ExitStatus(exec_error="no such file: foo"), None) == "failed_to_start"


def test_a_stopped_job_is_cancelled_though_its_handler_exited_0() -> None:
    verdict = judge(OK, None, Circumstances(cancel="stop", cancelled_by="root@here"), now=0)
    assert verdict.data["lifecycle"] == "cancelled"
    assert "exit code 0" in str(verdict.data["reason"])
    assert "root@here" in str(verdict.data["reason"])


def test_a_time_out_beats_the_agents_opinion() -> None:
    assert lifecycle(OK, Outcome(result=Result.SUCCEEDED), why=Circumstances(timed_out=True)) == "timed_out"


def test_the_sentinel_stops_with_its_reason() -> None:
    verdict = judge(ExitStatus(signal=15), None, Circumstances(sentinel=("stop", "silent_hang: 9 s")), now=0)
    assert verdict.data["lifecycle"] == "failed"
    assert "silent_hang: 9 s" in str(verdict.data["reason"])


def test_the_sentinel_resumes_the_same_session_at_once() -> None:
    verdict = judge(ExitStatus(signal=15), None, Circumstances(sentinel=("resume", "silent_hang")), now=5.0)
    assert verdict.kind == "job.waiting"
    assert verdict.data == {"not_before": 5.0, "delay_s": 0.0, "reason": "silent_hang", "resume": True}


def test_a_limit_with_a_reset_waits_until_then() -> None:
    outcome = Outcome(result=Result.FAILED, then=Continuation(at=2000.0, reason="limit"))
    verdict = judge(OK, outcome, Circumstances(), now=1000.0)
    assert verdict.kind == "job.waiting"
    assert verdict.data["not_before"] == 2000.0


def test_an_overload_backs_off_longer_each_time() -> None:
    outcome = Outcome(result=Result.FAILED, then=Continuation(at=None, reason="529"))
    first = judge(OK, outcome, Circumstances(continuations=0), now=0.0).data["not_before"]
    third = judge(OK, outcome, Circumstances(continuations=2), now=0.0).data["not_before"]
    assert (first, third) == (30.0, 120.0)


def test_patience_ends() -> None:
    outcome = Outcome(result=Result.FAILED, then=Continuation(at=None, reason="529"))
    verdict = judge(OK, outcome, Circumstances(continuations=MOST_CONTINUATIONS), now=0.0)
    assert verdict.data["lifecycle"] == "failed"


def test_what_needs_a_person_is_held() -> None:
    verdict = judge(
        ExitStatus(code=1), Outcome(result=Result.FAILED, reason="log in", hold=True), Circumstances(), now=0
    )
    assert (verdict.kind, verdict.data) == ("job.held", {"reason": "log in", "resume": True, "limit": None})


@given(st.integers(1, 10_000))
def test_the_back_off_grows_to_its_cap_and_no_further(times: int) -> None:
    assert 30.0 <= USUAL_PACE.backoff_s(times) <= USUAL_PACE.backoff_s(times + 1) <= 600.0
