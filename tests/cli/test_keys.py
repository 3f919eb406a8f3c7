from __future__ import annotations

import os
import pty
import termios
from types import SimpleNamespace

import pytest

from logist_core.cli.keys import Keyboard


def test_without_a_terminal_the_keyboard_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    read_fd, write_fd = os.pipe()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=lambda: read_fd))
    with Keyboard() as keyboard:
        assert keyboard.descriptors == ()
    os.close(read_fd)
    os.close(write_fd)


def test_without_standard_input_the_keyboard_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed() -> int:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=closed))
    with Keyboard() as keyboard:
        assert keyboard.descriptors == ()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """A terminal that passes for ours: (master, slave)."""
    master, slave = pty.openpty()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=lambda: slave))
    monkeypatch.setattr("os.tcgetpgrp", lambda _fd: os.getpgrp())
    return master, slave


def test_keys_come_one_by_one_and_the_modes_are_restored(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    before = termios.tcgetattr(slave)
    with Keyboard() as keyboard:
        assert keyboard.descriptors == (slave,)
        assert termios.tcgetattr(slave) != before
        os.write(master, b"x\x02")
        assert not keyboard.pressed_detach()
        os.write(master, b"d")
        assert keyboard.pressed_detach()
    assert termios.tcgetattr(slave) == before


def test_the_modes_are_restored_after_an_exception(terminal: tuple[int, int]) -> None:
    _, slave = terminal
    before = termios.tcgetattr(slave)
    with pytest.raises(RuntimeError), Keyboard():
        raise RuntimeError
    assert termios.tcgetattr(slave) == before


def test_after_a_hang_up_there_are_no_keys(terminal: tuple[int, int]) -> None:
    master, _ = terminal
    with Keyboard() as keyboard:
        os.close(master)
        assert keyboard.read() == b""
        assert keyboard.descriptors == ()


def test_in_the_background_the_terminal_is_left_alone(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.tcgetpgrp", lambda _fd: os.getpgrp() + 1)
    with Keyboard() as keyboard:
        assert keyboard.descriptors == ()
