"""Jobs are made, read, changed and removed; what is on the disk is what was acknowledged."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logist_core import platform
from logist_core.errors import (
    CorruptRecord,
    ExitCode,
    HomeError,
    IllegalTransition,
    JobNotFound,
    Locked,
    LogistError,
    NewerVersion,
)
from logist_core.jobs import journal, sweep
from logist_core.jobs.checksum import seal, unseal
from logist_core.jobs.fold import fold
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.jobs.vault import Vault
from logist_core.types.job import JobSpec, Lifecycle
from logist_core.types.signals import Activity

MakeSpec = Callable[..., JobSpec]
START = {"attempt": 1, "nonce": "0" * 32, "runtime": "host", "resumed": False}
RUNNING = {"attempt": 1, "pid": 4711, "handle": {"h": 1}, "started_at": 5.0}


def start(store: JobStore, job: str) -> None:
    with store.transaction(job, "supervisor") as transaction:
        transaction.append("attempt.starting", **START)
        transaction.append("attempt.running", **RUNNING)


def finish(store: JobStore, job: str, code: int = 0) -> None:
    with store.transaction(job, "supervisor") as transaction:
        transaction.append("attempt.exited", attempt=transaction.status.attempt, code=code, signal=None)
        transaction.append("job.finished", lifecycle="failed" if code else "succeeded", outcome=None, reason=None)


def cancel(store: JobStore, job: str) -> None:
    with store.transaction(job, "cli") as transaction:
        transaction.append("job.finished", lifecycle="cancelled", reason="never started")


def tree(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


# Making.


def test_a_new_job_is_queued_and_comes_back_as_asked_for(store: JobStore, make_spec: MakeSpec) -> None:
    spec = make_spec(
        name="build", prompt="say\0 \ud800\u2028", labels={"a": "b"}, priority=2, args=("-x",), after=("y",)
    )
    status = store.create(spec, None)
    assert (status.lifecycle, status.name, status.created_at) == (Lifecycle.QUEUED, "build", 1.5)
    assert store.spec(spec.id) == spec
    assert store.status(spec.id) == status == JobStore(store.home).status(spec.id)
    assert [event.kind for event in store.events(spec.id)] == ["job.created"]
    assert store.events(spec.id)[0].writer == f"cli:{os.getpid()}"


def test_everything_of_a_job_is_private_under_any_umask(store: JobStore, make_spec: MakeSpec) -> None:
    before = os.umask(0)
    try:
        job = store.create(make_spec(), {"A": "b"}).id
        store.make_attempt_dir(job, 1)
        start(store, job)
    finally:
        os.umask(before)
    for path in [store.job_dir(job), *store.job_dir(job).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_job_is_made_with_four_waits_for_the_disk_and_changed_with_one(
    store: JobStore, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[str] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda fd, real=real, name=name: (waits.append(name), real(fd))[1])
    job = store.create(make_spec(), None).id
    assert waits == ["fdatasync", "fdatasync", "fsync", "fsync"]  # spec, journal, the job's directory, the jobs'
    waits.clear()
    start(store, job)
    assert waits == ["fdatasync"]


def test_an_id_is_used_once(store: JobStore, make_spec: MakeSpec) -> None:
    spec = make_spec()
    store.create(spec, {"A": "first"})
    before = tree(store.home.path)
    with pytest.raises(LogistError, match=f"there already is a job {spec.id}"):
        store.create(spec, {"A": "second"})
    assert tree(store.home.path) == before
    assert store.environment(spec.id) == {"A": "first"}


def test_an_id_that_is_none_makes_nothing(store: JobStore, make_spec: MakeSpec) -> None:
    with pytest.raises(JobNotFound):
        store.create(make_spec(id="../../../tmp/evil"), None)
    assert store.ids() == []


def test_a_half_made_job_of_a_dead_process_is_swept_by_the_next_one_made(home: Home, make_spec: MakeSpec) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = platform.process_start(child.pid)
    left = home.jobs / f".new-{new_id()}-{platform.pid_namespace()}-{child.pid}-{started}-abcd"
    left.mkdir()
    (left / "spec.json").write_text("{")
    JobStore(home).create(make_spec(), None)
    assert left.exists(), "its maker is alive"
    child.communicate()
    JobStore(home).create(make_spec(), None)
    assert not left.exists()


def test_a_half_made_job_whose_maker_cannot_be_judged_is_swept_after_an_hour(home: Home, make_spec: MakeSpec) -> None:
    foreign = home.jobs / f".new-{new_id()}-999999-1-1-abcd"
    strange = home.jobs / ".new-strange"
    mine = home.jobs / sweep.unfinished_name(new_id())
    for path in (foreign, strange, mine):
        path.mkdir()
    JobStore(home).create(make_spec(), None)
    assert all(path.exists() for path in (foreign, strange, mine))
    for path in (foreign, strange, mine):
        os.utime(path, (0, time.time() - 3700))
    JobStore(home).create(make_spec(), None)
    assert not any(path.exists() for path in (foreign, strange, mine))


def test_half_made_and_strange_entries_are_no_jobs(store: JobStore, job: str, tmp_path: Path) -> None:
    (store.home.jobs / sweep.unfinished_name(new_id())).mkdir()
    (store.home.jobs / "README").write_text("")
    (store.home.jobs / new_id()).write_text("a file")
    (store.home.jobs / new_id()).symlink_to(store.job_dir(job))
    assert store.ids() == [job]


FULL_DISK = """
import os, sys
from pathlib import Path
from logist_core.errors import HomeError
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.jobs.vault import Vault
from logist_core.types.job import JobSpec
store = JobStore(Home.open(Path(sys.argv[1])))
spec = lambda prompt: JobSpec(id=new_id(), agent="a", runtime="r", cwd="/", created_at=1.0, prompt=prompt)
first = store.create(spec("small"), None).id
try:
    store.create(spec("x" * 1_000_000), {"A": "b"})
