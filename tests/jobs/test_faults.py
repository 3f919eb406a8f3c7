"""Every system call fails once, and then every one after it: nothing acknowledged is lost, nothing half-made shows.

For N = 1, 2, 3 ... the N-th call fails, until a run is clean; so no call is forgotten when the code changes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logist_core.errors import HomeError, LogistError
from logist_core.jobs.fold import fold
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.types.job import JobSpec, Lifecycle

CALLS = ("open", "write", "fsync", "fdatasync", "rename", "replace", "mkdir", "chmod", "fchmod", "ftruncate", "link")


class Saboteur:
    """Lets the N-th of the watched system calls fail, and, if it lasts, all after it."""

    def __init__(self, patch: pytest.MonkeyPatch, nth: int, number: int, lasting: bool) -> None:
        self.count = 0
        self.nth = nth
        self.lasting = lasting
        self.error = number
        for name in CALLS:
            patch.setattr(os, name, self.wrap(name, getattr(os, name)))

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.nth or (self.lasting and self.count > self.nth):
                if name == "write" and len(args[1]) > 1:
                    real(args[0], args[1][: len(args[1]) // 2])  # what came through before the disk was full
                raise OSError(self.error, os.strerror(self.error))
            return real(*args, **kwargs)

        return call

    @property
    def struck(self) -> bool:
        return self.count >= self.nth


def spec() -> JobSpec:
    return JobSpec(id=new_id(), agent="a", runtime="r", cwd="/", created_at=1.0, prompt="p" * 100)


def until_clean(run: Callable[[int], bool]) -> int:
    """Call `run` with 1, 2, 3 ... until it says that its fault never came; return how many faults did."""
    for nth in range(1, 200):
        if not run(nth):
            return nth - 1
    pytest.fail("there is no end to the system calls")


@pytest.fixture(params=[errno.ENOSPC, errno.EIO], ids=["full disk", "broken disk"])
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(params=[False, True], ids=["once", "from then on"])
def lasting(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_making_a_job_succeeds_or_leaves_nothing_to_see(home: Home, number: int, lasting: bool) -> None:
    store = JobStore(home)
    kept = [store.create(spec(), None).id]

    def run(nth: int) -> bool:
        asked = spec()
        with pytest.MonkeyPatch.context() as patch:
            saboteur = Saboteur(patch, nth, number, lasting)
            try:
                JobStore(home).create(asked, {"A": "b"})
            except LogistError as error:
                assert os.strerror(number) in error.message
                assert "\n" not in error.message
            else:
                kept.append(asked.id)
            assert saboteur.struck or asked.id in kept
        problems: list[tuple[str, LogistError]] = []
        shown = [status.id for status in store.statuses(problems=problems)]
        assert problems == []
        if lasting and asked.id not in kept and asked.id in shown:
            # The last wait for the disk failed, and so did the taking back: then a whole job may stand there.
            assert store.spec(asked.id) == replace(asked, env_names=("A",))
            shown.remove(asked.id)
            store.remove(asked.id, force=True)
        assert shown == sorted(kept)
        return saboteur.struck

    assert until_clean(run) > 10
    store.create(spec(), None)
    assert [name for name in os.listdir(home.path) if name not in ("jobs", "trash", "VERSION")] == []


def test_a_transaction_succeeds_or_changes_nothing(home: Home, number: int, lasting: bool) -> None:
    store = JobStore(home)
    job = store.create(spec(), None).id
    written = 0

    def run(nth: int) -> bool:
        nonlocal written
        before = store.events(job)
        with pytest.MonkeyPatch.context() as patch:
            saboteur = Saboteur(patch, nth, number, lasting)
            try:
                with store.transaction(job, "test") as transaction:
                    transaction.append("input.sent", by="me", bytes=nth)
                    transaction.append("session.seen", session_id=f"s{nth}")
            except LogistError as error:
                assert os.strerror(number) in error.message
                acknowledged = False
            else:
                acknowledged = True
        after = store.events(job)
        if acknowledged:
            written += 1
            assert after == [*before, *transaction.events]
        else:
            # When the taking back failed as well, the whole group may stand there: but never a part of it.
            assert after == before or (lasting and after[:-2] == before)
        assert store.status(job) == fold(after)
        with store.transaction(job, "test") as transaction:
            transaction.append("input.sent", by="after the fault", bytes=nth)
        assert store.events(job) == [*after, *transaction.events]
        return saboteur.struck

    assert until_clean(run) >= 5
    assert written > 0


def test_a_home_is_made_or_an_error_says_why(tmp_path: Path, number: int, lasting: bool) -> None:
    def run(nth: int) -> bool:
        path = tmp_path / f"home-{nth}"
        with pytest.MonkeyPatch.context() as patch:
            saboteur = Saboteur(patch, nth, number, lasting)
            try:
                Home.open(path)
            except HomeError as error:
                assert os.strerror(number) in error.message
                assert error.hint or number == errno.EIO
        assert Home.open(path).path == path, "the next try finishes what was begun"
        return saboteur.struck

    assert until_clean(run) > 5


def test_a_removal_succeeds_or_can_be_done_again(home: Home, number: int, lasting: bool) -> None:
    store = JobStore(home)

    def run(nth: int) -> bool:
        job = store.create(spec(), None).id
        with store.transaction(job, "test") as transaction:
            transaction.append("job.finished", lifecycle=Lifecycle.CANCELLED)
        with pytest.MonkeyPatch.context() as patch:
            saboteur = Saboteur(patch, nth, number, lasting)
            try:
                store.remove(job)
            except LogistError as error:
                assert os.strerror(number) in error.message
        problems: list[tuple[str, LogistError]] = []
        for status in store.statuses(problems=problems):
            store.remove(status.id)
        assert problems == []
        assert store.ids() == []
        return saboteur.struck

    assert until_clean(run) >= 3
