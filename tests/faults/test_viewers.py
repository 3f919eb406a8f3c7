"""Viewers of a terminal: none slows the job, one holds the pen, and who comes late sees what the others see."""

from __future__ import annotations

import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyte
import pytest
from logist_runtime_host import keeper
from support.attempts import Attempt, Attempts, attempts_in_a_place_of_their_own
from support.logist import Logist
from support.terminal import Terminal
from support.waiting import eventually

from logist_core.api import AttachChannel


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    with attempts_in_a_place_of_their_own() as attempts:
        yield attempts


#: How programs ask for a richer keyboard; it draws nothing, and pyte fails on it.
_NOT_FOR_PYTE = re.compile(rb"\x1b\[[>?][\d;]*m")


class Viewer:
    """A viewer's channel with a terminal emulator behind it."""

    def __init__(self, attempt: Attempt, cols: int = 80, rows: int = 24, *, read_only: bool = False) -> None:
        self.channel: AttachChannel = attempt.runtime.attach(attempt.handle, cols=cols, rows=rows, read_only=read_only)
        self.screen = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.kinds: list[str] = []
        self.holds_pen = False

    def look(self, wait_s: float = 0.0) -> bool:
        """Take in what has come; say whether anything has."""
        if not select.select([self.channel], [], [], wait_s)[0]:
            return False
        events = self.channel.receive()
        for event in events:
            self.kinds.append(event.kind)
            if event.kind == "lease":
                self.holds_pen = bool(event.writable)
            if event.data:
                self.raw += event.data
                self.stream.feed(_NOT_FOR_PYTE.sub(b"", event.data))
        return bool(events)

    def sees(self, text: str) -> None:
        eventually(lambda: self.look(0.01) is not None and text in self.text, what=f"{text!r} on\n{self.text}")

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def cells(self) -> list[list[Any]]:
        """Every cell with its character, colours and attributes."""
        return [[self.screen.buffer[y][x] for x in range(self.screen.columns)] for y in range(self.screen.lines)]

    def resize(self, cols: int, rows: int) -> None:
        self.screen.resize(rows, cols)
        self.channel.resize(cols, rows)

    def close(self) -> None:
        self.channel.close()


def settled(*viewers: Viewer, quiet_s: float = 0.3) -> None:
    """Look on until nothing has come for a while."""
    deadline = time.monotonic() + 20
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < quiet_s:
        assert time.monotonic() < deadline, "it is never quiet"
        for viewer in viewers:
            if viewer.look(0.01):
                quiet_since = time.monotonic()


# Slow viewers


def test_case_51_a_viewer_that_stands_still_slows_no_job_and_is_shown_the_screen_as_it_is_then(
    logist: Logist,
) -> None:
    script = (
        "read x; head -c 6000000 /dev/zero | tr '\\0' x; printf '\\033[2J\\033[Hthe last screen'; "
        "echo >flooded; read x; exit 7"
    )
    work = logist.home.parent / "work"
    work.mkdir()
    job = logist.submit("-a", "command", "--pty", "-C", str(work), "--", "sh", "-c", script)
    logist.until(job, "running")
    argv = [sys.executable, "-m", "logist_core", "attach", job]
    with Terminal(argv, logist.environment) as slow, Terminal(argv, logist.environment) as quick:
        for viewer in (slow, quick):
            eventually(lambda viewer=viewer: viewer.read() or viewer.modes() != viewer.modes_before, what="attached")
        slow.signal(signal.SIGSTOP)
        quick.type("go\r")
        # The flood doesn't wait for the one that stands still.
        eventually(lambda: quick.read() or (work / "flooded").exists(), what="the end of the flood")
        quick.until("the last screen")
        slow.signal(signal.SIGCONT)
        slow.until("the last screen")
        assert len(slow.raw) < 6_000_000, "it was shown all that it had missed"
        quick.type("\r")
        assert quick.ended() == 5
    assert logist.ended(job)["exit"]["code"] == 7
    assert (logist.attempt_dir(job) / "out.log").stat().st_size > 6_000_000


