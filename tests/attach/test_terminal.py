"""`attach` in a real pseudo-terminal, read by a terminal emulator, on real programs."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import termios
from pathlib import Path

import pytest

from logist_core.api import ProbeState, Stdin

CTRL_Q = b"\x11"


def need(program: str) -> str:
    """Return the program's path; skip without it, or fail where everything real is asked for."""
    path = shutil.which(program)
    if path is None:
        if os.environ.get("LOGIST_REQUIRE_REAL"):
            pytest.fail(f"{program} is not installed, and LOGIST_REQUIRE_REAL is set")
        pytest.skip(f"{program} is not installed")
    return path


def test_an_interactive_python_is_used_left_and_found_as_it_was(stage) -> None:
    handle = stage.start(sys.executable, "-q", "-i")
    first = stage.open(handle)
    before = None
    first.sees(">>>")
    first.type(b"secret = 6 * 7\r")
    first.type(b"print('the answer', secret)\r")
    first.sees("the answer 42")
    first.type(CTRL_Q)
    assert first.end() == "detached None"
    before = first.modes()
    assert before[3] & termios.ECHO
    assert before[3] & termios.ICANON
    second = stage.open(handle)
    second.sees("the answer 42")  # the screen is there again
    second.type(b"print('still', secret + 1)\r")
    second.sees("still 43")
    second.type(b"exit(3)\r")
    assert second.end() == "exited 3"
    assert stage.runtime.probe(handle).exit.code == 3


def test_two_terminals_see_the_same_and_both_may_type(stage) -> None:
    handle = stage.start(sys.executable, "-q", "-i")
    first, second = stage.open(handle), stage.open(handle, 100, 30)
    first.sees(">>>")
    second.sees(">>>")
    first.type(b"print('from', 'first')\r")
    second.sees("from first")
    second.type(b"print('from', 'second')\r")
    first.sees("from second")
    first.type(b"\x02d")
    assert first.end() == "detached None"
    second.type(b"print('alone')\r")
    second.sees("alone")
    assert stage.runtime.probe(handle).state is ProbeState.RUNNING


def test_a_resize_of_the_terminal_reaches_the_program(stage) -> None:
    handle = stage.start("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")
    terminal = stage.open(handle, 90, 20)
    terminal.sees("20 90")
    terminal.resize(101, 33)
    terminal.sees("33 101")


def test_a_read_only_terminal_types_nothing_and_can_leave(stage) -> None:
    handle = stage.start("cat")
    terminal = stage.open(handle, read_only=True)
    terminal.until(lambda: b"\x1b[!p" in terminal.raw, "a screen")
    terminal.type(b"hello\r")
    terminal.type(CTRL_Q)
    assert terminal.end() == "detached None"
    assert b"hello" not in stage.log(handle)


def test_when_the_pump_dies_it_stays_attached(stage) -> None:
    handle = stage.start(sys.executable, "-q", "-i")
    terminal = stage.open(handle)
    terminal.sees(">>>")
    os.kill(pump_of(handle), signal.SIGKILL)
    terminal.until(lambda: terminal.raw.count(b"\x1b[!p") >= 2, "the screen again")
    terminal.type(b"print('still', 'here')\r")
    terminal.sees("still here")


def pump_of(handle) -> int:
    import json

    shim = json.loads(Path(handle.data["directory"], "shim.json").read_text())
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != shim["pid"]:
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue
            if int(fields[3]) == shim["session"]:
                return int(name)
    raise AssertionError("no pump")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_detaches_and_gives_the_terminal_back(stage, number: int) -> None:
    handle = stage.start("sh", "-c", r"printf '\033[?1049h\033[?1000h\033[?2004h\033[?25l'; echo ready; sleep 60")
    terminal = stage.open(handle)
    terminal.sees("ready")
    os.kill(terminal.pid, number)
    assert terminal.end() == "detached None"
    for undo in (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?2004l", b"\x1b[?25h"):
        assert undo in terminal.raw
    assert terminal.modes()[3] & termios.ICANON


def test_an_attempt_without_a_terminal_is_shown_in_lines(stage) -> None:
    handle = stage.start("sh", "-c", "echo one; echo two; read x; echo got $x; exit 4", pty=False, stdin=Stdin.OPEN)
    terminal = stage.open(handle)
    terminal.sees("one\ntwo")
    terminal.type(b"three\n")
    terminal.sees("got three")
    assert terminal.end() == "exited 4"


def test_typing_where_nobody_listens_rings_the_bell(stage) -> None:
    handle = stage.start("sh", "-c", "echo one; sleep 60", pty=False)
    terminal = stage.open(handle)
    terminal.sees("one")
    terminal.type(b"x")
    terminal.until(lambda: b"\a" in terminal.raw, "the bell")


@pytest.mark.real
def test_vim_edits_a_file_across_two_attachments(stage) -> None:
    path = stage.root / "note.txt"
    handle = stage.start(need("vim"), "-u", "NONE", "-n", str(path))
    first = stage.open(handle)
    first.sees("~")
    first.type(b"ifirst line")
    first.sees("first line")
    first.type(b"\x1b")
    first.type(CTRL_Q)
    assert first.end() == "detached None"
    assert b"\x1b[?1049l" in first.raw.split(b"first line")[-1]
    second = stage.open(handle, 100, 30)
    second.sees("first line")
    second.type(b"osecond line")
    second.sees("second line")
    second.type(b"\x1b:wq\r")
    assert second.end() == "exited 0"
    assert path.read_text() == "first line\nsecond line\n"


@pytest.mark.real
def test_top_fills_the_terminal_and_follows_its_size(stage) -> None:
    handle = stage.start(need("top"), "-d", "0.5")
    terminal = stage.open(handle, 100, 30)
    terminal.sees("load average")
    terminal.sees("PID")
    terminal.resize(80, 20)
    terminal.sees("load average")
    terminal.type(b"q")
    assert terminal.end() == "exited 0"
