"""The state machine: what is legal, and what each event means for the status."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logist_core.errors import CorruptRecord, IllegalTransition
from logist_core.jobs import cache
from logist_core.jobs.fold import apply, fold, is_settling, phase_of
from logist_core.jobs.transitions import FIELDS, SETTLING, TRANSITIONS, Phase, rows
from logist_core.testing.histories import histories
from logist_core.types.job import Exit, JobEvent, JobStatus, Lifecycle
from logist_core.types.signals import UNKNOWN_ACTIVITY

pytestmark = pytest.mark.fast

Step = tuple[str, dict[str, Any]]

CREATED: Step = ("job.created", {"id": "0" * 16, "agent": "mock", "runtime": "host"})
STARTING: Step = ("attempt.starting", {"attempt": 1, "nonce": "n1"})
RUNNING: Step = ("attempt.running", {"attempt": 1, "pid": 42, "handle": {"h": 1}, "started_at": 100.5})
EXITED: Step = ("attempt.exited", {"attempt": 1, "code": 7, "signal": None, "ended_at": 200.5})
LOST: Step = ("attempt.lost", {"attempt": 1, "reason": "rebooted"})
UNSTARTED: Step = ("attempt.failed_to_start", {"attempt": 1, "error": "no such file"})
WAITING: Step = ("job.waiting", {"not_before": 900.0, "reason": "limit resets", "resume": True})
HELD: Step = ("job.held", {"reason": "log in first"})


def finished(lifecycle: str, **more: object) -> Step:
    return ("job.finished", {"lifecycle": lifecycle, **more})


def requeued(**data: object) -> Step:
    return ("job.requeued", {"by": "cli", **data})


def cancel(mode: str) -> Step:
    return ("job.cancel_requested", {"by": "cli", "mode": mode, "grace_s": None})


def raised(name: str) -> Step:
    return ("condition.raised", {"condition": name})


#: The shortest history that leads to each phase.
PATHS: dict[Phase, list[Step]] = {
    Phase.NEW: [],
    Phase.QUEUED: [CREATED],
    Phase.STARTING: [CREATED, STARTING],
    Phase.RUNNING: [CREATED, STARTING, RUNNING],
    Phase.EXITED: [CREATED, STARTING, RUNNING, EXITED],
    Phase.UNSTARTED: [CREATED, STARTING, UNSTARTED],
    Phase.VANISHED: [CREATED, STARTING, RUNNING, LOST],
    Phase.WAITING: [CREATED, STARTING, RUNNING, EXITED, WAITING],
    Phase.HELD: [CREATED, HELD],
    Phase.ENDED: [CREATED, STARTING, RUNNING, EXITED, finished("failed")],
    Phase.LOST: [CREATED, STARTING, RUNNING, LOST, finished("lost")],
    Phase.UPGRADING: [CREATED, STARTING, RUNNING, LOST, finished("lost"), EXITED],
}


def event(seq: int, kind: str, data: dict[str, Any]) -> JobEvent:
    return JobEvent(seq=seq, at=1000.0 + seq, boot_s=seq, boot_id="b", writer="test:1", kind=kind, data=data)


def run(*steps: Step) -> JobStatus:
    return fold(event(n, kind, data) for n, (kind, data) in enumerate(steps, start=1))


def at(phase: Phase, *more: Step) -> JobStatus:
    return run(*PATHS[phase], *more)


def some_data(kind: str, status: JobStatus | None) -> dict[str, Any]:
    """Return the least data that an event of `kind` needs in `status`."""
    examples = {"text": "x", "job id": "0" * 16, "int": 1, "stop|kill": "stop"}
    data = {name: examples.get(what, "x") for name, what in FIELDS[kind].items() if not what.endswith("?")}
    attempt = 0 if status is None else status.attempt
    if "attempt" in data:
        data["attempt"] = attempt + 1 if kind == "attempt.starting" else attempt
    if kind == "attempt.exited":
        data["code"] = 0
    return data


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_reached_by_its_path(phase: Phase) -> None:
    steps = PATHS[phase]
    assert phase_of(run(*steps) if steps else None) is phase


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("kind", FIELDS)
def test_exactly_the_transitions_in_the_table_are_legal(kind: str, phase: Phase) -> None:
    status = at(phase) if PATHS[phase] else None
    table = [row for row in TRANSITIONS if row.kind == kind and phase in row.sources]
    for lifecycle in [one for one in Lifecycle if one.ended] if kind == "job.finished" else [None]:
        data = some_data(kind, status)
        if lifecycle is not None:
            data["lifecycle"] = lifecycle.value
        allowed = [row for row in table if lifecycle is None or lifecycle in row.lifecycles]
        if not allowed:
            with pytest.raises(IllegalTransition):
                apply(status, event(99, kind, data))
            continue
        after = apply(status, event(99, kind, data))
        assert phase_of(after) is (allowed[0].target or phase)


def test_a_finished_event_names_only_lifecycles_that_end_a_job() -> None:
    for name in ("queued", "running", "waiting", "held", "nonsense", None, 1, ["failed"]):
        with pytest.raises(IllegalTransition):
            at(Phase.EXITED, ("job.finished", {"lifecycle": name}))


@given(histories())
def test_every_prefix_of_a_legal_history_folds_to_what_the_steps_gave(history: list[JobEvent]) -> None:
    status: JobStatus | None = None
    for n, one in enumerate(history, start=1):
        status = apply(status, one)
        assert fold(history[:n]) == status
    assert fold(history) == fold(list(history))


@given(histories(settled=False))
def test_a_status_comes_back_from_the_cache_as_it_was(history: list[JobEvent]) -> None:
    status = fold(history)
    data = cache.encode(status, seq=len(history), journal_bytes=4711)
    assert cache.decode(data, status.id, 4711) == (status, len(history))


@given(histories(), st.data())
def test_unknown_kinds_change_nothing_wherever_they_come(history: list[JobEvent], data: st.DataObject) -> None:
    where = data.draw(st.integers(1, len(history)))
    strange = event(0, "job.teleported", {"lifecycle": "succeeded", "x": [1]})
    assert fold([*history[:where], strange, *history[where:]]) == fold(history)


@settings(max_examples=150)
@given(
    history=histories(settled=False),
    kind=st.sampled_from(sorted(FIELDS)) | st.text(max_size=5),
    data=st.dictionaries(
        st.sampled_from(sorted({name for fields in FIELDS.values() for name in fields})),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=3)
        | st.lists(st.integers())
        | st.just({}),
    ),
)
def test_any_event_at_all_gives_a_status_or_an_illegal_transition(
    history: list[JobEvent], kind: str, data: dict[str, Any]
) -> None:
    before = fold(history)
    try:
        after = apply(before, event(99, kind, data))
    except IllegalTransition as error:
        assert "\n" not in error.message
    else:
        assert isinstance(after, JobStatus)
    assert before == fold(history)


@given(histories())
def test_what_holds_of_every_status(history: list[JobEvent]) -> None:
    status = fold(history)
    ended = status.lifecycle.ended
    assert (status.outcome is not None) == ended
    assert (status.ended_at is not None) == ended
    assert (status.pid is None) or status.lifecycle is Lifecycle.RUNNING
    assert (status.not_before is None) or status.lifecycle is Lifecycle.WAITING
    assert ("cancelling" in status.conditions) == (status.cancel is not None)
    assert (status.cancel is None) or not ended
    assert status.conditions == tuple(sorted(set(status.conditions)))
    assert [attempt.number for attempt in status.attempts] == list(range(1, status.attempt + 1))
    assert (status.started_at is None) == (status.attempt == 0)
    assert not (status.resume and (ended or status.lifecycle is Lifecycle.RUNNING))
    if status.lifecycle not in (Lifecycle.STARTING, Lifecycle.RUNNING):
        assert not {"orphaned", "unresponsive", "stalled", "suspect"} & set(status.conditions)
    assert not is_settling(status)


def test_no_events_are_no_job() -> None:
    with pytest.raises(CorruptRecord):
        fold([])


def test_the_first_event_must_make_the_job() -> None:
    for kind in ("attempt.starting", "job.teleported"):
        with pytest.raises(IllegalTransition):
            run((kind, {}))


def test_a_new_job_is_queued_and_nothing_is_known_of_it() -> None:
    status = run(("job.created", {**CREATED[1], "name": "n", "labels": {"a": "b"}, "priority": 3, "after": ["x"]}))
    assert (status.lifecycle, status.name, dict(status.labels)) == (Lifecycle.QUEUED, "n", {"a": "b"})
    assert (status.priority, status.after, status.created_at) == (3, ("x",), 1001.0)
    assert (status.outcome, status.exit, status.pid, status.started_at, status.attempts) == (None, None, None, None, ())


def test_the_time_of_creation_is_the_specs_where_it_is_given() -> None:
    assert run(("job.created", {**CREATED[1], "created_at": 5.0})).created_at == 5.0


def test_a_running_job_shows_its_pid_and_an_ended_one_only_its_attempts() -> None:
    assert at(Phase.RUNNING).pid == 42
    ended = at(Phase.ENDED)
    assert (ended.pid, ended.attempts[0].pid) == (None, 42)


def test_the_job_started_when_its_runtime_says_that_the_first_attempt_did() -> None:
    assert at(Phase.STARTING).started_at == 1002.0
    assert at(Phase.RUNNING).started_at == 100.5
    again = at(Phase.WAITING, ("attempt.starting", {"attempt": 2, "nonce": "n2"}))
    assert again.started_at == 100.5
    assert again.attempts[1].started_at == 1006.0


def test_a_finished_job_has_its_exit_its_outcome_its_reason_and_the_true_time_of_its_end() -> None:
    status = at(Phase.EXITED, finished("failed", outcome="unverified", reason="no result event"))
    assert (status.lifecycle, status.outcome, status.reason) == (Lifecycle.FAILED, "unverified", "no result event")
    assert (status.exit, status.ended_at) == (Exit(code=7), 200.5)


def test_the_outcome_is_the_lifecycle_where_nobody_judged() -> None:
    assert at(Phase.QUEUED, finished("cancelled")).outcome == "cancelled"
    assert at(Phase.LOST).outcome == "lost"


def test_a_job_that_never_ran_ended_when_it_was_finished() -> None:
    assert at(Phase.QUEUED, finished("cancelled")).ended_at == 1002.0


def test_an_exit_by_signal_is_no_code() -> None:
    status = at(Phase.RUNNING, ("attempt.exited", {"attempt": 1, "code": None, "signal": 9}), finished("failed"))
    assert status.exit == Exit(signal=9)
    assert status.ended_at == 1004.0


@pytest.mark.parametrize("ways", [{}, {"code": None, "signal": None}, {"code": 1, "signal": 9}], ids=str)
def test_an_exit_needs_exactly_one_way(ways: dict[str, Any]) -> None:
    with pytest.raises(IllegalTransition, match="either a code or a signal"):
        at(Phase.RUNNING, ("attempt.exited", {"attempt": 1, **ways}))


def test_a_lost_attempt_has_no_exit_and_no_end_but_a_reason() -> None:
    status = at(Phase.LOST)
    attempt = status.attempts[0]
    assert (status.exit, attempt.exit, attempt.ended_at, attempt.reason) == (None, None, None, "rebooted")
    assert status.ended_at == 1005.0


def test_late_evidence_turns_a_lost_job_into_what_really_happened() -> None:
    status = at(Phase.LOST, EXITED, finished("failed", reason="exit code 7"))
    assert (status.lifecycle, status.exit, status.ended_at) == (Lifecycle.FAILED, Exit(code=7), 200.5)
    assert status.attempts[0].state == "exited"
    with pytest.raises(IllegalTransition):
        at(Phase.LOST, EXITED, finished("failed"), LOST)


def test_late_evidence_must_be_about_the_lost_attempt() -> None:
    with pytest.raises(IllegalTransition, match="attempt 2"):
        at(Phase.LOST, ("attempt.exited", {"attempt": 2, "code": 0}))


def test_a_failed_start_leaves_its_error_in_the_attempt() -> None:
    status = at(Phase.UNSTARTED, finished("failed_to_start", reason="no such file"))
    assert (status.attempts[0].state, status.attempts[0].reason) == ("failed_to_start", "no such file")
    assert status.exit is None


def test_attempts_are_numbered_without_gaps() -> None:
    for number in (0, 2, -1):
        with pytest.raises(IllegalTransition, match="the next one is 1"):
            run(CREATED, ("attempt.starting", {"attempt": number, "nonce": "n"}))
    with pytest.raises(IllegalTransition, match="about attempt 2"):
        at(Phase.STARTING, ("attempt.running", {"attempt": 2}))


def test_the_exit_of_the_last_ended_attempt_stays_while_the_next_one_runs() -> None:
    status = at(Phase.WAITING, ("attempt.starting", {"attempt": 2, "nonce": "n2", "resumed": True}))
    assert status.exit == Exit(code=7)
    assert status.attempts[1].resumed
    assert status.attempts[1].exit is None


def test_a_new_attempt_knows_nothing_of_the_activity_and_conditions_before() -> None:
    working = ("activity.changed", {"state": "rate_limited", "text": "x", "confidence": 0.5})
    before = at(Phase.RUNNING, working, raised("unkillable"), EXITED, WAITING)
    assert before.activity.state == "rate_limited"
    assert before.conditions == ("unkillable",)
    after = run(
        *PATHS[Phase.RUNNING],
        working,
        raised("unkillable"),
        EXITED,
        WAITING,
        ("attempt.starting", {"attempt": 2, "nonce": "n"}),
    )
    assert after.activity == UNKNOWN_ACTIVITY
    assert after.conditions == ()


def test_the_last_activity_stays_as_evidence_when_the_job_has_ended() -> None:
    status = at(Phase.RUNNING, ("activity.changed", {"state": "completed"}), EXITED, finished("succeeded"))
    assert status.activity.state == "completed"


def test_conditions_of_an_attempt_go_with_it_and_others_stay() -> None:
    steps = [raised(name) for name in ("stalled", "suspect", "orphaned", "unresponsive", "unreachable")]
    assert at(Phase.RUNNING, *steps).conditions == ("orphaned", "stalled", "suspect", "unreachable", "unresponsive")
    assert at(Phase.RUNNING, *steps, EXITED, finished("failed")).conditions == ("unreachable",)


def test_conditions_are_raised_and_cleared_once_or_twice_alike() -> None:
    cleared = ("condition.cleared", {"condition": "stalled"})
    assert at(Phase.RUNNING, raised("stalled"), raised("stalled")).conditions == ("stalled",)
    assert at(Phase.RUNNING, raised("stalled"), cleared, cleared).conditions == ()


def test_only_a_running_attempt_can_stall() -> None:
    with pytest.raises(IllegalTransition, match="can't be stalled"):
        at(Phase.QUEUED, raised("stalled"))


@pytest.mark.parametrize("kind", ["condition.raised", "condition.cleared"])
def test_cancelling_is_not_raised_or_cleared_by_hand(kind: str) -> None:
    with pytest.raises(IllegalTransition, match="cancel_requested"):
        at(Phase.RUNNING, (kind, {"condition": "cancelling"}))


@pytest.mark.parametrize(
    ("modes", "result"),
    [(["stop"], "stop"), (["stop", "kill"], "kill"), (["kill", "stop"], "kill"), (["stop", "stop"], "stop")],
    ids=str,
)
def test_a_kill_overrides_a_stop_and_a_stop_does_not_take_back_a_kill(modes: list[str], result: str) -> None:
    status = at(Phase.RUNNING, *map(cancel, modes))
    assert (status.cancel, status.conditions) == (result, ("cancelling",))


def test_the_wish_to_stop_is_gone_when_the_job_has_ended() -> None:
    status = at(Phase.RUNNING, cancel("stop"), EXITED, finished("cancelled"))
    assert (status.cancel, status.conditions, status.lifecycle) == (None, (), Lifecycle.CANCELLED)


def test_a_job_that_is_to_be_stopped_cannot_start() -> None:
    with pytest.raises(IllegalTransition, match="asked to stop"):
        at(Phase.QUEUED, cancel("stop"), STARTING)


def test_an_ended_job_cannot_be_stopped_and_says_so() -> None:
    with pytest.raises(IllegalTransition, match=r"has already ended \(failed\): there is nothing to stop"):
        at(Phase.ENDED, cancel("stop"))


def test_a_person_who_requeues_a_held_job_takes_the_wish_to_stop_back() -> None:
    status = at(Phase.HELD, cancel("stop"), requeued())
    assert (status.cancel, status.conditions) == (None, ())


def test_a_requeue_at_the_end_of_an_attempt_does_not_take_a_persons_wish_to_stop_back() -> None:
    status = at(Phase.RUNNING, cancel("stop"), EXITED, requeued(by="sentinel"))
    assert (status.lifecycle, status.cancel, status.conditions) == (Lifecycle.QUEUED, "stop", ("cancelling",))
    with pytest.raises(IllegalTransition):
        at(
            Phase.RUNNING,
            cancel("stop"),
            EXITED,
            requeued(by="sentinel"),
            ("attempt.starting", {"attempt": 2, "nonce": "n"}),
        )


def test_a_requeued_job_has_no_end_any_more_but_keeps_its_last_exit_and_session() -> None:
    status = at(
        Phase.RUNNING, ("session.seen", {"session_id": "s1"}), EXITED, finished("failed", reason="x"),
        requeued(resume=True, prompt="go on"),
    )  # fmt: skip
    assert (status.lifecycle, status.outcome, status.reason, status.ended_at) == (Lifecycle.QUEUED, None, None, None)
    assert (status.exit, status.session_id) == (Exit(code=7), "s1")
    assert (status.resume, status.resume_prompt, status.attempt) == (True, "go on", 1)


def test_a_running_job_cannot_be_requeued_and_the_error_says_what_to_do() -> None:
    with pytest.raises(IllegalTransition, match="is running") as caught:
        at(Phase.RUNNING, requeued())
    assert "logist stop" in str(caught.value.hint)


def test_what_to_resume_is_remembered_until_an_attempt_runs() -> None:
    waiting = at(Phase.WAITING)
    assert (waiting.resume, waiting.not_before, waiting.reason) == (True, 900.0, "limit resets")
    released = at(Phase.WAITING, HELD, ("job.released", {}))
    assert (released.resume, released.not_before, released.reason) == (True, None, None)
    starting = ("attempt.starting", {"attempt": 2, "nonce": "n"})
    started = at(Phase.WAITING, starting, ("attempt.running", {"attempt": 2, "pid": 1, "handle": {}}))
    assert (started.resume, started.resume_prompt, started.not_before, started.reason) == (False, None, None, None)


def test_an_attempt_that_never_started_leaves_what_to_resume_and_what_to_say() -> None:
    again = ("job.waiting", {"not_before": 1.0, "reason": "r", "resume": True, "prompt": "go on"})
    refused = ("attempt.failed_to_start", {"attempt": 2, "error": "no descriptor is left"})
    starting = ("attempt.starting", {"attempt": 2, "nonce": "n"})
    status = at(Phase.WAITING, requeued(resume=True, prompt="go on"), starting, refused, again)
    assert (status.resume, status.resume_prompt) == (True, "go on")


def test_nothing_is_to_be_resumed_in_a_job_that_has_ended() -> None:
    status = at(Phase.WAITING, finished("cancelled"))
    assert (status.resume, status.resume_prompt, status.not_before) == (False, None, None)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.NEW])
def test_a_session_may_be_found_at_any_time(phase: Phase) -> None:
    assert at(phase, ("session.seen", {"session_id": "s"})).session_id == "s"


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("attempt.running", {}, "attempt"),
        ("attempt.running", {"attempt": "1"}, "attempt"),
        ("attempt.running", {"attempt": True}, "attempt"),
        ("attempt.running", {"attempt": 1, "pid": "4"}, "pid"),
        ("attempt.running", {"attempt": 1, "handle": [1]}, "handle"),
        ("attempt.running", {"attempt": 1, "started_at": "now"}, "started_at"),
        ("job.cancel_requested", {"mode": "maim"}, "mode"),
        ("activity.changed", {"state": "working", "confidence": "high"}, "confidence"),
        ("attempt.exited", {"attempt": 1, "code": 0, "survivors": ["x"]}, "survivors"),
        ("sentinel.verdict", {"evidence": [1]}, "evidence"),
        ("condition.raised", {"condition": None}, "condition"),
    ],
    ids=str,
)
def test_data_of_the_wrong_type_are_refused_by_the_fields_name(kind: str, data: dict[str, Any], field: str) -> None:
    with pytest.raises(IllegalTransition, match=f"{kind}: the field '{field}'"):
        at(Phase.STARTING, (kind, data))


def test_fields_of_a_newer_version_are_left_alone() -> None:
    status = at(Phase.STARTING, ("activity.changed", {"state": "working", "mood": "good"}))
    assert status.activity.state == "working"


def test_a_status_is_a_frozen_record() -> None:
    status = at(Phase.RUNNING)
    with pytest.raises(dataclasses.FrozenInstanceError):
        status.pid = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        status.labels["a"] = "b"  # type: ignore[index]


def test_the_table_prints_one_row_for_each_transition() -> None:
    printed = list(rows())
    assert len(printed) == len(TRANSITIONS)
    assert ("job.released", "held", "queued", "The person did.") in printed
    assert all(all(cells) for cells in printed)
    assert {row[0] for row in printed} == set(FIELDS)


def test_every_settling_phase_can_be_left() -> None:
    for phase in SETTLING:
        assert any(phase in row.sources and row.target not in (None, *SETTLING) for row in TRANSITIONS)