except HomeError as error:
    print(error.message, "|", error.hint)
print(store.ids() == [first], sorted(os.listdir(store.home.jobs)) == [first], os.listdir(store.home.trash))
with open(os.path.join(sys.argv[1], "filler"), "wb") as filler:
    try:
        while True:
            os.write(filler.fileno(), b"x" * 512)
    except OSError as error:
        print(error.strerror)
        os.ftruncate(filler.fileno(), os.fstat(filler.fileno()).st_size // 4096 * 4096)
before = store.events(first)
try:
    for n in range(10_000):
        with store.transaction(first, "test") as transaction:
            transaction.append("input.sent", by="x" * 1000, bytes=n)
        before = store.events(first)
except Exception as error:
    print(type(error).__name__, error.message, "|", error.hint)
print(store.events(first) == before, n == len(before) - 1)
os.unlink(os.path.join(sys.argv[1], "filler"))
with store.transaction(first, "test") as transaction:
    transaction.append("input.sent", by="again", bytes=1)
print(len(store.events(first)) == len(before) + 1)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_one_clear_error_and_loses_nothing(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    mount = f'mount -t tmpfs -o size=256k,mode=0700 none "{tmp_path}" && exec "$@"'
    done = run_python(FULL_DISK, tmp_path / "home", prefix=("unshare", "--mount", "sh", "-c", mount, "sh"))
    if "mount" in done.stderr:
        pytest.skip(f"this machine doesn't let us mount: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    assert len(lines) == 6, done.stderr
    assert lines[0].startswith(f"can't make a job in {tmp_path}/home: No space left on device | free some space")
    assert lines[1] == "True True []"
    assert lines[3].startswith("LogistError can't append to ")
    assert "events.log: No space left on device | free some space" in lines[3]
    assert lines[4:] == ["True True", "True"]


SHORT_WRITE = """
import os, resource, sys
from pathlib import Path
from logist_core.errors import LogistError
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.jobs.vault import Vault
store = JobStore(Home.open(Path(sys.argv[1])))
path = store.journal_path(sys.argv[2])
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
try:
    with store.transaction(sys.argv[2], "test") as transaction:
        transaction.append("input.sent", by="me", bytes=1)
except LogistError as error:
    print(error.message)
print(path.stat().st_size == size)
"""


def test_a_write_that_was_cut_short_is_taken_back(
    store: JobStore, job: str, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    before = tree(store.home.path)
    done = run_python(SHORT_WRITE, store.home.path, job)
    assert done.stdout.splitlines() == [f"can't append to {store.journal_path(job)}: File too large", "True"], (
        done.stderr
    )
    assert tree(store.home.path) == before


# Finding.


def test_ids_are_listed_oldest_first(store: JobStore, make_spec: MakeSpec) -> None:
    made = [store.create(make_spec(), None).id for _ in range(5)]
    assert store.ids() == made == [status.id for status in store.statuses()]


def test_a_home_without_jobs_lists_none(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    home.jobs.rmdir()
    assert JobStore(home).ids() == []


def test_a_job_is_found_by_id_beginning_name_and_age(store: JobStore, make_spec: MakeSpec) -> None:
    first = store.create(make_spec(id="01aaaaaaaaaaaaaa", name="build"), None).id
    second = store.create(make_spec(id="01abbbbbbbbbbbbb", name="test"), None).id
    assert store.resolve(first) == store.resolve("01aa") == store.resolve("build") == first
    assert store.resolve("test") == store.resolve("@last") == second


def test_of_several_jobs_of_a_name_the_last_one_that_lives_is_meant(store: JobStore, make_spec: MakeSpec) -> None:
    old, middle, new = [store.create(make_spec(name="build"), None).id for _ in range(3)]
    assert store.resolve("build") == new
    cancel(store, new)
    assert store.resolve("build") == middle
    cancel(store, middle)
    cancel(store, old)
    assert store.resolve("build") == new


def test_an_ambiguous_beginning_is_refused_with_the_ids(store: JobStore, make_spec: MakeSpec) -> None:
    made = [store.create(make_spec(id=f"01{n}aaaaaaaaaaaaa"), None).id for n in range(7)]
    with pytest.raises(JobNotFound, match="'01' is the beginning of 7 job ids") as caught:
        store.resolve("01")
    assert made[-1] in caught.value.message
    assert "and 2 more" in caught.value.message
    assert caught.value.exit_code == ExitCode.NOT_FOUND


def test_a_name_wins_over_an_ambiguous_beginning(store: JobStore, make_spec: MakeSpec) -> None:
    store.create(make_spec(id="01aaaaaaaaaaaaaa"), None)
    named = store.create(make_spec(id="01bbbbbbbbbbbbbb", name="01"), None).id
    assert store.resolve("01") == named


def test_an_unknown_reference_gets_the_nearest_names(store: JobStore, make_spec: MakeSpec) -> None:
    store.create(make_spec(name="deploy"), None)
    with pytest.raises(JobNotFound, match="no job matches 'depoly'; nearest: 'deploy'"):
        store.resolve("depoly")


@pytest.mark.parametrize("ref", ["", "../x", "\x1b[31m", "@first", "x" * 10_000, "\ud800"])
def test_a_reference_that_means_nothing_is_one_printable_line(store: JobStore, job: str, ref: str) -> None:
    with pytest.raises(JobNotFound) as caught:
        store.resolve(ref)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


def test_the_last_job_of_none_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound, match="no job yet"):
        store.resolve("@last")


@pytest.mark.parametrize(
    "call",
    [
        lambda store, job: store.status(job),
        lambda store, job: store.spec(job),
        lambda store, job: store.events(job),
        lambda store, job: store.events_from(job, 0, 0),
        lambda store, job: store.job_dir(job),
        lambda store, job: store.journal_path(job),
        lambda store, job: store.attempt_dir(job, 1),
        lambda store, job: store.make_attempt_dir(job, 1),
        lambda store, job: store.remove(job, force=True),
        lambda store, job: store.transaction(job, "test").__enter__(),
    ],
)
@pytest.mark.parametrize("job_id", ["0" * 16, "../../jobs/0000", "", "link000000000000"])
def test_a_job_that_is_not_there_is_not_found_and_nothing_is_made(
    store: JobStore, job: str, call: Callable[[JobStore, str], object], job_id: str
) -> None:
    (store.home.jobs / "link000000000000").symlink_to(store.job_dir(job))
    before = tree(store.home.path)
    with pytest.raises(JobNotFound):
        call(store, job_id)
    assert tree(store.home.path) == before


# Changing.


def test_a_transaction_sees_its_own_events_and_writes_them_when_it_ends(store: JobStore, job: str) -> None:
    with store.transaction(job, "supervisor") as transaction:
        event = transaction.append("attempt.starting", **START)
        assert (event.seq, event.kind, event.writer) == (2, "attempt.starting", f"supervisor:{os.getpid()}")
        assert transaction.status.lifecycle is Lifecycle.STARTING
        assert store.status(job).lifecycle is Lifecycle.QUEUED
    assert store.status(job) == transaction.status
    assert store.events(job, after_seq=1) == transaction.events == [event]


def test_a_writer_may_name_its_own_pid(store: JobStore, job: str) -> None:
    with store.transaction(job, "observer:7") as transaction:
        assert transaction.append("session.seen", session_id="s").writer == "observer:7"


def test_an_exception_in_the_block_writes_nothing(store: JobStore, job: str) -> None:
    before = tree(store.home.path)
    with pytest.raises(ZeroDivisionError), store.transaction(job, "test") as transaction:
        transaction.append("attempt.starting", **START)
        raise ZeroDivisionError
    assert tree(store.home.path) == before


def test_an_illegal_event_is_refused_and_those_before_it_may_still_be_written(store: JobStore, job: str) -> None:
    with store.transaction(job, "test") as transaction:
        transaction.append("session.seen", session_id="s")
        with pytest.raises(IllegalTransition):
            transaction.append("attempt.running", **RUNNING)
    assert [event.kind for event in store.events(job)] == ["job.created", "session.seen"]


def test_the_end_of_an_attempt_needs_a_decision_in_the_same_transaction(store: JobStore, job: str) -> None:
    start(store, job)
    before = tree(store.home.path)
    with (
        pytest.raises(IllegalTransition, match=r"job\.finished, job\.waiting"),
        store.transaction(job, "t") as transaction,
    ):
        transaction.append("attempt.exited", attempt=1, code=0, signal=None)
    assert tree(store.home.path) == before


def test_a_data_field_may_be_called_kind(store: JobStore, job: str) -> None:
    with store.transaction(job, "test") as transaction:
        event = transaction.append("plugin.fault", kind="agent", name="x", dist="d", version="1", reason="r")
    assert store.events(job)[-1].data["kind"] == event.data["kind"] == "agent"


def test_an_event_in_memory_is_the_event_on_the_disk(store: JobStore, job: str) -> None:
    start(store, job)
    with store.transaction(job, "observer") as transaction:
        data = {
            **transaction.status.to_json()["activity"],
            "state": "working",
            "text": "\ud83d\ude00\0",
            "expires": float("inf"),
        }
        event = transaction.append("activity.changed", **data)
        transaction.append("job.teleported", where=(1, 2), how=Activity())
    assert store.events(job)[-2:] == transaction.events
    assert event.data["expires"] is None
    assert store.status(job).activity.text == "\U0001f600\0"


def test_a_transaction_that_is_over_takes_no_events(store: JobStore, job: str) -> None:
    with store.transaction(job, "test") as transaction:
        pass
    with pytest.raises(AssertionError, match="over"):
        transaction.append("session.seen", session_id="s")


def test_a_transaction_waits_for_another_and_gives_up_in_time(store: JobStore, job: str) -> None:
    with (
        store.transaction(job, "one"),
        pytest.raises(Locked, match=rf"job {job} is locked by process {os.getpid()}") as caught,
        store.transaction(job, "two", timeout_s=0.02),
    ):
        pytest.fail("both hold the lock")
    assert caught.value.exit_code == ExitCode.LOCKED


def test_readers_need_no_lock_and_leave_no_trace(store: JobStore, job: str) -> None:
    with store.transaction(job, "test"):
        before = tree(store.home.path)
        (store.job_dir(job) / "state.json").unlink()
        assert store.status(job).lifecycle is Lifecycle.QUEUED
        assert len(store.events(job)) == len(list(store.statuses())) == 1
        assert "state.json" not in os.listdir(store.job_dir(job))
        (store.job_dir(job) / "state.json").write_bytes(before[f"jobs/{job}/state.json"])
        assert tree(store.home.path) == before


def test_statuses_come_from_the_cache_without_touching_the_journal(
    store: JobStore, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(store, job)
    expected = store.status(job)
    monkeypatch.setattr(journal, "read", lambda path: pytest.fail("the journal was read"))
    assert list(store.statuses()) == [expected]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"{}"),
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"pid":4711', b'"pid":4712')),
        lambda path: path.write_bytes(path.read_bytes().replace(b"running", b"lurking")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
)
def test_a_missing_stale_or_spoiled_cache_is_as_if_it_were_not_there(
    store: JobStore, job: str, spoil: Callable[[Path], object]
) -> None:
    start(store, job)
    expected = fold(store.events(job))
    path = store.job_dir(job) / "state.json"
    spoil(path)
    assert store.status(job) == expected
    assert list(store.statuses()) == [expected]
    with store.transaction(job, "test") as transaction:
        assert transaction.status == expected
        transaction.append("session.seen", session_id="s")
    assert store.status(job) == fold(store.events(job))


@pytest.mark.parametrize(
    "body", [b"[]", b"nonsense", b'{"schema":2}', b'{"schema":1,"journal_bytes":%d}', b'{"schema":1}']
)
def test_a_well_sealed_cache_of_another_shape_does_not_count(store: JobStore, job: str, body: bytes) -> None:
    expected = store.status(job)
    if b"%d" in body:
        body %= store.journal_path(job).stat().st_size
    (store.job_dir(job) / "state.json").write_bytes(seal(body))
    assert store.status(job) == expected


@pytest.mark.parametrize("where", ["status", "activity", "attempts"])
@pytest.mark.parametrize("change", ["lacks", "has more"])
def test_a_cache_of_a_version_with_other_fields_does_not_count(
    store: JobStore, job: str, where: str, change: str
) -> None:
    start(store, job)
    expected = store.status(job)
    path = store.job_dir(job) / "state.json"
    record = json.loads(unseal(path.read_bytes().rstrip()) or b"")
    record["status"]["name"] = "from the cache"
    part = {"status": record["status"], "activity": record["status"]["activity"]}.get(where)
    part = record["status"]["attempts"][0] if part is None else part
    if change == "lacks":
        part.popitem()
    else:
        part["mood"] = "good"
    path.write_bytes(seal(json.dumps(record).encode()))
    assert store.status(job) == expected


def test_a_cache_of_an_older_journal_does_not_count(store: JobStore, job: str) -> None:
    path = store.job_dir(job) / "state.json"
    old = path.read_bytes()
    start(store, job)
    path.write_bytes(old)
    assert store.status(job).lifecycle is Lifecycle.RUNNING


def test_another_jobs_cache_does_not_count(store: JobStore, make_spec: MakeSpec) -> None:
    one, other = store.create(make_spec(id="a" * 16), None).id, store.create(make_spec(id="b" * 16), None).id
    shutil.copy(store.job_dir(one) / "state.json", store.job_dir(other) / "state.json")
    assert store.status(other).id == other


def test_the_next_transaction_mends_a_missing_cache_even_if_it_writes_nothing(store: JobStore, job: str) -> None:
    path = store.job_dir(job) / "state.json"
    good = path.read_bytes()
    path.unlink()
    with store.transaction(job, "test"):
        pass
    assert path.read_bytes() == good


def test_a_torn_journal_line_costs_nothing_but_itself(store: JobStore, job: str) -> None:
    start(store, job)
    expected = store.status(job)
    with store.journal_path(job).open("ab") as file:
        file.write(b'{"v":1,"seq":4,"at":17')
    assert store.status(job) == expected
    finish(store, job, 7)
    assert [event.seq for event in store.events(job)] == [1, 2, 3, 4, 5]
    assert store.status(job).lifecycle is Lifecycle.FAILED


def test_a_corrupt_line_in_the_middle_is_reported_and_nothing_is_written(store: JobStore, job: str) -> None:
    start(store, job)
    path = store.journal_path(job)
    path.write_bytes(path.read_bytes().replace(b"attempt.starting", b"attempt.startinG"))
    (store.job_dir(job) / "state.json").unlink()
    before = tree(store.home.path)
    for call in (store.status, store.events, lambda job: store.transaction(job, "test").__enter__()):
        with pytest.raises(CorruptRecord, match=r"events\.log, line 2"):
            call(job)
    assert tree(store.home.path) == before
    found = store.scan(job)
    assert [event.kind for event in found.events] == ["job.created"]
    assert isinstance(found.problem, CorruptRecord)


def test_statuses_go_on_past_jobs_that_cannot_be_read_and_say_which(store: JobStore, make_spec: MakeSpec) -> None:
    good, corrupt, newer, gone = [store.create(make_spec(), None).id for _ in range(4)]
    store.journal_path(corrupt).write_bytes(b"x\n" + store.journal_path(good).read_bytes())
    with store.journal_path(newer).open("ab") as file:
        file.write(b'{"v":2,"seq":2}\n')
    store.journal_path(gone).unlink()
    problems: list[tuple[str, LogistError]] = []
    assert [status.id for status in store.statuses(problems=problems)] == [good]
    assert [(job, type(error)) for job, error in problems] == [
        (corrupt, CorruptRecord),
        (newer, NewerVersion),
        (gone, CorruptRecord),
    ]
    assert [status.id for status in store.statuses([good, "0" * 16])] == [good]


def test_a_job_of_a_newer_version_is_never_touched(store: JobStore, job: str) -> None:
    spec = store.job_dir(job) / "spec.json"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "schema": 2}))
    with store.journal_path(job).open("ab") as file:
        file.write(b'{"v":2,"seq":2,"new":1}\n')
    before = tree(store.home.path)
    with pytest.raises(NewerVersion, match=r"events\.log was written by a newer version"):
        store.transaction(job, "test").__enter__()
    with pytest.raises(NewerVersion, match=r"spec\.json was written by a newer version"):
        store.spec(job)
    with pytest.raises(NewerVersion):
        store.remove(job)
    assert tree(store.home.path) == before


def test_a_journal_that_is_no_legal_history_is_corrupt(store: JobStore, job: str) -> None:
    line = journal.encode(replace(store.events(job)[0], seq=2, kind="attempt.running", data=RUNNING))
    with store.journal_path(job).open("ab") as file:
        file.write(line)
    with pytest.raises(CorruptRecord, match=r"events\.log: .*attempt\.running can't come"):
        store.status(job)


def test_an_empty_journal_is_corrupt(store: JobStore, job: str) -> None:
    store.journal_path(job).write_bytes(b"")
    with pytest.raises(CorruptRecord, match=r"events\.log: the journal holds no event"):
        store.status(job)


def test_another_jobs_files_are_not_taken_for_this_ones(store: JobStore, make_spec: MakeSpec) -> None:
    one, other = store.create(make_spec(), None).id, store.create(make_spec(), None).id
    for name in ("events.log", "spec.json"):
        shutil.copy(store.job_dir(one) / name, store.job_dir(other) / name)
    (store.job_dir(other) / "state.json").unlink()
    with pytest.raises(CorruptRecord, match="is the journal of job"):
        store.status(other)
    with pytest.raises(CorruptRecord, match="which is not this job"):
        store.spec(other)


@pytest.mark.parametrize("name", ["spec.json", "events.log"])
def test_a_missing_file_of_a_job_is_named(store: JobStore, job: str, name: str) -> None:
    (store.job_dir(job) / name).unlink()
    with pytest.raises(CorruptRecord, match=f"{name} is missing"):
        store.spec(job) if name == "spec.json" else store.events(job)


@pytest.mark.parametrize("name", ["spec.json", "events.log"])
@pytest.mark.parametrize("plant", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir])
def test_what_is_planted_in_place_of_a_jobs_file_is_refused(
    store: JobStore, job: str, name: str, plant: Callable[[Path], None]
) -> None:
    path = store.job_dir(job) / name
    path.unlink()
    plant(path)
    with pytest.raises(CorruptRecord, match=f"{name} is not a regular file"):
        store.spec(job) if name == "spec.json" else store.status(job)


