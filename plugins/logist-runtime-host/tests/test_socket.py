"""The pump's socket: garbage hurts nobody, a slow client slows nobody, a dead supervisor is started again."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import sys
import time
from pathlib import Path

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.client import Connection, NotReached
from logist_runtime_host.files import AttemptFiles
from logist_runtime_host.places import nonce_hash

from logist_core.api import KILL_NOW, ProbeState, Respawn, Stdin


def raw(attempt) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(attempt.record("shim.json")["socket"])
    connection.settimeout(10)
    return connection


def greeting(attempt, **extra: object) -> bytes:
    hello = {"proto": 1, "nonce_hash": nonce_hash(attempt.key.nonce), "role": "control", **extra}
    return keeper.frame_json(keeper.HELLO, hello)


def is_dropped(connection: socket.socket) -> bool:
    """Say whether the pump ended the connection, whatever it sent before."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    finally:
        connection.close()
    return True


def test_garbage_of_every_kind_ends_the_connection_and_nothing_else(lab) -> None:
    attempt = lab.shell("sleep 60", stdin=Stdin.OPEN)
    pump = attempt.pump()
    rng = random.Random(7)
    wrong = keeper.frame_json(keeper.HELLO, {"proto": 1, "nonce_hash": "f" * 64, "role": "control"})
    for data in (
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 0),
        struct.pack(">I", 1 << 30) + b"x",
        wrong,
        keeper.frame(keeper.HELLO, b"\xff\xfe"),
        keeper.frame(keeper.HELLO, b"[1, 2]"),
        keeper.frame(keeper.STDIN, b"before hello"),
        keeper.frame(keeper.CANCEL),
        greeting(attempt) + struct.pack(">I", 65538) + b"\x02",
        b"\xff" * 100 + rng.randbytes(5000),
    ):
        connection = raw(attempt)
        connection.sendall(data)
        assert is_dropped(connection), data[:40]
    assert attempt.pump() == pump
    assert attempt.probe().conditions == ()
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_half_a_frame_is_waited_for_and_unknown_frames_are_ignored(lab) -> None:
    attempt = lab.shell("sleep 60")
    connection = raw(attempt)
    data = (
        greeting(attempt) + keeper.frame(200, b"from the future") + keeper.frame(keeper.SIGNAL, b'{"signal": "KILL"}')
    )
    data += keeper.frame(keeper.RESIZE, b'{"cols": "wide"}') + keeper.frame(keeper.PING, b"there?")
    for byte in data:
        connection.sendall(bytes([byte]))
    frames = keeper.Frames()
    kinds = []
    while keeper.PONG not in kinds:
        kinds += [kind for kind, _ in frames.feed(connection.recv(4096))]
    assert kinds == [keeper.HELLO, keeper.PONG]
    connection.close()
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_client_that_reads_nothing_is_dropped_and_delays_no_other(lab) -> None:
    attempt = lab.shell("sleep 60")
    deaf = raw(attempt)
    deaf.sendall(greeting(attempt))
    deaf.settimeout(0.5)
    ping = keeper.frame(keeper.PING, b"x" * 60000)
    with pytest.raises(OSError, match=r".*"):
        for _ in range(200):
            deaf.sendall(ping)
    started = time.monotonic()
    assert attempt.probe().conditions == ()
    assert time.monotonic() - started < 1.0
    deaf.close()
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_viewer_that_reads_nothing_does_not_slow_a_flood(lab) -> None:
    attempt = lab.start("sh", "-c", "read x; head -c 8000000 /dev/zero | tr '\\0' x; exit 3", pty=True)
    viewer = raw(attempt)
    viewer.sendall(greeting(attempt, role="viewer", cols=80, rows=24))
    attempt.runtime.write(attempt.handle, b"\n")
    assert attempt.wait(60).exit.code == 3
    assert len(attempt.out().lstrip(b"\r\n")) == 8_000_000
    viewer.close()


def test_clients_that_come_and_go_leave_no_descriptor_in_the_pump(lab) -> None:
    attempt = lab.shell("sleep 60")
    before = len(os.listdir(f"/proc/{attempt.pump()}/fd"))
    for _ in range(100):
        connection = raw(attempt)
        connection.sendall(greeting(attempt))
        connection.close()
    # A few may come and go by themselves; a leak would leave a hundred.
    lab.eventually(lambda: len(os.listdir(f"/proc/{attempt.pump()}/fd")) < before + 10, "descriptors closed")
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_an_idle_pair_does_not_wake_up(lab) -> None:
    attempt = lab.shell("sleep 60")
    pids = (attempt.guard(), attempt.pump())

    def switches() -> list[str]:
        lines = [Path(f"/proc/{pid}/status").read_text().splitlines() for pid in pids]
        return [line for each in lines for line in each if line.startswith("voluntary_ctxt")]

    before = lab.eventually(lambda: s if (s := switches()) == (time.sleep(0.2), switches())[1] else None, "rest")
    time.sleep(1.0)  # there is no event for "nothing happened"
    assert switches() == before
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_watch_is_readable_at_the_end_and_over_when_the_pump_dies(lab) -> None:
    attempt = lab.shell("sleep 60")
    watch = attempt.runtime.watch(attempt.handle)
    assert watch.drain() is True
    lab.kill(attempt.pump())
    keeper.wait_readable(watch.fileno(), 10)
    assert watch.drain() is False
    watch.close()
    watch = attempt.runtime.watch(attempt.handle)
    assert watch is not None
    attempt.runtime.stop(attempt.handle, KILL_NOW)
    keeper.wait_readable(watch.fileno(), 10)
    assert watch.drain() is False
    watch.close()
    assert attempt.runtime.watch(attempt.handle) is None


