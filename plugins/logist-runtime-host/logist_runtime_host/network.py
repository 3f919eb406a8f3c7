"""Counts the bytes of a tree's TCP connections, as the kernel counts them for each socket (`ss -ti`). Reads only.

Invariant: a number is whole or it is None. Unknown is: a process whose descriptors we may not read, a network namespace
that isn't ours, a connected UDP socket (QUIC), for which the kernel counts nothing. While one `Meter` looks, a number
never falls: what a closed socket had counted stays in the sum.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_DONE, _ERROR = 3, 2
_INFO = 2  # INET_DIAG_INFO: struct tcp_info
_BYTES_AT = 120  # of bytes_acked and bytes_received in it; Linux 4.1
#: States of connections: not of listeners (10), nor of what only waits to be forgotten (6, 7).
_ALIVE = sum(1 << state for state in (1, 2, 3, 4, 5, 8, 9, 11))
_DNS = 53

#: A table of all sockets serves everybody for so long: a thousand jobs don't read it a thousand times.
_TABLE_AGE_S = 1.0
#: More descriptors than this aren't looked through.
MAX_DESCRIPTORS = 4096
_MAX_ATTEMPTS = 4096


class Table:
    """The connections of our network namespace: inode of the socket -> (the kernel's cookie for it, bytes so far)."""

    def __init__(self) -> None:
        """Ask the kernel; raises OSError where it doesn't tell."""
        self.at_s = time.monotonic()
        self.tcp: dict[int, tuple[int, int]] = {}
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 4) as link:  # NETLINK_SOCK_DIAG
            link.settimeout(1.0)
            for family in (socket.AF_INET, socket.AF_INET6):
                for message in _dump(link, family):
                    inode, cookie, counted = struct.unpack_from("=I", message, 68)[0], message[44:52], _bytes(message)
                    if inode and counted is not None:
                        self.tcp[inode] = (int.from_bytes(cookie, "little"), counted)
        self.uncounted = {inode for name in ("udp", "udp6") for inode in _connected(name)}


def _connected(name: str) -> Iterable[int]:
    """Yield the inodes of connected UDP sockets, but for those that ask for names."""
    with contextlib.suppress(FileNotFoundError), open(f"/proc/thread-self/net/{name}", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            port = int(fields[2].rpartition(":")[2], 16)
            if port not in (0, _DNS):
                yield int(fields[9])


def _dump(link: socket.socket, family: int) -> Iterable[bytes]:
    request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 1 << (_INFO - 1), _ALIVE)
    link.send(struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + request)
    while True:
        data = link.recv(1 << 16)
        at = 0
        while at + 16 <= len(data):
            size, kind = struct.unpack_from("=IH", data, at)
            if kind == _DONE:
                return
            if kind == _ERROR or size < 16:
                raise OSError(-struct.unpack_from("=i", data, at + 16)[0], "the kernel tells nothing of sockets")
            if size >= 16 + 72:
                yield data[at + 16 : at + size]
            at += (size + 3) & ~3


def _bytes(message: bytes) -> int | None:
    at = 72
    while at + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        if kind == _INFO and size >= 4 + _BYTES_AT + 16:
            acked, received = struct.unpack_from("=QQ", message, at + 4 + _BYTES_AT)
            return int(acked + received)
        if size < 4:
            break
        at += (size + 3) & ~3
    return None


class Descriptors:
    """The descriptors of a tree: how many there are (None: not all may be seen), and the sockets among them."""

    def __init__(self, pids: Iterable[int]) -> None:
        """Look at every process; one that ends meanwhile has none."""
        self.count: int | None = 0
        self.sockets: set[int] | None = set()
        for pid in pids:
            try:
                names = os.listdir(f"/proc/{pid}/fd")
            except (FileNotFoundError, ProcessLookupError):
                continue
            except OSError:
                self.count = self.sockets = None
                return
            self.count += len(names)
            if self.sockets is None or self.count > MAX_DESCRIPTORS:
                self.sockets = None
                continue
            for name in names:
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{name}")
                    if target.startswith("socket:["):
                        self.sockets.add(int(target[8:-1]))


class Meter:
    """Remembers, for each attempt, what its sockets have counted. Safe to be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: Table | None = None
        self._attempts: OrderedDict[str, tuple[int, dict[int, int]]] = OrderedDict()

    def read(self, nonce: str, pids: Iterable[int], sockets: set[int] | None) -> int | None:
        """Return the bytes of the attempt's connections, acknowledged and received; None: not known.

        Args:
            nonce: The attempt's.
            pids: Its processes.
            sockets: The inodes of their sockets, of `Descriptors`.
        """
        if sockets is None or not all(map(_is_in_our_network, pids)):
            return None
        with self._lock:
            try:
                table = self._fresh_table() if sockets else None
            except OSError:
                return None
            if table is not None and sockets & table.uncounted:
                return None
            now = dict(table.tcp[inode] for inode in sockets if inode in table.tcp) if table is not None else {}
            past, open_before = self._attempts.pop(nonce, (0, {}))
            past += sum(counted for cookie, counted in open_before.items() if cookie not in now)
            self._attempts[nonce] = (past, now)
            if len(self._attempts) > _MAX_ATTEMPTS:
                self._attempts.popitem(last=False)
            return past + sum(now.values())

    def forget(self, nonce: str) -> None:
        """Drop what is remembered of an attempt."""
        with self._lock:
            self._attempts.pop(nonce, None)

    def _fresh_table(self) -> Table:
        if self._table is None or time.monotonic() - self._table.at_s > _TABLE_AGE_S:
            self._table = Table()
        return self._table


def _is_in_our_network(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/thread-self/ns/net")
    except (FileNotFoundError, ProcessLookupError):
        return True  # it ended
    except OSError:
        return False