def test_a_follower_reads_only_what_is_new(store: JobStore, job: str) -> None:
    events, offset = store.events_from(job, 0, 0)
    assert [event.seq for event in events] == [1]
    assert store.events_from(job, offset, 1) == ([], offset)
    with store.journal_path(job).open("ab") as file:
        file.write(b'{"v":1,"seq":2')
    assert store.events_from(job, offset, 1) == ([], offset)
    start(store, job)
    events, end = store.events_from(job, offset, 1)
    assert [event.seq for event in events] == [2, 3]
    assert end == store.journal_path(job).stat().st_size
    with store.journal_path(job).open("ab") as file:
        file.write(b'{"v":2,"seq":4}\n')
    with pytest.raises(NewerVersion):
        store.events_from(job, end, 3)
    store.journal_path(job).unlink()
    with pytest.raises(CorruptRecord, match="missing"):
        store.events_from(job, end, 3)


def test_attempts_have_directories_of_their_own(store: JobStore, job: str) -> None:
    shutil.rmtree(store.job_dir(job) / "attempts")
    assert store.make_attempt_dir(job, 2) == store.make_attempt_dir(job, 2) == store.attempt_dir(job, 2)
    assert store.attempt_dir(job, 2) == store.job_dir(job) / "attempts/2"
    assert stat.S_IMODE(store.attempt_dir(job, 2).stat().st_mode) == 0o700
    with pytest.raises(JobNotFound, match="no attempt 0"):
        store.attempt_dir(job, 0)