def test_a_watch_tells_that_the_keeper_died(lab) -> None:
    attempt = lab.shell("sleep 60")
    watch = attempt.runtime.watch(attempt.handle)
    lab.kill(attempt.guard())
    assert keeper.wait_readable(watch.fileno(), 10)
    assert watch.drain() is True
    assert "orphaned" in attempt.probe().conditions
    watch.close()
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def respawn(lab, body: str = "") -> tuple[Respawn, Path, Path]:
    """Return a stand-in for a supervisor: it notes its start, takes the lock, and stays until it is told to go."""
    lock, started = lab.root / "supervisor.lock", lab.root / "started"
    lock.touch()
    code = (
        "import fcntl, os, sys\n"
        f"open({str(started)!r}, 'a').write(str(os.getpid()) + '\\n')\n{body}\n"
        f"fd = open({str(lock)!r}, 'a'); fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        f"import time\nwhile not os.path.exists({str(lab.root / 'go')!r}): time.sleep(0.02)"
    )
    return (
        Respawn(argv=(sys.executable, "-S", "-c", code), env={"PATH": os.environ["PATH"]}, lock=str(lock)),
        lock,
        started,
    )


def die_as_supervisor(lab, attempt) -> None:
    """Watch the attempt from a process that is then killed."""
    pid = os.fork()
    if pid == 0:
        try:
            watch = attempt.runtime.watch(attempt.handle)
            assert watch is not None
            (lab.root / f"watching{attempt.key.attempt}").touch()
            signal.pause()
        finally:
            os._exit(1)
    lab.eventually((lab.root / f"watching{attempt.key.attempt}").exists, "the watch")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_supervisor_that_died_is_started_again_once_outside_of_the_attempts_tree(lab) -> None:
    wanted, _, started = respawn(lab)
    attempts = [lab.shell("sleep 60", respawn=wanted) for _ in range(3)]
    for attempt in attempts:
        die_as_supervisor(lab, attempt)
    lab.eventually(started.exists, "a supervisor")
    lab.eventually(lambda: keeper.is_locked(None, wanted.lock), "its lock")
    for attempt in attempts:
        attempt.runtime.stop(attempt.handle, KILL_NOW)
    pids = started.read_text().split()
    assert len(pids) == 1
    process = keeper.SYSTEM.process(int(pids[0]))
    assert process is not None
    assert process.state != "Z"  # the attempts' ends did not take it along
    (lab.root / "go").touch()
    lab.eventually(lambda: (p := keeper.SYSTEM.process(int(pids[0]))) is None or p.state == "Z", "its end")


def test_a_supervisor_that_said_good_bye_is_not_started_again(lab) -> None:
    wanted, _, started = respawn(lab)
    attempt = lab.shell("sleep 60", respawn=wanted)
    attempt.runtime.watch(attempt.handle).close()
    time.sleep(1.6)  # longer than the pump's random wait
    assert not started.exists()
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_while_a_supervisor_lives_none_is_started(lab) -> None:
    import fcntl

    wanted, lock, started = respawn(lab)
    with open(lock, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        attempt = lab.shell("sleep 60", respawn=wanted)
        die_as_supervisor(lab, attempt)
        time.sleep(1.6)
        assert not started.exists()
        attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_second_guard_starts_the_supervisor_too(lab) -> None:
    wanted, _, started = respawn(lab)
    attempt = lab.shell("sleep 60", respawn=wanted)
    lab.kill(attempt.guard())
    lab.eventually(lambda: attempt.record("shim.json").get("origin") == "pump", "a new guard")
    die_as_supervisor(lab, attempt)
    lab.eventually(started.exists, "a supervisor")
    attempt.runtime.stop(attempt.handle, KILL_NOW)
    (lab.root / "go").touch()


def test_a_connection_is_refused_plainly_where_there_is_none(lab) -> None:
    attempt = lab.prepare()
    with AttemptFiles(str(attempt.directory)) as files, pytest.raises(NotReached, match="no socket"):
        Connection(files, attempt.key.nonce, "probe")
    attempt = lab.shell("true")
    assert attempt.wait().state is ProbeState.EXITED
    with AttemptFiles(str(attempt.directory)) as files, pytest.raises(NotReached):
        Connection(files, attempt.key.nonce, "probe")
