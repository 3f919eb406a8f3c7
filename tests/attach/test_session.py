"""`attach` against a channel that does what the test says: the ways that real attempts rarely go."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import termios
import threading
import time

import pytest

from logist_core.api import AttachEvent, ExitStatus, LogistError, Unsupported
from logist_core.supervise.terminal import attach, terminal_size


class Channel:
    """Says what it was given, a list of events at a time."""

    def __init__(self, *batches: list[AttachEvent]) -> None:
        self.batches = list(batches)
        self.ours, self.theirs = socket.socketpair()
        self.theirs.send(b"." * max(1, len(batches)))
        self.sent: list[bytes] = []
        self.sizes: list[tuple[int, int]] = []
        self.closed = False
        self.refuse: Exception | None = None

    def fileno(self) -> int:
        return self.ours.fileno()

    def receive(self) -> list[AttachEvent]:
        if not self.batches:
            return []
        self.ours.recv(1)
        return self.batches.pop(0)

    def say(self, *events: AttachEvent) -> None:
        self.batches.append(list(events))
        self.theirs.send(b".")

    def send(self, data: bytes) -> None:
        if self.refuse:
            raise self.refuse
        self.sent.append(data)

    def resize(self, cols: int, rows: int) -> None:
        self.sizes.append((cols, rows))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.ours.close()
            self.theirs.close()


OUTPUT = AttachEvent(kind="output", data=b"hello")
CLOSED = AttachEvent(kind="closed")
EXIT = AttachEvent(kind="exit", exit=ExitStatus(code=3))


@pytest.fixture
def pipes():
    """Yield (what we type into, stdin, stdout, what we read)."""
    stdin, typed = os.pipe()
    shown, stdout = os.pipe()
    yield typed, stdin, stdout, shown
    for fd in (typed, stdin, stdout, shown):
        with contextlib.suppress(OSError):
            os.close(fd)


def test_output_and_exit_without_a_terminal(pipes) -> None:
    _, stdin, stdout, shown = pipes
    channel = Channel([OUTPUT], [EXIT])
    end = attach(lambda cols, rows: channel, stdin_fd=stdin, stdout_fd=stdout)
    assert (end.reason, end.exit.code) == ("exited", 3)
    assert b"hello" in os.read(shown, 65536)
    assert channel.closed
    assert terminal_size(stdout) == (80, 24)


def test_the_end_of_the_input_detaches(pipes) -> None:
    typed, stdin, stdout, _ = pipes
    os.write(typed, b"abc")
    os.close(typed)
    channel = Channel()
    assert attach(lambda cols, rows: channel, stdin_fd=stdin, stdout_fd=stdout).reason == "detached"
    assert channel.sent == [b"abc"]


def test_a_channel_that_can_not_be_opened_again_is_lost(pipes) -> None:
    _, stdin, stdout, _ = pipes
    first = Channel([CLOSED])
    opened = iter([first])

    def open_channel(cols: int, rows: int) -> Channel:
        try:
            return next(opened)
        except StopIteration:
            raise LogistError("nobody there") from None

    end = attach(open_channel, stdin_fd=stdin, stdout_fd=stdout, reconnect_s=0.3)
    assert (end.reason, end.detail) == ("lost", "nobody there")
    assert first.closed


def test_one_can_leave_while_it_looks_for_the_attempt(pipes) -> None:
    typed, stdin, stdout, _ = pipes
    channels = iter([Channel([CLOSED])])

    def open_channel(cols: int, rows: int) -> Channel:
        for channel in channels:
            return channel
        os.write(typed, b"\x11")
        raise LogistError("nobody there")

    assert attach(open_channel, stdin_fd=stdin, stdout_fd=stdout, reconnect_s=60).reason == "detached"


def test_the_first_channel_must_open(pipes) -> None:
    def open_channel(cols: int, rows: int) -> Channel:
        raise LogistError("no such job")

    with pytest.raises(LogistError, match="no such job"):
        attach(open_channel, stdin_fd=pipes[1], stdout_fd=pipes[2])


@pytest.mark.parametrize("refusal", [Unsupported("no input"), LogistError("just closed")])
def test_a_refused_key_ends_nothing(pipes, refusal: Exception) -> None:
    typed, stdin, stdout, shown = pipes
    channel = Channel()
    channel.refuse = refusal
    os.write(typed, b"x")
    timer = threading.Timer(0.2, lambda: channel.say(EXIT))
    timer.start()
    assert attach(lambda cols, rows: channel, stdin_fd=stdin, stdout_fd=stdout).reason == "exited"
    timer.join()
    assert (b"\a" in os.read(shown, 65536)) == isinstance(refusal, Unsupported)


def test_a_slow_terminal_gets_everything(pipes) -> None:
    _, stdin, stdout, shown = pipes
    os.set_blocking(stdout, False)
    flood = b"x" * 500_000
    channel = Channel([AttachEvent(kind="output", data=flood)], [EXIT])
    got = bytearray()

    def read_slowly() -> None:
        while b"?25h" not in got:
            select.select([shown], [], [], 10)
            got.extend(os.read(shown, 4096))

    reader = threading.Thread(target=read_slowly)
    reader.start()
    attach(lambda cols, rows: channel, stdin_fd=stdin, stdout_fd=stdout)
    reader.join(20)
    assert got.count(b"x") == len(flood)


def test_a_terminal_that_is_gone_detaches(pipes) -> None:
    _, _, stdout, shown = pipes
    os.close(shown)
    os.close(stdout)
    master, slave = pty.openpty()
    os.close(master)
    try:
        end = attach(lambda cols, rows: Channel([OUTPUT]), stdin_fd=slave, stdout_fd=slave)
    except OSError:
        return  # the very first write may fail as plainly
    finally:
        os.close(slave)
    assert end.reason == "detached"


def test_the_settings_are_restored_when_the_channel_raises(pipes) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)

    class Broken(Channel):
        def receive(self) -> list[AttachEvent]:
            assert not termios.tcgetattr(slave)[3] & termios.ECHO
            raise RuntimeError("a defect")

    with pytest.raises(RuntimeError):
        attach(lambda cols, rows: Broken(), stdin_fd=slave, stdout_fd=slave)
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_after_a_stop_the_terminal_is_made_raw_again_and_the_size_is_told() -> None:
    master, slave = pty.openpty()
    channel = Channel()

    def stop_and_continue() -> None:
        deadline = time.monotonic() + 10
        while termios.tcgetattr(slave)[3] & termios.ECHO and time.monotonic() < deadline:
            time.sleep(0.01)
        cooked = termios.tcgetattr(slave)
        cooked[3] |= termios.ECHO  # as a shell leaves it
        termios.tcsetattr(slave, termios.TCSANOW, cooked)
        os.kill(os.getpid(), signal.SIGCONT)
        while not channel.sizes and time.monotonic() < deadline:
            time.sleep(0.01)
        raw = not termios.tcgetattr(slave)[3] & termios.ECHO
        channel.say(EXIT if raw else AttachEvent(kind="exit", exit=ExitStatus(code=99)))

    thread = threading.Thread(target=stop_and_continue)
    thread.start()
    end = attach(lambda cols, rows: channel, stdin_fd=slave, stdout_fd=slave)
    thread.join()
    assert end.exit.code == 3
    os.close(master)
    os.close(slave)


def test_in_a_thread_it_works_without_signals(pipes) -> None:
    _, stdin, stdout, _ = pipes
    ends = []
    channel = Channel([EXIT])
    thread = threading.Thread(
        target=lambda: ends.append(attach(lambda cols, rows: channel, stdin_fd=stdin, stdout_fd=stdout))
    )
    thread.start()
    thread.join(10)
    assert [end.reason for end in ends] == ["exited"]