def test_what_is_planted_in_place_of_an_attempts_directory_is_refused(
    store: JobStore, job: str, tmp_path: Path
) -> None:
    (store.job_dir(job) / "attempts/1").symlink_to(tmp_path)
    with pytest.raises(CorruptRecord, match="not a directory"):
        store.make_attempt_dir(job, 1)
    shutil.rmtree(store.job_dir(job) / "attempts")
    (store.job_dir(job) / "attempts").write_text("")
    with pytest.raises(LogistError, match="can't make"):
        store.make_attempt_dir(job, 1)


def test_a_failure_to_read_the_journal_names_it(store: JobStore, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.lstat

    def refuse(path: Any, **kwargs: Any) -> os.stat_result:
        if str(path).endswith("events.log"):
            raise PermissionError(13, "Permission denied")
        return real(path, **kwargs)

    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(LogistError, match=r"can't read .*events\.log: Permission denied"):
        store.status(job)


# Removing.


def test_a_removed_job_is_gone_with_its_files_and_environment(store: JobStore, make_spec: MakeSpec) -> None:
    job = store.create(make_spec(), {"A": "b"}).id
    cancel(store, job)
    store.store_environment(job, {"A": "b"})
    store.remove(job)
    assert store.ids() == []
    assert store.environment(job) is None
    assert os.listdir(store.home.trash) == []
    with pytest.raises(JobNotFound):
        store.remove(job)


def test_a_job_that_has_not_ended_is_only_removed_by_force(store: JobStore, job: str) -> None:
    with pytest.raises(IllegalTransition, match="is queued: only a job that has ended") as caught:
        store.remove(job)
    assert "--force" in str(caught.value.hint)
    assert store.ids() == [job]
    store.remove(job, force=True)
    assert store.ids() == []


def test_a_corrupt_job_is_removed_by_force(store: JobStore, job: str) -> None:
    store.journal_path(job).write_bytes(b"")
    with pytest.raises(CorruptRecord):
        store.remove(job)
    store.remove(job, force=True)
    assert store.ids() == []


def test_what_a_killed_removal_left_is_deleted_by_the_next_job_made(home: Home, make_spec: MakeSpec) -> None:
    left = home.trash / "0000000000000000-abcd"
    (left / "attempts").mkdir(parents=True)
    JobStore(home).create(make_spec(), None)
    assert os.listdir(home.trash) == []


def test_a_job_that_is_removed_while_others_wait_for_its_lock_does_not_come_back(
    store: JobStore, job: str, until: Callable[[Callable[[], object]], None]
) -> None:
    outcomes: list[object] = []

    def change() -> None:
        try:
            with store.transaction(job, "late"):
                outcomes.append("changed")
        except JobNotFound:
            outcomes.append("not found")
        except LogistError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=change) for _ in range(5)]
    with store.transaction(job, "test"):
        for thread in threads:
            thread.start()
        removal = threading.Thread(target=store.remove, args=(job,), kwargs={"force": True})
        removal.start()
    for thread in (*threads, removal):
        thread.join()
    until(lambda: store.ids() == [])
    assert len(outcomes) == 5
    assert not [outcome for outcome in outcomes if isinstance(outcome, LogistError)]
    assert os.listdir(store.home.jobs) == []


