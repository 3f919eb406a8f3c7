"""Reading a growing log from where it was left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logist_core.observe.tail import Tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "out.log"


def test_a_log_that_does_not_exist_yet_reads_as_empty_and_is_read_when_it_comes(log: Path) -> None:
    tail = Tail(str(log))
    assert tail.read(100) == b""
    log.write_bytes(b"hello")
    assert tail.read(100) == b"hello"


def test_no_byte_is_read_twice_and_reads_are_bounded(log: Path) -> None:
    log.write_bytes(b"0123456789")
    tail = Tail(str(log))
    assert [tail.read(4) for _ in range(4)] == [b"0123", b"4567", b"89", b""]
    assert (tail.offset, tail.behind, tail.written) == (10, 0, 10)


def test_what_is_not_read_yet_is_behind(log: Path) -> None:
    log.write_bytes(b"0123456789")
    tail = Tail(str(log), offset=4)
    assert tail.look() == 6
    tail.read(1)
    assert tail.behind == 5


def test_a_truncated_log_is_counted_and_read_again(log: Path) -> None:
    log.write_bytes(b"long content")
    tail = Tail(str(log))
    tail.read(100)
    log.write_bytes(b"new")
    assert tail.read(100) == b"new"
    assert tail.truncations == 1
    assert tail.written == len("long content") + len("new")


def test_skipping_says_how_much_was_left_out(log: Path) -> None:
    log.write_bytes(b"0123456789")
    tail = Tail(str(log))
    assert tail.skip_to(7) == 7
    assert tail.skip_to(3) == 0
    assert tail.read(10) == b"789"


def test_bytes_can_be_looked_at_again(log: Path) -> None:
    log.write_bytes(b"0123456789")
    tail = Tail(str(log), offset=8)
    assert tail.peek(2, 5) == b"234"
    assert tail.offset == 8
    log.unlink()
    assert tail.peek(2, 5) == b""


def test_a_link_and_a_pipe_in_the_log_s_place_are_not_read(tmp_path: Path, log: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    log.symlink_to(secret)
    assert Tail(str(log)).read(100) == b""
    log.unlink()
    os.mkfifo(log)
    assert Tail(str(log)).read(100) == b""


def test_a_directory_in_the_log_s_place_is_no_log(log: Path) -> None:
    log.mkdir()
    assert Tail(str(log)).read(100) == b""


def test_an_unreadable_log_reads_as_empty(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write_bytes(b"hello")

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    tail = Tail(str(log))
    assert tail.read(100) == b""
    assert tail.offset == 0
