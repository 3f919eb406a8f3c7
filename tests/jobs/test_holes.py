"""Logs of which `--max-log-bytes` dropped a part: nobody is ever shown the zeros of a hole."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from logist_runtime_host.keeper import MIN_LOG_LIMIT, LogLimit

from logist_core.cli.follow import Tail as Follower
from logist_core.cli.logfile import offset_of_last_lines
from logist_core.jobs.holes import Hole, hole_of, read_around, why_unbounded
from logist_core.observe.tail import Tail

LINE = 16


def lines(begin: int, end: int) -> bytes:
    """Return the bytes from `begin` to `end` of an endless log whose every line says where it stands."""
    first, last = begin // LINE, -(-end // LINE)
    text = b"".join(b"%015d\n" % number for number in range(first, last))
    return text[begin - first * LINE : end - first * LINE]


def punched(log: Path, size: int, start: int, end: int) -> None:
    """Write a log of which the bytes from `start` to `end` were dropped, and their record."""
    log.write_bytes(lines(0, start) + bytes(end - start) + lines(end, size))
    Path(f"{log}.holes").write_text(json.dumps({"schema": 1, "start": start, "end": end}))


_PLACES = st.lists(st.integers(1, 4000), min_size=3, max_size=3, unique=True).map(sorted)


@given(places=_PLACES, step=st.integers(1, 700), begin=st.integers(0, 4000))
def test_every_reader_gives_what_is_there_once_and_never_a_byte_of_the_hole(
    places: list[int], step: int, begin: int
) -> None:
    start, end, size = places
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "out.log")
        punched(log, size, start, end)
        for tail in (Tail(str(log), min(begin, size)), Follower(log, min(begin, size))):
            dropped = 0
            while data := tail.read(step) if isinstance(tail, Tail) else tail.read():
                dropped += 0 if isinstance(tail, Tail) else tail.dropped
                assert data == lines(tail.offset - len(data), tail.offset)
                assert tail.offset <= start or tail.offset - len(data) >= end
            assert tail.offset == size
            assert (tail.dropped if isinstance(tail, Tail) else dropped) == max(0, end - max(start, min(begin, size)))
            if isinstance(tail, Follower):
                tail.close()


@given(places=_PLACES, count=st.integers(0, 300))
def test_the_last_lines_begin_behind_the_hole_or_where_it_begins(places: list[int], count: int) -> None:
    start, end, size = places
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "out.log")
        punched(log, size, start, end)
        kept = lines(end, size)
        at = offset_of_last_lines(log, count)
        if count == 0:
            assert at == size
        elif at == start:
            assert kept.count(b"\n") + (not kept.endswith(b"\n")) <= count + 1
        else:
            assert lines(at, size).count(b"\n") + (size % LINE > 0) == count
            assert at >= end


def test_bytes_that_are_looked_at_again_are_those_behind_the_hole(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    punched(log, 300, 100, 200)
    tail = Tail(str(log))
    assert tail.peek(150, 300) == lines(200, 300)
    assert tail.peek(0, 100) == lines(0, 100)
    assert tail.peek(220, 300) == lines(220, 300)


def test_a_hole_that_reaches_beyond_the_log_is_that_of_an_older_log(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    punched(log, 300, 100, 200)
    os.truncate(log, 0)
    log.write_bytes(lines(0, 150))
    assert hole_of(log, 150) is None
    assert Tail(str(log)).read(500) == lines(0, 150)


def test_a_record_that_is_none_is_no_hole(tmp_path: Path) -> None:
    log, record = tmp_path / "out.log", tmp_path / "out.log.holes"
    log.write_bytes(b"text")
    for text in ("", "{", "[1]", '{"start": 3, "end": 1}', '{"start": "a", "end": 2}', '{"start": -5, "end": 2}'):
        record.write_text(text)
        assert hole_of(log) is None
    record.unlink()
    record.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text('{"start": 0, "end": 2}')
    assert hole_of(log) is None
    record.unlink()
    os.mkfifo(record)
    assert (hole_of(log), why_unbounded(log)) == (None, None)


def test_a_hole_that_grows_while_a_reader_is_in_it_is_passed_over_as_a_whole(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    punched(log, 400, 100, 300)
    fd = os.open(log, os.O_RDONLY)
    assert read_around(fd, log, 1000, 120) == (lines(300, 400), 300)
    os.close(fd)


@given(pieces=st.lists(st.integers(1, 600_000), min_size=1, max_size=12))
def test_a_limited_log_keeps_its_head_and_its_tail_and_not_more_than_the_limit(pieces: list[int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "out.log")
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        dir_fd = os.open(directory, os.O_RDONLY)
        try:
            limit = LogLimit(dir_fd, "out.log", fd, MIN_LOG_LIMIT)
            size = 0
            for piece in pieces:
                os.write(fd, lines(size, size + piece))
                size += piece
                limit.keep()
                hole = hole_of(log, size) or Hole(limit.head, limit.head)
                text = log.read_bytes()
                assert text[: hole.start] == lines(0, min(hole.start, size))
                assert text[hole.end :] == lines(hole.end, size)
                assert size - hole.size_bytes <= MIN_LOG_LIMIT
                assert hole.size_bytes == 0 or size - hole.end >= limit.tail
                assert os.stat(log).st_blocks * 512 <= MIN_LOG_LIMIT + 65536
                if size < limit.limit:
                    assert not hole.size_bytes
        finally:
            os.close(fd)
            os.close(dir_fd)


def test_a_successor_goes_on_with_the_hole_that_it_finds(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    dir_fd = os.open(tmp_path, os.O_RDONLY)
    first, second = (LogLimit(dir_fd, "out.log", fd, MIN_LOG_LIMIT) for _ in range(2))
    os.write(fd, lines(0, 2 << 20))
    first.keep()
    second.load()
    assert second.end == first.end > second.head
    os.ftruncate(fd, 10)
    assert second.keep() == MIN_LOG_LIMIT - 10
    assert hole_of(log) is None
    os.close(fd)
    os.close(dir_fd)
