"""Viewers: they see what is shown, type when they may, and are never felt by the attempt."""

from __future__ import annotations

import os
import select
import time

import pytest
from logist_runtime_host import channel as channel_module
from logist_runtime_host.runtime import HostRuntime

from logist_core.api import KILL_NOW, AttachEvent, LogistError, RuntimeHandle, Stdin, Unsupported


class Viewer:
    """Collects what a channel says."""

    def __init__(self, attempt, cols: int = 80, rows: int = 24, read_only: bool = False) -> None:
        self.channel = attempt.runtime.attach(attempt.handle, cols=cols, rows=rows, read_only=read_only)
        self.events: list[AttachEvent] = []

    def until(self, found, what: str = "an event", deadline_s: float = 20.0) -> None:
        deadline = time.monotonic() + deadline_s
        while not found(self):
            left = deadline - time.monotonic()
            assert left > 0, f"no {what}: {self.events[-5:]}"
            if select.select([self.channel.fileno()], [], [], left)[0]:
                self.events += self.channel.receive()

    @property
    def shown(self) -> bytes:
        return b"".join(event.data for event in self.events)

    def sees(self, text: bytes) -> None:
        self.until(lambda v: text in v.shown, repr(text))

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def writable(self) -> bool:
        return [event.writable for event in self.events if event.kind == "lease"][-1:] == [True]


@pytest.fixture
def view(lab):
    viewers = []

    def open_viewer(*args, **kw) -> Viewer:
        viewers.append(Viewer(*args, **kw))
        return viewers[-1]

    yield open_viewer
    for viewer in viewers:
        viewer.channel.close()
        viewer.channel.close()  # twice is once


@pytest.fixture
def lab(lab):
    yield lab
    for attempt in lab.attempts:
        if attempt.handle is not None:
            attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_terminal_is_shown_typed_into_and_its_exit_told(lab, view) -> None:
    attempt = lab.shell("echo before; read x; echo got $x; exit 5", pty=True)
    attempt.out_has(b"before")
    viewer = view(attempt)
    viewer.sees(b"before")
    assert viewer.kinds()[0] == "screen"
    viewer.channel.send(b"hello\r")
    viewer.until(lambda v: "exit" in v.kinds(), "exit")
    assert b"got hello" in viewer.shown
    assert viewer.events[-1].exit.code == 5
    assert viewer.channel.receive() == []
    with pytest.raises(LogistError, match="ended"):
        viewer.channel.send(b"x")


def test_the_size_follows_the_viewer_who_types(lab, view) -> None:
    attempt = lab.shell("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done", pty=True, cols=100, rows=30)
    attempt.out_has(b"ready")
    first = view(attempt, 81, 21)
    first.sees(b"21 81")
    assert first.writable
    second = view(attempt, 91, 31)
    second.until(lambda v: "lease" in v.kinds(), "lease")
    assert not second.writable
    second.channel.resize(92, 32)
    second.channel.send(b"x")
    second.until(lambda v: v.writable, "the lease")
    first.until(lambda v: not v.writable, "its loss")
    second.sees(b"32 92")
    first.channel.resize(83, 23)
    first.channel.send(b"\x1b[24;80R")  # a terminal's own answer takes nothing
    second.channel.resize(93, 33)
    second.sees(b"33 93")
    assert b"23 83" not in attempt.out()
    second.channel.close()
    first.until(lambda v: v.writable, "the lease again")
    first.sees(b"23 83")


def test_a_read_only_viewer_sees_and_types_nothing(lab, view) -> None:
    attempt = lab.shell("stty size; read x", pty=True, cols=100, rows=30)
    viewer = view(attempt, 20, 10, read_only=True)
    viewer.sees(b"30 100")
    viewer.channel.resize(5, 5)
    with pytest.raises(Unsupported, match="read-only"):
        viewer.channel.send(b"x")
    assert attempt.runtime.stats(attempt.handle).tty_mode == "line"