def test_a_directory_that_only_a_lock_brought_back_is_cleared_away(store: JobStore, job: str) -> None:
    shutil.rmtree(store.job_dir(job))
    ghost = store.home.jobs / job
    ghost.mkdir()
    assert list(store.statuses(problems=(problems := []))) == []
    assert problems == []
    with pytest.raises(JobNotFound, match="any more"):
        store.transaction(job, "test").__enter__()
    assert not ghost.exists()


# Environments.


def test_an_environment_is_kept_in_memory_and_only_its_names_reach_the_disk(
    store: JobStore, make_spec: MakeSpec, memory_base: Path
) -> None:
    environment = {"TOKEN": "s3cret-value", "ODD": "\udcff\n"}
    job = store.create(make_spec(), environment).id
    assert store.environment(job) == JobStore(store.home).environment(job) == environment
    assert store.spec(job).env_names == ("ODD", "TOKEN")
    assert not [name for name, data in tree(store.home.path).items() if b"s3cret" in data]
    [kept] = [path for path in memory_base.rglob("*") if path.is_file()]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_names_that_the_spec_gives_are_not_overruled(store: JobStore, make_spec: MakeSpec) -> None:
    job = store.create(make_spec(env_names=("A",)), {"A": "1", "B": "2"}).id
    assert store.spec(job).env_names == ("A",)


