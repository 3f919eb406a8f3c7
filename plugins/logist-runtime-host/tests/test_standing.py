"""Where the processes of a tree stand, asked of real ones."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from logist_runtime_host import keeper, standing

Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python code (or an argv) in a session of its own; end it with all of its session."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*argv: str, code: str | None = None, **options: Any) -> int:
        words = [sys.executable, "-S", "-c", code] if code is not None else list(argv)
        process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, **options)
        started.append(process)
        return process.pid

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def of(pid: int) -> standing.Standing:
    leader = keeper.SYSTEM.process(pid)
    assert leader is not None
    queue, found = [pid], []
    while queue:
        process = keeper.SYSTEM.process(queue.pop())
        if process is not None:
            found.append(process)
            queue += keeper.SYSTEM.children(process.pid)
    return standing.standing(leader, found)


def eventually(lab_like: Callable[[], object]) -> None:
    import time

    deadline = time.monotonic() + 10
    while not lab_like():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_read_of_its_input_is_told_from_one_of_a_childs_output(start: Start) -> None:
    reader = start("sh", "-c", "read x", stdin=subprocess.PIPE)
    eventually(lambda: of(reader).blocked_on == "stdin_read")
    parent = start("sh", "-c", "x=$(sleep 60 & sleep 60)", stdin=subprocess.PIPE)
    eventually(lambda: "pipe" in of(parent).sleepers[0] and len(of(parent).sleepers) > 1)
    assert of(parent).blocked_on is None


def test_a_wait_for_a_server_is_not_taken_for_a_read_of_the_terminal(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        pid = start(code=f"import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)")
        eventually(lambda: of(pid).blocked_on == "network")


def test_a_read_of_the_terminal_is_seen(start: Start) -> None:
    master, slave = os.openpty()
    try:
        pid = start(code="input()", stdin=slave)
        eventually(lambda: of(pid).blocked_on == "tty_read")
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("hidden", ["terminal", "socket", "pipe"])
def test_where_the_kernel_hides_the_call_only_what_is_certain_is_said(
    start: Start, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    monkeypatch.setattr(standing, "_fd_being_read", lambda pid: None)
    master, slave = os.openpty()
    near, far = socket.socketpair()
    with near, far, socket.create_server(("127.0.0.1", 0)) as server:
        connect = f"import socket; c = socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        if hidden == "terminal":
            pid, expected = start(code="input()", stdin=slave), "tty_read"
        elif hidden == "socket":
            pid, expected = start(code=f"{connect}; c.recv(1)", stdin=subprocess.DEVNULL), "network"
        else:
            pid, expected = start("sh", "-c", "read x", stdin=subprocess.PIPE), "stdin_read"
        eventually(lambda: of(pid).blocked_on == expected)
        both = start(code=f"{connect}; input()", stdin=slave)
        eventually(lambda: standing._wchan(both) == "wait_woken" or "read" in (standing._wchan(both) or ""))
        assert of(both).blocked_on in (None, "tty_read")
    os.close(master)
    os.close(slave)


def test_a_leader_that_only_waits_for_its_child_is_seen(start: Start) -> None:
    pid = start("sh", "-c", "sleep 60; true")
    eventually(lambda: of(pid).awaits_child is True)
    assert any("sleep: sleep" in words for words in of(pid).sleepers)
    assert of(pid).deadlocked is False


def test_a_stopped_child_is_told_from_a_stopped_leader(start: Start) -> None:
    pid = start("sh", "-c", "sh -c 'kill -STOP $$'; true")
    eventually(lambda: of(pid).stopped_others == 1)
    assert of(pid).stopped is False
    stopped = start("sh", "-c", "kill -STOP $$")
    eventually(lambda: of(stopped).stopped)
    assert of(stopped).stopped_others == 0


LOCKED = "import threading as t; l = t.Lock(); l.acquire(); x = t.Thread(target=l.acquire); x.start(); x.join()"


def test_a_tree_in_which_everybody_waits_for_a_lock_is_deadlocked(start: Start) -> None:
    alone = start(code=LOCKED)
    eventually(lambda: of(alone).deadlocked is True)
    below = start("sh", "-c", f'"{sys.executable}" -S -c "{LOCKED}"; true')
    eventually(lambda: of(below).deadlocked is True)
    assert of(below).blocked_on == "futex"


def test_a_tree_with_one_thread_that_may_wake_another_is_not_deadlocked(start: Start) -> None:
    pid = start(code=f"import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); {LOCKED}")
    eventually(lambda: of(pid).blocked_on == "futex")
    assert of(pid).deadlocked is False


def test_a_leader_that_is_dead_while_its_threads_live_is_a_zombie(start: Start) -> None:
    pid = start(
        code="import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    eventually(lambda: of(pid).zombie)
    assert "zombie" in of(pid).sleepers[0]


def test_a_name_that_a_process_gives_itself_is_shown_without_its_escapes(start: Start) -> None:
    pid = start(code="import time; open('/proc/self/comm', 'w').write('\\x1b[2Jred'); time.sleep(60)")
    eventually(lambda: "[2Jred" in of(pid).sleepers[0])
    assert "\x1b" not in of(pid).sleepers[0]
