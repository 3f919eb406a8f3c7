"""A store on a disk against a small model that is trusted: whatever is done to a job, in any order."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logist_core.errors import IllegalTransition
from logist_core.jobs import survey
from logist_core.jobs.fold import fold
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.testing.histories import texts
from logist_core.types.job import JobSpec

ENDED = {"succeeded", "failed", "cancelled", "timed_out", "failed_to_start", "lost"}
codes = st.integers(0, 255)
modes = st.sampled_from(["stop", "kill"])


class JobMachine(RuleBasedStateMachine):
    """The model: what a job's status must say, kept by hand next to what is asked of the store."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="logist-machine-")
        self.store = JobStore(Home.open(Path(self.directory, "home")))
        self.old_index = b""

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @initialize(name=st.none() | texts, priority=st.integers(-5, 5), labels=st.dictionaries(texts, texts, max_size=2))
    def create(self, name: str | None, priority: int, labels: dict[str, str]) -> None:
        spec = JobSpec(
            id=new_id(), agent="a", runtime="r", cwd="/", created_at=7.0, name=name, priority=priority, labels=labels
        )
        self.job = self.store.create(spec, {"SECRET": "x"}).id
        self.fixed = (name, priority, labels)
        self.state = "queued"
        self.attempts: list[str] = []
        self.exits: list[tuple[int | None, int | None] | None] = []
        self.cancel: str | None = None
        self.session: str | None = None
        self.activity = "unknown"
        self.conditions: set[str] = set()
        self.resume: tuple[bool, str | None] = (False, None)
        self.count = 1

    # What the model is told: one method for each thing that can be done, run as one transaction.

    def write(self, *steps: tuple[str, dict[str, Any]]) -> None:
        with self.store.transaction(self.job, "machine") as transaction:
            for kind, data in steps:
                transaction.append(kind, **data)
        self.count += len(steps)

    def active(self) -> bool:
        return self.state in ("starting", "running")

    def idle(self) -> bool:
        return self.state in ("queued", "waiting", "held")

    def can_start(self) -> bool:
        return self.state in ("queued", "waiting") and self.cancel is None

    @precondition(can_start)
    @rule(at_once=st.booleans(), pid=st.none() | st.integers(1, 2**22))
    def start(self, at_once: bool, pid: int | None) -> None:
        number = len(self.attempts) + 1
        steps = [("attempt.starting", {"attempt": number, "nonce": "n", "runtime": "r", "resumed": False})]
        if at_once:
            steps.append(("attempt.running", {"attempt": number, "pid": pid, "handle": {}, "started_at": 1.0}))
        self.write(*steps)
        self.state = "running" if at_once else "starting"
        self.attempts.append(self.state)
        self.exits.append(None)
        self.activity, self.conditions = "unknown", set()
        if at_once:
            self.resume = (False, None)

    @precondition(lambda self: self.state == "starting")
    @rule()
    def run(self) -> None:
        self.write(("attempt.running", {"attempt": len(self.attempts), "pid": 1, "handle": {}, "started_at": 1.0}))
        self.state = self.attempts[-1] = "running"
        self.resume = (False, None)

    def end_attempt(self, how: str, data: dict[str, Any], then: tuple[str, dict[str, Any]]) -> None:
        event = {"exited": "attempt.exited", "lost": "attempt.lost", "failed_to_start": "attempt.failed_to_start"}[how]
        self.write((event, {"attempt": len(self.attempts), **data}), then)
        self.attempts[-1] = how
        self.exits[-1] = (data.get("code"), data.get("signal")) if how == "exited" else None
        self.conditions -= {"stalled", "orphaned"}

    def end_job(self, state: str) -> None:
        self.state, self.cancel, self.resume = state, None, (False, None)

    @precondition(active)
    @rule(code=codes, lifecycle=st.sampled_from(["succeeded", "failed", "cancelled", "timed_out"]))
    def exit_and_finish(self, code: int, lifecycle: str) -> None:
        self.end_attempt("exited", {"code": code}, ("job.finished", {"lifecycle": lifecycle}))
        self.end_job(lifecycle)

    @precondition(active)
    @rule(code=codes, at=st.none() | st.floats(allow_nan=False), resume=st.booleans())
    def exit_and_wait(self, code: int, at: float | None, resume: bool) -> None:
        then = {"not_before": at, "reason": "r", "resume": resume}
        self.end_attempt("exited", {"code": code}, ("job.waiting", then))
        self.state, self.resume = "waiting", (resume, None)

    @precondition(active)
    @rule(signal=st.integers(1, 64), prompt=st.none() | texts)
    def die_and_requeue(self, signal: int, prompt: str | None) -> None:
        self.end_attempt("exited", {"signal": signal}, ("job.requeued", {"by": "s", "resume": True, "prompt": prompt}))
        self.state, self.resume = "queued", (True, prompt)

    @precondition(active)
    @rule()
    def lose(self) -> None:
        self.end_attempt("lost", {"reason": "rebooted"}, ("job.finished", {"lifecycle": "lost"}))
        self.end_job("lost")

    @precondition(lambda self: self.state == "starting")
    @rule()
    def be_refused(self) -> None:
        resume, prompt = self.resume
        then = {"not_before": 1.0, "reason": "r", "resume": resume, "prompt": prompt}
        self.end_attempt("failed_to_start", {"error": "e"}, ("job.waiting", then))
        self.state = "waiting"

    @precondition(active)
    @rule()
    def fail_to_start(self) -> None:
        self.end_attempt("failed_to_start", {"error": "e"}, ("job.finished", {"lifecycle": "failed_to_start"}))
        self.end_job("failed_to_start")

    @precondition(lambda self: self.state == "lost")
    @rule(code=codes)
    def learn_late(self, code: int) -> None:
        self.end_attempt("exited", {"code": code}, ("job.finished", {"lifecycle": "failed"}))
        self.end_job("failed")

    @precondition(idle)
    @rule()
    def give_up(self) -> None:
        self.write(("job.finished", {"lifecycle": "cancelled"}))
        self.end_job("cancelled")

    @precondition(lambda self: self.state in ("queued", "waiting"))
    @rule()
    def hold(self) -> None:
        self.write(("job.held", {"reason": "r"}))
        self.state = "held"

    @precondition(lambda self: self.state == "held")
    @rule()
    def release(self) -> None:
        self.write(("job.released", {}))
        self.state = "queued"

    @precondition(lambda self: self.state in ENDED | {"waiting", "held"})
    @rule(resume=st.booleans())
    def requeue(self, resume: bool) -> None:
        self.write(("job.requeued", {"by": "cli", "resume": resume, "prompt": None}))
        self.state, self.cancel, self.resume = "queued", None, (resume, None)

    @precondition(lambda self: self.state not in ENDED)
    @rule(mode=modes)
    def ask_to_cancel(self, mode: str) -> None:
        self.write(("job.cancel_requested", {"by": "cli", "mode": mode, "grace_s": None}))
        self.cancel = "kill" if "kill" in (self.cancel, mode) else "stop"

    @precondition(active)
    @rule(state=texts, confidence=st.none() | st.floats())
    def do(self, state: str, confidence: float | None) -> None:
        self.write(("activity.changed", {"state": state, "confidence": confidence, "text": "\x1b]0;x\x07"}))
        self.activity = state

    @rule(session=texts)
    def see_session(self, session: str) -> None:
        self.write(("session.seen", {"session_id": session}))
        self.session = session

    @precondition(active)
    @rule(name=st.sampled_from(["stalled", "orphaned"]))
    def raise_condition(self, name: str) -> None:
        self.write(("condition.raised", {"condition": name, "detail": "d"}))
        self.conditions.add(name)

    @rule(name=st.sampled_from(["stalled", "unkillable"]))
    def clear_condition(self, name: str) -> None:
        self.write(("condition.cleared", {"condition": name}))
        self.conditions.discard(name)

    @rule()
    def raise_lasting_condition(self) -> None:
        self.write(("condition.raised", {"condition": "unkillable", "detail": None}))
        self.conditions.add("unkillable")

    @rule(text=texts)
    def note_something_unknown(self, text: str) -> None:
        self.write(("job.hummed", {"tune": text}))

    # What must change nothing.

    @rule(
        kind=st.sampled_from(["job.created", "attempt.running", "job.released", "attempt.exited", "job.finished"]),
        number=st.integers(-1, 9),
    )
    def try_something_illegal(self, kind: str, number: int) -> None:
        data = {"attempt": number + 100, "lifecycle": "queued", "id": self.job, "agent": "a", "runtime": "r"}
        if kind == "job.released" and self.state == "held":
            return
        with pytest.raises(IllegalTransition), self.store.transaction(self.job, "machine") as transaction:
            transaction.append("session.seen", session_id="must not be seen")
            transaction.append(kind, **data)

    @rule()
    def break_a_transaction_off(self) -> None:
        with pytest.raises(ZeroDivisionError), self.store.transaction(self.job, "machine") as transaction:
            transaction.append("session.seen", session_id="must not be seen")
            raise ZeroDivisionError

    @rule(garbage=st.binary(max_size=40))
    def tear_the_journal(self, garbage: bytes) -> None:
        # A line of a newer version is no torn tail, and is refused: test_journal.py.
        with self.store.journal_path(self.job).open("ab") as file:
            file.write(b"!" + garbage.replace(b"\n{", b"\n["))

    @rule(how=st.sampled_from(["delete", "empty", "cut", "keep"]))
    def spoil_the_cache(self, how: str) -> None:
        path = self.store.job_dir(self.job) / "state.json"
        if how == "delete":
            path.unlink(missing_ok=True)
        elif how in ("empty", "cut") and path.exists():
            os.truncate(path, 0 if how == "empty" else path.stat().st_size // 2)

    @rule(how=st.sampled_from(["delete", "cut", "flip", "bring back", "keep"]), where=st.floats(0, 1))
    def spoil_the_index(self, how: str, where: float) -> None:
        path = self.store.home.path / "ended.index"
        if not path.exists():
            return
        data = path.read_bytes()
        if how == "delete":
            path.unlink()
        elif how == "cut":
            os.truncate(path, int(len(data) * where))
        elif how == "flip" and data:
            at = min(int(len(data) * where), len(data) - 1)
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        elif how == "bring back":
            path.write_bytes(self.old_index)
        self.old_index = data

    @rule()
    def become_another_process(self) -> None:
        self.store = JobStore(Home.open(Path(self.directory, "home")))

    # What must hold.

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        status = self.store.status(self.job)
        assert status.lifecycle == self.state
        assert (status.name, status.priority, dict(status.labels)) == self.fixed
        assert [attempt.state for attempt in status.attempts] == self.attempts
        assert status.attempt == len(self.attempts)
        assert status.cancel == self.cancel
        assert set(status.conditions) == self.conditions | ({"cancelling"} if self.cancel else set())
        assert status.session_id == self.session
        assert status.activity.state == self.activity
        assert (status.resume, status.resume_prompt) == self.resume
        assert (status.outcome is None) == (self.state not in ENDED)
        ended = [n for n, state in enumerate(self.attempts) if state not in ("starting", "running")]
        exit = self.exits[ended[-1]] if ended else None
        assert (None if status.exit is None else (status.exit.code, status.exit.signal)) == exit

    @invariant()
    def the_journal_has_no_gap_and_folds_to_the_status(self) -> None:
        events = self.store.events(self.job)
        assert [event.seq for event in events] == list(range(1, self.count + 1))
        assert fold(events) == self.store.status(self.job) == next(iter(self.store.statuses()))

    @invariant()
    def lists_say_the_same_with_and_without_the_index(self) -> None:
        status = self.store.status(self.job)
        assert list(survey.living(self.store)) == ([] if self.state in ENDED else [status])
        assert survey.newest(self.store, 1) == ([status], 0)
        assert survey.newest(self.store, 0) == (([], 1) if self.state in ENDED else ([status], 0))
        assert survey.ended(self.store) in ({}, {self.job: status.lifecycle} if self.state in ENDED else {})

    @invariant()
    def an_ended_job_has_no_environment(self) -> None:
        if self.state in ENDED:
            assert self.store.environment(self.job) is None


TestJobMachine = JobMachine.TestCase
TestJobMachine.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