def test_an_environment_is_forgotten_when_its_job_ends_and_not_before(store: JobStore, make_spec: MakeSpec) -> None:
    job = store.create(make_spec(), {"A": "b"}).id
    start(store, job)
    with store.transaction(job, "supervisor") as transaction:
        transaction.append("attempt.exited", attempt=1, code=1, signal=None)
        transaction.append("job.waiting", not_before=9.0, reason="limit", resume=True)
    assert store.environment(job) == {"A": "b"}
    cancel(store, job)
    assert store.environment(job) is None
    assert store.store_environment(job, {"A": "again"})
    with store.transaction(job, "cli") as transaction:
        transaction.append("job.requeued", by="cli", resume=False, prompt=None)
    assert store.environment(job) == {"A": "again"}
    store.drop_environment(job)
    store.drop_environment(job)
    assert store.environment(job) is None


def test_homes_do_not_share_environments(tmp_path: Path, make_spec: MakeSpec) -> None:
    spec = make_spec()
    one, other = (JobStore(Home.open(tmp_path / name)) for name in ("one", "other"))
    one.create(spec, {"A": "one"})
    other.create(spec, {"A": "other"})
    assert (one.environment(spec.id), other.environment(spec.id)) == ({"A": "one"}, {"A": "other"})


def test_without_memory_no_environment_is_kept(
    store: JobStore, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "memory_dir", lambda: None)
    job = store.create(make_spec(), {"A": "b"}).id
    assert store.environment(job) is None
    assert not store.store_environment(job, {"A": "b"})
    store.drop_environment(job)
    JobStore(store.home).create(make_spec(), None)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"A":1}', b"\xff"])
