"""Lists of many jobs are the same with the index, without it, and with one that is wrong in any way."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logist_core.jobs import files, index, survey
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.types.job import JobSpec, JobStatus, Lifecycle

MakeSpec = Callable[..., JobSpec]


def end(store: JobStore, job: str, lifecycle: str = "cancelled") -> None:
    with store.transaction(job, "cli") as transaction:
        transaction.append("job.finished", lifecycle=lifecycle, reason="it was asked for")


def retry(store: JobStore, job: str) -> None:
    with store.transaction(job, "cli") as transaction:
        transaction.append("job.requeued", by="somebody")


@pytest.fixture
def jobs(store: JobStore, make_spec: MakeSpec) -> list[str]:
    """Six jobs: the first four have ended, the last two haven't."""
    made = [store.create(make_spec(name=f"job-{n}"), None).id for n in range(6)]
    for job in made[:4]:
        end(store, job)
    return made


@pytest.fixture
def path(home: Home) -> Path:
    return home.path / index.NAME


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on."""
    names: list[str] = []
    really = files.read_bytes

    def read(path: str, offset: int = 0) -> bytes | None:
        names.append(os.path.relpath(path, os.path.dirname(os.path.dirname(path))))
        return really(path, offset)

    monkeypatch.setattr(files, "read_bytes", read)
    return names


def from_the_files(store: JobStore) -> list[JobStatus]:
    return [store.status(job) for job in store.ids()]


def test_ended_jobs_are_listed_without_opening_their_files(store: JobStore, jobs: list[str], opened: list[str]) -> None:
    assert [status.id for status in store.statuses()] == jobs
    assert opened == [f"home/{index.NAME}", *(f"{job}/state.json" for job in jobs[4:])]
    assert list(store.statuses()) == from_the_files(store)


def test_the_newest_are_read_and_the_others_only_counted(store: JobStore, jobs: list[str], opened: list[str]) -> None:
    newest, hidden = survey.newest(store, 1)
    assert [status.id for status in newest] == [jobs[5], jobs[4], jobs[3]]
    assert hidden == 3
    assert len(opened) == 3
    assert survey.newest(store, 100) == (list(reversed(from_the_files(store))), 0)


def test_those_that_have_not_ended_are_found_among_those_that_have(store: JobStore, jobs: list[str]) -> None:
    assert [status.id for status in survey.living(store)] == jobs[4:]
    assert survey.ended(store) == dict.fromkeys(jobs[:4], Lifecycle.CANCELLED)


def test_a_job_that_is_run_again_is_listed_as_it_is_now(store: JobStore, jobs: list[str]) -> None:
    retry(store, jobs[0])
    assert list(store.statuses()) == from_the_files(store)
    assert [status.id for status in survey.living(store)] == [jobs[0], *jobs[4:]]
    assert survey.newest(store, 0)[1] == 3
    end(store, jobs[0])
    assert list(store.statuses()) == from_the_files(store)


def test_an_old_copy_of_the_index_says_nothing_of_what_came_after_it(
    store: JobStore, jobs: list[str], path: Path
) -> None:
    old = path.read_bytes()
    retry(store, jobs[0])
    end(store, jobs[5])
    store.remove(jobs[1])
    path.write_bytes(old)
    assert [status.id for status in store.statuses()] == [jobs[0], *jobs[2:]]
    assert list(store.statuses()) == from_the_files(store)
    assert [status.id for status in survey.living(store)] == [jobs[0], jobs[4]]


def spoilt(data: bytes) -> Iterator[bytes]:
    chance = random.Random(7)
    yield b""
    yield b"\n" * 5
    yield chance.randbytes(3000)
    yield data.replace(b'{"v":1', b'{"v":2')  # a newer version's
    yield data.replace(b'"schema":1', b'"schema":2')
    yield data + data[: len(data) // 7]
    for _ in range(60):
        at = chance.randrange(len(data))
        yield data[:at]
        yield data[at:]
        yield data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def test_a_spoilt_index_changes_no_list(store: JobStore, jobs: list[str], path: Path) -> None:
    expected = from_the_files(store)
    for data in spoilt(path.read_bytes()):
        path.write_bytes(data)
        assert list(store.statuses()) == expected
        assert [status.id for status in survey.living(store)] == jobs[4:]


@pytest.mark.parametrize("planted", ["fifo", "link", "directory"])
def test_what_is_planted_in_the_place_of_the_index_is_left_alone(
    store: JobStore, jobs: list[str], path: Path, tmp_path: Path, planted: str
) -> None:
    path.unlink()
    foreign = tmp_path / "foreign"
    foreign.write_text("mine")
    {"fifo": os.mkfifo, "directory": os.mkdir, "link": lambda p: os.symlink(foreign, p)}[planted](path)
    end(store, jobs[4])
    assert list(store.statuses()) == from_the_files(store)
    assert foreign.read_text() == "mine"


def test_an_index_that_was_deleted_is_completed(store: JobStore, jobs: list[str], path: Path) -> None:
    path.unlink()
    end(store, jobs[4])
    assert survey.complete_index(store) == 4
    assert sorted(survey.ended(store)) == jobs[:5]
    assert survey.complete_index(store) == 0


def test_completing_can_be_broken_off(store: JobStore, jobs: list[str], path: Path) -> None:
    path.unlink()
    looks = iter([True, True, False])
    assert survey.complete_index(store, lambda: next(looks)) == 2
    assert list(store.statuses()) == from_the_files(store)


def test_an_index_about_jobs_that_are_gone_is_begun_anew(
    store: JobStore, jobs: list[str], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "LEAST_TO_COMPACT", 4)
    for _ in range(5):
        for job in jobs[:4]:
            retry(store, job)
            end(store, job)
    for job in jobs[1:4]:
        store.remove(job)
    before = path.stat().st_size
    assert survey.complete_index(store) == 1
    assert path.stat().st_size < before / 10
    assert survey.ended(store) == {jobs[0]: Lifecycle.CANCELLED}


def test_a_job_that_cannot_be_read_keeps_no_other_out_of_the_index(
    store: JobStore, jobs: list[str], path: Path
) -> None:
    path.unlink()
    store.journal_path(jobs[1]).write_bytes(b"x\n" * 50 + store.journal_path(jobs[0]).read_bytes())
    assert survey.complete_index(store) == 3
    assert sorted(survey.ended(store)) == [jobs[0], jobs[2], jobs[3]]