def test_case_51_five_hundred_frames_to_a_deaf_viewer_cost_the_pump_no_memory(attempts: Attempts) -> None:
    attempt = attempts.shell("sleep 60", pty=True, cols=80, rows=24)
    pump = attempt.pump

    def resident_kib() -> int:
        lines = Path(f"/proc/{pump}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    before = resident_kib()
    deaf = attempt.connect()
    deaf.sendall(attempt.hello("viewer", cols=80, rows=24))
    deaf.settimeout(0.3)
    with suppress(OSError):  # the pump drops it, sooner or later
        for _ in range(500):
            deaf.sendall(keeper.frame(keeper.PING, b"x" * 60_000))
    assert resident_kib() - before < 4096
    assert attempt.probe().conditions == ()
    deaf.close()


# Several viewers

_SIZES = """
import os, signal, sys
def say(*_):
    size = os.get_terminal_size(0)
    os.write(1, f"[{size.columns}x{size.lines}]".encode())
signal.signal(signal.SIGWINCH, say)
say()
while True:
    line = sys.stdin.readline()
    if line.strip() == "end": break
    os.write(1, f"<{line.strip()}>".encode())
"""


def test_case_52_five_viewers_hand_the_pen_round_and_one_size_counts(attempts: Attempts) -> None:
    attempt = attempts.start(sys.executable, "-c", _SIZES, pty=True, cols=80, rows=24)
    eventually(lambda: b"[80x24]" in attempt.out)
    sizes = [(1, 1), (500, 200), (80, 24), (132, 43), (20, 5)]
    viewers = [Viewer(attempt, *size) for size in sizes]
    for number, viewer in enumerate(viewers):
        viewer.channel.send(f"v{number}\r".encode())
        eventually(lambda n=number: f"<v{n}>".encode() in attempt.out, what=f"what viewer {number} typed")
        settled(*viewers, quiet_s=0.05)
        assert [other.holds_pen for other in viewers] == [other is viewer for other in viewers]
        cols, rows = sizes[number]
        eventually(lambda: f"[{cols}x{rows}]".encode() in attempt.out, what=f"{cols}x{rows}")  # noqa: B023 asked at once
    # Only the size of the last one to type counts; without it, that of one who is still there.
    mark = len(attempt.out)
    viewers[0].resize(99, 99)
    viewers[-1].resize(30, 10)
    eventually(lambda: b"[30x10]" in attempt.out[mark:], what="the size of who holds the pen")
    assert b"[99x99]" not in attempt.out
    viewers.pop().close()
    eventually(lambda: any(v.look() and v.holds_pen for v in viewers) or any(v.holds_pen for v in viewers))
    viewers[1].channel.send(b"end\r")
    assert attempt.ended().exit is not None
    for viewer in viewers:
        viewer.close()


def test_case_52_a_storm_of_sizes_ends_with_the_last_one_and_harms_nobody(attempts: Attempts) -> None:
    attempt = attempts.start(sys.executable, "-c", _SIZES, pty=True, cols=80, rows=24)
    eventually(lambda: b"[80x24]" in attempt.out)
    pump = attempt.pump
    viewer, other = Viewer(attempt), Viewer(attempt)
    viewer.channel.send(b"mine\r")
    eventually(lambda: b"<mine>" in attempt.out)
    for number in range(1000):
        viewer.channel.resize(1 + number % 500, 1 + number % 200)
        if number % 50 == 0:
            other.look()
            viewer.look()
    for strange in ((0, 0), (-1, 10), (10**9, 10**9)):
        viewer.channel.resize(*strange)
    eventually(lambda: b"[4096x4096]" in attempt.out, what="the largest size there is")
    viewer.channel.resize(77, 33)
    eventually(lambda: b"[77x33]" in attempt.out, what="the last size")
    assert attempt.pump == pump
    viewer.channel.send(b"end\r")
    assert attempt.ended().exit is not None
    viewer.close()
    other.close()


# Restoring the screen

_AGENT = r"""
import sys, time
w = sys.stdout.write
w("\x1b[?1049h\x1b[2J\x1b[H\x1b[1;44m agent \x1b[0m\r\n\x1b[?25l\x1b[?2004h")
w("\x1b[4;20r")
for i in range(60):
    w(f"\x1b[20;1H\n\x1b[32mstep {i}\x1b[0m \x1b[38;5;{i + 20}mcolour\x1b[0m")
    w(f"\x1b7\x1b[22;1H\x1b[2K\x1b[7m {'|/-'[i % 3]} working {i} \x1b[0m\x1b8")
w("\x1b[r\x1b[24;1H> \x1b[1mprompt\x1b[0m")
sys.stdout.flush()
sys.stdin.read(1)
"""

#: A terminal without the sequences that pyte doesn't know (scrolling by several lines at once).
_PLAIN = "TERM=linux"

PROGRAMS: dict[str, tuple[list[str], list[bytes], str]] = {
    "vim": (
        [
            "env",
            _PLAIN,
            "vim",
            "-u",
            "NONE",
            "-i",
            "NONE",
            "-n",
            "-N",
            "--cmd",
            "set nottyfast t_u7= t_RV= t_RB= t_RF=",
            "text",
        ],
        [b":syntax off\r", b":set number hlsearch\r", b"/line 1\r", b"50G", b"zz"],
        "line 50",
    ),
    "less": (["env", _PLAIN, "less", "-N", "text"], [b"\x06", b"\x06", b"/line 20\r"], "line 200"),
    "an agent's screen": ([sys.executable, "-c", _AGENT], [], "prompt"),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("read_only", [True, False], ids=["looking on", "taking part"])
def test_case_54_who_comes_late_sees_cell_by_cell_what_a_live_viewer_sees(
    attempts: Attempts, program: str, read_only: bool
) -> None:
    argv, keys, expected = PROGRAMS[program]
    if shutil.which(argv[2 if argv[0] == "env" else 0]) is None:
        pytest.skip(f"{program} is not installed")
    (attempts.root / "text").write_text("".join(f"line {n} of a long text\n" for n in range(1, 400)))
    attempt = attempts.start(*argv, pty=True, cols=80, rows=24)
    live = Viewer(attempt, read_only=True)
    settled(live)
    for each in keys:
        attempt.runtime.write(attempt.handle, each)
        settled(live, quiet_s=0.15)
    live.sees(expected)
    late = Viewer(attempt, read_only=read_only)
    late.sees(expected)
    settled(live, late)
    assert late.text == live.text
    assert late.cells() == live.cells()
    assert (late.screen.cursor.x, late.screen.cursor.y) == (live.screen.cursor.x, live.screen.cursor.y)
    assert late.screen.cursor.hidden == live.screen.cursor.hidden
    # What comes now, both see alike.
    attempt.runtime.write(attempt.handle, b"\x1b:set nonumber\r" if program == "vim" else b"g")
    settled(live, late)
    if program != "an agent's screen":
        assert late.cells() == live.cells()
    live.close()
    late.close()