def test_an_attempt_without_a_terminal_is_shown_safely_and_typed_into_if_it_listens(lab, view) -> None:
    script = r"printf '\033]52;c;AAAA\007\033[31mred\033[0m\nplain\n'; echo talk >&2; read x; echo got $x"
    attempt = lab.shell(script, stdin=Stdin.OPEN)
    viewer = view(attempt)
    viewer.sees(b"\x1b[31mred\x1b[0m\r\nplain\r\n")
    viewer.sees(b"talk\r\n")
    assert b"]52" not in viewer.shown
    viewer.channel.send(b"hello\n")
    viewer.until(lambda v: "exit" in v.kinds(), "exit")
    assert b"got hello\r\n" in viewer.shown


def test_typing_at_an_attempt_without_input_is_unsupported(lab, view) -> None:
    attempt = lab.shell("sleep 60")
    with pytest.raises(Unsupported, match="no input"):
        view(attempt).channel.send(b"x")


def test_when_the_pump_dies_the_channel_closes_and_another_can_be_opened(lab, view) -> None:
    attempt = lab.shell("echo before; read x; echo got $x; read y", pty=True)
    attempt.out_has(b"before")
    viewer = view(attempt)
    viewer.sees(b"before")
    lab.kill(attempt.pump())
    viewer.until(lambda v: "closed" in v.kinds(), "closed")
    again = view(attempt)
    again.sees(b"before")
    again.channel.send(b"hello\r")
    again.sees(b"got hello")


def test_a_viewer_that_falls_behind_is_shown_the_end(lab, view) -> None:
    attempt = lab.shell("read x; seq 400000; echo THE END; read y", pty=True)
    viewer = view(attempt)
    viewer.until(lambda v: v.kinds(), "a screen")
    viewer.channel.send(b"\r")
    attempt.out_has(b"THE END")
    viewer.until(lambda v: "lagged" in v.kinds() and b"THE END" in v.shown, "lagged")
    assert viewer.kinds()[viewer.kinds().index("lagged") + 1] == "screen"
    assert len(viewer.shown) < 1_500_000


def test_an_ended_attempt_shows_its_end(lab, view) -> None:
    attempt = lab.shell("echo last words; exit 3", pty=True)
    attempt.wait()
    viewer = view(attempt)
    viewer.until(lambda v: "exit" in v.kinds(), "exit")
    assert b"last words" in viewer.shown
    assert viewer.events[-1].exit.code == 3


def test_a_full_screen_program_is_asked_to_draw_itself(lab, view) -> None:
    script = r"printf '\033[?1049h'; trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done"
    attempt = lab.shell(script, pty=True, cols=80, rows=24)
    attempt.out_has(b"ready")
    viewer = view(attempt, 80, 24)  # the size it has already
    viewer.sees(b"24 80")


def test_without_inotify_it_looks_again_and_again(lab, view, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module.Changes, "_notify", staticmethod(lambda paths: -1))
    attempt = lab.shell("read x; echo got $x; read y", pty=True)
    viewer = view(attempt)
    viewer.until(lambda v: v.kinds(), "a screen")
    viewer.channel.send(b"hello\r")
    viewer.sees(b"got hello")


def test_viewers_leave_no_descriptors_and_threads(lab) -> None:
    import threading

    attempt = lab.shell("sleep 60", pty=True)
    before = len(os.listdir("/dev/fd")), threading.active_count()
    for _ in range(20):
        viewer = Viewer(attempt)
        viewer.until(lambda v: v.kinds(), "a screen")
        viewer.channel.close()
        assert viewer.channel.receive() == []
    assert (len(os.listdir("/dev/fd")), threading.active_count()) == before


def test_attaching_to_what_is_not_there_says_so(lab) -> None:
    attempt = lab.prepare()
    data = {"job_id": "job0", "attempt": 1, "nonce": attempt.key.nonce, "directory": str(attempt.directory)}
    with pytest.raises(LogistError, match="no attempt"):
        HostRuntime().attach(RuntimeHandle(runtime="host", version=1, data=data), cols=80, rows=24, read_only=False)
    data["directory"] = "/nowhere"
    with pytest.raises(LogistError, match="nowhere"):
        HostRuntime().attach(RuntimeHandle(runtime="host", version=1, data=data), cols=80, rows=24, read_only=False)