def test_a_spoiled_environment_is_none(store: JobStore, make_spec: MakeSpec, memory_base: Path, content: bytes) -> None:
    job = store.create(make_spec(), {"A": "b"}).id
    [kept] = [path for path in memory_base.rglob("*") if path.is_file()]
    kept.write_bytes(content)
    assert store.environment(job) is None


def test_environments_without_a_job_are_swept_after_an_hour(
    store: JobStore, make_spec: MakeSpec, memory_base: Path
) -> None:
    job = store.create(make_spec(), {"A": "b"}).id
    orphan, fresh = new_id(), new_id()
    store.store_environment(orphan, {"A": "orphan"})
    store.store_environment(fresh, {"A": "fresh"})
    for path in memory_base.rglob("*"):
        if not path.name.endswith(fresh):
            os.utime(path, (0, 0))
    (memory_base / "logist/other-file").write_text("")
    JobStore(store.home).create(make_spec(), None)
    assert (store.environment(job), store.environment(orphan), store.environment(fresh)) == (
        {"A": "b"},
        None,
        {"A": "fresh"},
    )
    assert (memory_base / "logist/other-file").exists()


# The hot path.

LIST = """
import sys
from pathlib import Path
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
before = set(sys.modules)
print([status.lifecycle.value for status in JobStore(Home.open(Path(sys.argv[1]), create=False)).statuses()])
heavy = {"filelock", "regex", "asyncio", "shutil", "subprocess", "socket", "hashlib", "tempfile", "logging"}
heavy |= {"ctypes", "difflib", "pluggy", "click", "importlib_metadata", "logist_core.api"}
print(sorted(heavy & set(sys.modules)), sorted(set(sys.modules) - before))
"""


def test_listing_jobs_imports_nothing_heavy(
    store: JobStore, job: str, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_python(LIST, store.home.path)
    assert done.stdout.splitlines() == ["['queued']", "[] []"], done.stderr


def test_a_failure_to_list_names_the_directory(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(LogistError, match=f"can't list {store.home.jobs}: Permission denied"):
        store.ids()


def test_a_home_error_is_a_logist_error_with_an_exit_code() -> None:
    assert HomeError("x").exit_code == ExitCode.FAILURE


def test_environments_of_homes_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir(mode=0o700)
    gone, here, mine = (tmp_path / name for name in ("gone", "here", "mine"))
    here.mkdir()
    for home in (gone, here):
        Vault(str(home), shelf).store("0" * 16, {"A": "1"})
    for path in shelf.iterdir():
        os.utime(path, (0, 0))
    Vault(str(gone), shelf).store("1" * 16, {"A": "2"})
    Vault(str(mine), shelf).sweep(())
    assert Vault(str(gone), shelf).load("0" * 16) is None
    assert Vault(str(gone), shelf).load("1" * 16) == {"A": "2"}, "a home that is only just being made"
    assert Vault(str(here), shelf).load("0" * 16) == {"A": "1"}
