"""Small files are whole or not there; locks exclude; nothing planted at our names is followed."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from logist_core.errors import CorruptRecord, Locked, LogistError
from logist_core.jobs import atomic, files
from logist_core.jobs.atomic import read_json, write_json, write_once_json
from logist_core.jobs.locks import file_lock


@pytest.mark.parametrize("durable", [True, False])
def test_a_json_file_is_replaced_and_read_back(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "x.json"
    assert read_json(path) is None
    for value in ({"a": "\ud800\u2028\0"}, [1, None]):
        write_json(path, value, durable=durable)
        assert read_json(path) == value
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_are_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_json(tmp_path / "a", 1, durable=False)
        write_once_json(tmp_path / "b", 1)
        files.append_bytes(str(tmp_path / "c"), b"x")
        with file_lock(tmp_path / "d", 1):
            pass
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "abcd"} == {0o600}


def test_of_many_writers_of_a_write_once_file_exactly_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "exit.json"
    won: list[int] = []

    def write(n: int) -> None:
        if write_once_json(path, {"n": n}, durable=False):
            won.append(n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert read_json(path) == {"n": won[0]}
    assert os.listdir(tmp_path) == ["exit.json"]


@pytest.mark.parametrize("write", [lambda p: write_json(p, 1, durable=True), lambda p: write_once_json(p, 1)])
def test_a_write_that_fails_names_the_file_and_leaves_nothing(tmp_path: Path, write: Callable[[Path], object]) -> None:
    with pytest.raises(LogistError, match=r"can't write .*missing/x\.json: No such file"):
        write(tmp_path / "missing" / "x.json")
    (tmp_path / "x.json").mkdir()
    (tmp_path / "x.json/full").write_text("")
    if write(tmp_path / "y.json") is False:
        pytest.fail("nobody else wrote it")
    assert sorted(os.listdir(tmp_path)) == ["x.json", "y.json"]


def test_replacing_a_directory_fails_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(LogistError, match="Is a directory"):
        write_json(tmp_path / "x.json", 1, durable=False)
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"null"])
def test_what_is_no_json_is_corrupt_and_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(CorruptRecord, match=r"x\.json"):
        read_json(tmp_path / "x.json")


def plant_link(path: Path) -> None:
    (path.parent / "target").write_text("{}")
    path.symlink_to(path.parent / "target")


def plant_fifo(path: Path) -> None:
    os.mkfifo(path)


def plant_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("plant", [plant_link, plant_fifo, plant_socket, Path.mkdir])
def test_what_is_planted_at_our_names_is_refused_without_waiting(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    path = tmp_path / "x"
    plant(path)
    with pytest.raises(CorruptRecord, match="not a regular file"):
        files.read_bytes(str(path))
    with pytest.raises((CorruptRecord, IsADirectoryError)):
        files.open_append(str(path))
    if path.is_symlink():
        assert (tmp_path / "target").read_text() == "{}"


def test_a_replaced_link_is_replaced_itself_and_its_target_stays(tmp_path: Path) -> None:
    plant_link(tmp_path / "x")
    write_json(tmp_path / "x", 1, durable=False)
    assert not (tmp_path / "x").is_symlink()
    assert (tmp_path / "target").read_text() == "{}"


def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    name = "n" * 300
    with pytest.raises(LogistError, match=r"can't read .*File name too long"):
        files.read_bytes(str(tmp_path / name))


def test_a_file_that_breaks_while_it_is_read_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fd: int, count: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "x").write_bytes(b"x")
    monkeypatch.setattr(os, "read", broken)
    with pytest.raises(LogistError, match=r"can't read .*/x: Input/output error"):
        files.read_bytes(str(tmp_path / "x"))


def test_a_file_in_place_of_a_directory_holds_no_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    assert files.read_bytes(str(tmp_path / "x/y")) is None


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * 10)
    real = os.read

    def grow_once(fd: int, count: int) -> bytes:
        if path.stat().st_size == 10:
            path.write_bytes(b"a" * 50)
        return real(fd, count)

    monkeypatch.setattr(os, "read", grow_once)
    assert files.read_bytes(str(path)) == b"a" * 50


def test_reading_from_an_offset_gives_the_rest(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    assert files.read_bytes(str(tmp_path / "x"), 7) == b"789"
    assert files.read_bytes(str(tmp_path / "x"), 10) == b""
    assert files.read_bytes(str(tmp_path / "x"), 99) == b""


@pytest.mark.parametrize(
    ("number", "hint"), [(errno.ENOSPC, "df -h"), (errno.EROFS, "LOGIST_HOME"), (errno.EPERM, None)], ids=str
)
def test_a_failed_call_says_what_to_do_where_that_is_known(number: int, hint: str | None) -> None:
    error = files.failed("write", "/x", OSError(number, os.strerror(number)))
    assert error.message == f"can't write /x: {os.strerror(number)}"
    assert (hint or "") in (error.hint or "")
    assert (error.hint is None) == (hint is None)


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    atomic.replace_under_lock(str(tmp_path / "missing/state.json"), b"x")
    atomic.replace_under_lock(str(tmp_path / "state.json"), b"x")
    atomic.replace_under_lock(str(tmp_path / "state.json"), b"y")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"state.json": b"y"}


def test_a_held_lock_excludes_others_and_names_its_holder(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path / "x.lock", 1),
        pytest.raises(Locked, match=rf"the queue is locked by process {os.getpid()} \(waited 0\.02 s\)"),
        file_lock(tmp_path / "x.lock", 0.02, what="the queue"),
    ):
        pytest.fail("both hold it")
    with file_lock(tmp_path / "x.lock", 0):
        assert (tmp_path / "x.lock").exists()
    assert (tmp_path / "x.lock").exists()


def test_a_lock_is_released_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), file_lock(tmp_path / "x.lock", 0):
        raise ZeroDivisionError
    with file_lock(tmp_path / "x.lock", 0):
        pass


def test_a_planted_link_is_not_taken_for_a_lock(tmp_path: Path) -> None:
    plant_link(tmp_path / "x.lock")
    with pytest.raises(LogistError, match="can't lock"), file_lock(tmp_path / "x.lock", 0):
        pass


def test_a_lock_in_a_directory_that_is_not_there_is_an_error_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(LogistError, match="can't lock"), file_lock(tmp_path / "gone/x.lock", 0):
        pass
    assert list(tmp_path.iterdir()) == []
