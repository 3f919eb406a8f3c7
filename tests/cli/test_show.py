from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.cli import show
from logist_core.types.job import AttemptStatus, Exit, JobSpec, JobStatus, Lifecycle
from logist_core.types.signals import Activity

pytestmark = pytest.mark.fast

NOW = 1_800_000_000.0
HOSTILE = "\x1b]0;owned\x07evil\x1b[2J\r\n\u202e"


def status(lifecycle: Lifecycle = Lifecycle.RUNNING, **fields: object) -> JobStatus:
    plain: dict[str, object] = {"name": None, "agent": "mock", "runtime": "host", "created_at": NOW - 100}
    return JobStatus(id="01abc", lifecycle=lifecycle, **{**plain, **fields})  # type: ignore[arg-type]


def spec(**fields: object) -> JobSpec:
    return JobSpec(id="01abc", agent="mock", runtime="host", cwd="/work", created_at=NOW, **fields)  # type: ignore[arg-type]


def test_a_running_job_is_shown_with_its_activity_and_the_evidence_for_it() -> None:
    activity = Activity(
        state="permission_prompt",
        since=NOW - 12,
        source="screen",
        rule="default/claude/permission",
        stream="out",
        offset=1234,
        text="Do you want to run rm?",
        confidence=0.9,
    )
    attempt = AttemptStatus(number=1, state="running", nonce="", started_at=NOW - 60)
    job = status(started_at=NOW - 60, pid=7, activity=activity, attempt=1, attempts=(attempt,), conditions=("stalled",))
    text = show.block(job, now=NOW, spec=spec(prompt="mend it"), logs=[show.Log("/x/out.log", 2048)])
    assert "running for 60.0s" in text
    assert "permission_prompt for 12.0s  (rule default/claude/permission, out+1234)" in text
    assert "“Do you want to run rm?”" in text
    assert "stalled" in text
    assert "mock on host in /work" in text
    assert "mend it" in text
    assert "/x/out.log (2.0 KiB)" in text
    assert "logist attach 01abc" in text


def test_an_ended_job_is_shown_with_how_it_ended() -> None:
    job = status(
        Lifecycle.FAILED,
        outcome="unverified",
        exit=Exit(signal=9),
        started_at=NOW - 50,
        ended_at=NOW - 10,
        reason="the result event says is_error",
        session_id="s-1",
        labels={"b": "2", "a": "1"},
        after=("01xyz",),
    )
    text = show.block(job, now=NOW, spec=None, logs=[show.Log("/x/out.log", None)])
    assert "failed, after 40.0s, killed by SIGKILL, outcome unverified, ended" in text
    assert "the result event says is_error" in text
    assert "a=1, b=2" in text
    assert "(not there)" in text
    assert "logist resume 01abc" in text


def test_all_attempts_are_shown_when_there_were_several() -> None:
    attempts = (
        AttemptStatus(number=1, state="exited", nonce="", started_at=NOW - 90, ended_at=NOW - 80, exit=Exit(code=1)),
        AttemptStatus(number=2, state="running", nonce="", started_at=NOW - 70, resumed=True, reason="usage limit"),
    )
    text = show.block(status(attempt=2, attempts=attempts, started_at=NOW - 90), now=NOW, spec=None)
    assert "1  exited" in text
    assert "exit 1" in text
    assert "same session  usage limit" in text


def test_a_waiting_job_says_until_when() -> None:
    assert "in 5m00s" in show.block(status(Lifecycle.WAITING, not_before=NOW + 300), now=NOW, spec=None)
    assert "due" in show.block(status(Lifecycle.WAITING, not_before=NOW - 1), now=NOW, spec=None)


def test_a_job_that_was_asked_to_stop_says_so() -> None:
    assert "asked to   kill" in show.block(status(cancel="kill"), now=NOW, spec=None)


def test_a_reason_that_repeats_the_exit_is_left_out() -> None:
    job = status(Lifecycle.FAILED, exit=Exit(code=7), reason="exit code 7")
    assert show.telling_reason(job) == ""
    assert show.telling_reason(status(Lifecycle.FAILED, exit=Exit(code=7), reason="401")) == "401"
    killed = status(Lifecycle.CANCELLED, exit=Exit(signal=9), reason="killed by ann; killed by signal 9")
    assert show.telling_reason(killed) == "killed by ann"


@pytest.mark.parametrize(
    ("exit", "text"),
    [
        (None, "-"),
        (Exit(), "-"),
        (Exit(code=0), "0"),
        (Exit(code=7), "7"),
        (Exit(signal=15), "SIGTERM"),
        (Exit(signal=99), "signal 99"),
    ],
)
def test_an_exit_that_is_not_known_is_not_zero(exit: Exit | None, text: str) -> None:
    assert show.exit_text(exit) == text


@pytest.mark.parametrize("lifecycle", list(Lifecycle))
def test_every_lifecycle_can_be_shown_and_has_a_style(lifecycle: Lifecycle) -> None:
    assert lifecycle.value in show.block(status(lifecycle), now=NOW, spec=None)
    assert show.lifecycle_style(lifecycle)


@given(st.text(), st.booleans())
def test_nothing_that_a_job_says_of_itself_reaches_the_terminal_raw(text: str, colour: bool) -> None:
    text += HOSTILE
    activity = Activity(state="working", rule=text, text=text, stream="out", offset=1)
    attempt = AttemptStatus(number=1, state=text, nonce="", reason=text, started_at=NOW)
    job = status(
        name=text, agent=text, reason=text, session_id=text, labels={text: text}, conditions=(text,), activity=activity,
        attempt=1, attempts=(attempt,),
    )  # fmt: skip
    block = show.block(job, now=NOW, spec=spec(prompt=text), logs=[show.Log(text, 1)], colour=False)
    assert not set(block) & set("\x1b\x07\r\u202e\x00")
    assert not set("".join(show.table_cells(job, NOW, text))) & set("\x1b\x07\r\u202e\x00\n")
    coloured = show.block(job, now=NOW, spec=spec(prompt=text), colour=colour)
    assert "\x1b]" not in coloured
    assert "\x1b[2J" not in coloured


def test_the_task_is_the_prompt_or_else_the_arguments() -> None:
    assert show.task_of(spec(prompt="mend it")) == "mend it"
    assert show.task_of(spec(args=("sh", "-c", "true"))) == "sh -c true"
    assert show.task_of(spec()) == ""


def test_evidence_names_the_rule_or_at_least_the_source() -> None:
    assert show.evidence(Activity(state="working", source="process")) == "process"
    assert show.evidence(Activity(state="working", rule="r", stream="err")) == "rule r, err"
    assert show.evidence(Activity()) == ""
