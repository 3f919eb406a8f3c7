"""Reading a job while it goes on."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.cli.follow import JobFeed, Output, Tail
from logist_core.cli.logfile import offset_of_last_lines
from logist_core.cli.tracking import Tracker
from logist_core.errors import JobNotFound
from logist_core.types.job import JobEvent


def told(items: Any) -> list[Any]:
    """Return (stream, bytes) of outputs and the kind of events, neighbouring outputs of a stream joined."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, JobEvent):
            found.append(item.kind)
        elif found and isinstance(found[-1], tuple) and found[-1][0] == item.stream:
            found[-1] = (item.stream, found[-1][1] + item.data)
        else:
            found.append((item.stream, item.data))
    return found


def test_output_comes_before_the_events_that_follow_it_and_each_byte_once(jobs: Any) -> None:
    job = jobs.running()
    jobs.log(job, b"one")
    feed = JobFeed(jobs.store, job)
    assert told(feed.poll()) == ["job.created", "attempt.starting", ("out", b"one"), "attempt.running"]
    assert told(feed.poll()) == []
    jobs.log(job, b"two", b"bad")
    jobs.add(job, *jobs.end(3))
    assert told(feed.poll()) == [("out", b"two"), ("err", b"bad"), "attempt.exited", "job.finished"]
    assert feed.status.lifecycle.ended
    feed.close()


def test_the_next_attempt_is_followed_after_the_rest_of_the_last(jobs: Any) -> None:
    job = jobs.running()
    feed = JobFeed(jobs.store, job, streams=("out",))
    list(feed.poll())
    jobs.log(job, b"last words")
    jobs.add(job, *jobs.end(1), ("job.requeued", {"by": "me", "resume": False, "prompt": None}), *jobs.start(2))
    jobs.log(job, b"again", attempt=2)
    seen = [(item.attempt, item.data) for item in feed.poll() if isinstance(item, Output)]
    assert seen == [(1, b"last words"), (2, b"again")]
    feed.close()


def test_the_output_of_the_attempt_before_is_no_news_of_a_job_that_is_queued_again(jobs: Any) -> None:
    job = jobs.ended(1)
    jobs.log(job, b"old")
    seen = jobs.store.events(job)[-1].seq
    jobs.add(job, ("job.requeued", {"by": "me", "resume": False, "prompt": None}))
    feed = JobFeed(jobs.store, job, after_seq=seen)
    assert told(feed.poll()) == ["job.requeued"]
    jobs.add(job, *jobs.start(2))
    jobs.log(job, b"new", attempt=2)
    assert told(feed.poll()) == ["attempt.starting", ("out", b"new"), "attempt.running"]
    feed.close()


def test_a_log_that_appears_later_is_read_from_its_beginning(jobs: Any) -> None:
    job = jobs.running()
    feed = JobFeed(jobs.store, job, after_seq=99)
    assert told(feed.poll()) == []
    jobs.log(job, b"late")
    assert told(feed.poll()) == [("out", b"late")]
    feed.rewind(1)
    assert told(feed.poll()) == [("out", b"late")]
    feed.close()


def test_the_status_is_never_ahead_of_what_was_given(jobs: Any) -> None:
    job = jobs.running()
    feed = JobFeed(jobs.store, job)
    jobs.add(job, *jobs.end(0))
    seen = []
    for item in feed.poll():
        if isinstance(item, JobEvent):
            seen.append((item.kind, feed.status.lifecycle.ended))
    assert seen[-1] == ("job.finished", True)
    assert not any(ended for _, ended in seen[:-1])


def test_a_job_that_is_removed_meanwhile_is_not_found(jobs: Any) -> None:
    job = jobs.ended()
    feed = JobFeed(jobs.store, job)
    list(feed.poll())
    jobs.store.remove(job)
    with pytest.raises(JobNotFound):
        list(feed.poll())


def test_a_tracker_gives_everything_up_to_the_end(jobs: Any) -> None:
    job = jobs.running()

    def work() -> None:
        for number in range(20):
            jobs.log(job, b"%d\n" % number)
        jobs.add(job, *jobs.end(0))

    thread = threading.Thread(target=work)
    with Tracker(jobs.home, jobs.store, job) as tracker:
        thread.start()
        seen = told(tracker.until_ended())
        thread.join()
    assert b"".join(item[1] for item in seen if isinstance(item, tuple)) == b"".join(b"%d\n" % n for n in range(20))
    assert seen[-1] == "job.finished"


def test_a_tail_refuses_what_is_no_plain_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Tail(tmp_path / "link").read() == b""
    os.mkfifo(tmp_path / "fifo")
    assert Tail(tmp_path / "fifo").read() == b""
    assert offset_of_last_lines(tmp_path / "fifo", 5) == 0
    assert Tail(tmp_path / "missing").read() == b""
    assert Tail(tmp_path / "missing").size() == 0


@given(
    st.lists(st.binary(max_size=6).map(lambda data: data.replace(b"\n", b"")), max_size=8),
    st.integers(0, 10),
    st.booleans(),
)
def test_the_last_lines_begin_where_counting_says(lines: list[bytes], count: int, ends_with_newline: bool) -> None:
    import tempfile

    data = b"\n".join(lines) + (b"\n" if ends_with_newline else b"")
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        shown = data[offset_of_last_lines(file.name, count) :]
    expected = data.splitlines(keepends=True) if b"\r" not in data else None
    kept = data.split(b"\n")
    if kept and kept[-1] == b"":
        kept.pop()
    assert shown.count(b"\n") <= count
    if expected is not None and not any(byte in data for byte in (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85)):
        assert shown == b"".join(expected[max(len(expected) - count, 0) :] if count else [])
    elif count >= len(kept):
        assert shown == (data if count else b"")


def test_the_last_lines_of_a_long_log_are_found_across_blocks(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%06d\n" % number for number in range(60_000)))
    offset = offset_of_last_lines(log, 30_000)
    assert log.read_bytes()[offset : offset + 7] == b"030000\n"
    assert offset_of_last_lines(tmp_path / "missing", 5) == 0
    os.truncate(log, 0)
    assert offset_of_last_lines(log, 5) == 0
