from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from logist_core.cli import changes
from logist_core.cli.changes import Changes, Deadline, Interrupts


def later(action: object, delay_s: float = 0.05) -> threading.Timer:
    timer = threading.Timer(delay_s, action)  # type: ignore[arg-type]
    timer.start()
    return timer


def test_a_new_watch_says_so_once(tmp_path: Path) -> None:
    with Changes() as watched:
        assert watched.watch(tmp_path)
        assert not watched.watch(tmp_path)
        assert not watched.watch(tmp_path / "missing")


def test_a_change_ends_the_sleep_at_once(tmp_path: Path) -> None:
    with Changes() as watched:
        watched.watch(tmp_path)
        started = time.monotonic()
        timer = later(lambda: (tmp_path / "file").write_text("x"))
        watched.wait(20.0)
        assert time.monotonic() - started < 10
        timer.join()


def test_a_change_before_the_sleep_is_not_missed(tmp_path: Path) -> None:
    with Changes() as watched:
        watched.watch(tmp_path)
        (tmp_path / "file").write_text("x")
        started = time.monotonic()
        watched.wait(20.0)
        assert time.monotonic() - started < 10


def test_a_readable_descriptor_ends_the_sleep_and_is_named(tmp_path: Path) -> None:
    read_fd, write_fd = os.pipe()
    with Changes() as watched:
        watched.watch(tmp_path)
        os.write(write_fd, b"x")
        assert watched.wait(20.0, [read_fd]) == {read_fd}
    os.close(read_fd)
    os.close(write_fd)


def test_without_the_kernels_help_it_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes.sys, "platform", "other")
    with Changes() as watched:
        assert not watched.watch(tmp_path)
        started = time.monotonic()
        assert watched.wait(20.0) == frozenset()
        assert changes.POLL_S * 0.5 < time.monotonic() - started < 10


def test_a_watch_that_is_refused_turns_to_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asyncinotify.Inotify.add_watch", refuse)
    with Changes() as watched:
        assert not watched.watch(tmp_path)
        started = time.monotonic()
        watched.wait(20.0)
        assert time.monotonic() - started < 10


def test_signals_are_counted_and_wake_a_sleep() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts(signal.SIGINT, signal.SIGUSR1) as interrupts, Changes() as watched:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert watched.wait(20.0, [interrupts.fileno()]) == {interrupts.fileno()}
        assert interrupts.take(signal.SIGINT) == 1
        assert interrupts.take(signal.SIGINT) == 0
        assert interrupts.take(signal.SIGUSR1) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_deadline_passes_or_never_comes() -> None:
    assert Deadline(None).left(3.0) == 3.0
    assert not Deadline(None).passed
    assert Deadline(0.0).passed
    assert Deadline(0.0).left(3.0) == 0.0
    assert 0 < Deadline(100.0).left(3.0) <= 3.0
