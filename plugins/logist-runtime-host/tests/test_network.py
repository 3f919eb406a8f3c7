"""What is told of a tree's connections and descriptors, of real processes with real sockets."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from logist_runtime_host.network import Descriptors, Meter, Table

from logist_core.api import KILL_NOW, Stdin

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")

#: Sends and receives so many bytes for each line of its input, on a connection of its own; `close` closes it.
CLIENT = """
import socket, sys
kept = []
for line in sys.stdin:
    if line.strip() == "close":
        kept.pop().close()
    elif line.strip() == "quic":
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.connect(("127.0.0.1", 443)); kept.append(udp)
    elif line.strip() == "listen":
        sys.stdout.write("silent\\n"); sys.stdout.flush(); kept[-1].recv(1)
    else:
        size = int(line)
        connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        connection.sendall(size.to_bytes(4, "big") + bytes(size))
        left = size
        while left:
            left -= len(connection.recv(left))
        kept.append(connection)
    print("done", line.strip(), flush=True)
"""


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that gives back what it gets; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while header := file.read(4):
                connection.sendall(file.read(int.from_bytes(header, "big")))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


class Talker:
    """An attempt that does on its sockets what it is told to."""

    def __init__(self, lab, port: int, *before: str) -> None:
        self.attempt = lab.start(*before, sys.executable, "-c", CLIENT, str(port), stdin=Stdin.OPEN)

    def tell(self, word: str) -> None:
        count = self.attempt.out().count(b"done ")
        self.attempt.runtime.write(self.attempt.handle, word.encode() + b"\n")
        self.attempt.lab.eventually(
            lambda: self.attempt.out().count(b"done ") > count or b"silent" in self.attempt.out(), word
        )

    def stats(self):
        return self.attempt.runtime.stats(self.attempt.handle)

    def net_bytes(self) -> int | None:
        return self.stats().net_bytes

    def end(self) -> None:
        self.attempt.runtime.stop(self.attempt.handle, KILL_NOW)


@pytest.fixture
def talker(lab, echo: int) -> Iterator[Talker]:
    talker = Talker(lab, echo)
    yield talker
    talker.end()


def test_what_a_connection_carries_is_counted_both_ways(lab, talker: Talker) -> None:
    assert talker.net_bytes() == 0
    talker.tell("100000")
    lab.eventually(lambda: talker.net_bytes() >= 200_004, "all of it acknowledged")
    assert talker.net_bytes() < 200_100


def test_the_sum_does_not_fall_when_a_connection_is_closed_and_goes_on_with_the_next(lab, talker: Talker) -> None:
    talker.tell("5000")
    lab.eventually(lambda: talker.net_bytes() >= 10_004, "the first connection's bytes")
    counted = talker.net_bytes()
    talker.tell("close")
    lab.eventually(lambda: not Descriptors([talker.attempt.pid]).sockets, "it is closed")
    assert talker.net_bytes() == counted
    talker.tell("300")
    lab.eventually(lambda: talker.net_bytes() >= counted + 604, "the second connection's bytes")


def test_a_connection_that_carries_nothing_keeps_its_number_and_is_named(lab, talker: Talker) -> None:
    talker.tell("10")
    talker.tell("listen")
    lab.eventually(lambda: talker.stats().blocked_on == "network", "that it waits for the network")
    assert talker.net_bytes() == talker.net_bytes() > 0


def test_of_quic_there_is_no_number_rather_than_a_wrong_one(lab, talker: Talker) -> None:
    talker.tell("10")
    talker.tell("quic")
    lab.eventually(lambda: talker.net_bytes() is None, "that nothing is known")
    talker.tell("close")
    lab.eventually(lambda: talker.net_bytes() is not None, "that it is known again")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may make a network namespace")
def test_of_another_network_namespace_there_is_no_number(lab, echo: int) -> None:
    talker = Talker(lab, echo, "unshare", "--net")
    lab.eventually(lambda: talker.net_bytes() is None, "that nothing is known")
    assert talker.stats().fds > 0
    talker.end()


def test_descriptors_of_the_whole_tree_are_counted(lab) -> None:
    attempt = lab.shell("exec 7</dev/null 8</dev/null; sleep 60 & sleep 60")
    lab.eventually(lambda: (v := attempt.runtime.stats(attempt.handle)) and v.processes == 3, "the tree")
    assert attempt.runtime.stats(attempt.handle).fds >= 3 * 5
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_process_that_ended_meanwhile_has_no_descriptors() -> None:
    assert (Descriptors([2**22 + 1]).count, Descriptors([2**22 + 1]).sockets) == (0, set())


def test_a_meter_forgets_what_it_is_told_to_and_does_not_grow_without_limit(
    echo: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter()
    connection = socket.create_connection(("127.0.0.1", echo))
    connection.sendall(b"\0\0\0\1x")
    connection.recv(1)
    sockets = {os.fstat(connection.fileno()).st_ino}
    assert meter.read("a", [os.getpid()], sockets) >= 5
    connection.close()
    assert meter.read("a", [os.getpid()], set()) >= 5
    meter.forget("a")
    assert meter.read("a", [os.getpid()], set()) == 0
    monkeypatch.setattr("logist_runtime_host.network._MAX_ATTEMPTS", 3)
    for nonce in "bcdef":
        meter.read(nonce, [], set())
    assert len(meter._attempts) == 3


def test_where_the_kernel_tells_nothing_there_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Table) -> None:
        raise OSError("no")

    monkeypatch.setattr(Table, "__init__", refuse)
    assert Meter().read("a", [os.getpid()], {1}) is None
    assert Meter().read("a", [os.getpid()], None) is None
