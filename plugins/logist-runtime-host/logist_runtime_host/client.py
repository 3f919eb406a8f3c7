"""Talks to an attempt's pump over its socket. Nothing here can hurt an attempt, or wait for one without a limit."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from logist_runtime_host import keeper
from logist_runtime_host.files import AttemptFiles
from logist_runtime_host.places import nonce_hash


class NotReached(Exception):
    """No pump answered as the pump of this attempt."""


class Connection:
    """A connection that has exchanged HELLOs; `status` is what the pump said of itself then."""

    def __init__(self, files: AttemptFiles, nonce: str, role: str, *, timeout_s: float = 1.0, **hello: Any) -> None:
        """Connect.

        Raises:
            NotReached: There is no socket, nobody listens, or what listens doesn't answer in `timeout_s` seconds.
        """
        record = files.read("shim.json") or files.read("launch.json") or {}
        path = record.get("socket")
        if not isinstance(path, str) or not path:
            raise NotReached("no socket is recorded")
        self._frames = keeper.Frames()
        self._queue: list[tuple[int, bytes]] = []
        self.ended = False
        try:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            raise NotReached(f"{path}: {error.strerror}") from error
        try:
            # Blocking, with the kernel's own limit for sends: Python's time-outs would make MSG_DONTWAIT wait.
            limit = struct.pack("@ll", int(timeout_s), int(timeout_s % 1 * 1e6))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self.socket.connect(path)
            greeting = {"proto": keeper.PROTO, "nonce_hash": nonce_hash(nonce), "role": role, **hello}
            self.socket.sendall(keeper.frame_json(keeper.HELLO, greeting))
            answer = self.expect(keeper.HELLO, timeout_s)
            if answer is None or answer.get("nonce_hash") != nonce_hash(nonce):
                raise NotReached(f"{path}: no answer")
        except (OSError, ValueError) as error:
            self.socket.close()
            raise NotReached(f"{path}: {error}") from error
        except NotReached:
            self.socket.close()
            raise
        self.status: Mapping[str, Any] = answer

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self.socket.fileno()

    def send(self, kind: int, payload: bytes = b"") -> None:
        """Send a frame.

        Raises:
            OSError: The pump is gone, or reads nothing.
        """
        self.socket.sendall(keeper.frame(kind, payload))

    def send_json(self, kind: int, value: Mapping[str, Any]) -> None:
        """Send a frame with a JSON payload; raises as `send`."""
        self.socket.sendall(keeper.frame_json(kind, dict(value)))

    def received(self) -> list[tuple[int, bytes]]:
        """Return the frames that have come, without waiting; sets `ended` at the end of the connection."""
        while not self.ended:
            try:
                data = self.socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.ended = True
                break
            try:
                self._queue += self._frames.feed(data)
            except keeper.FrameError:
                self.ended = True
        queue, self._queue = self._queue, []
        return queue

    def expect(self, kind: int, timeout_s: float) -> dict[str, Any] | None:
        """Wait for a frame of this kind (an ERROR as well) and return its JSON; None if it didn't come in time.

        Frames that came before it are lost; those after it are kept.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            frames = self.received()
            for index, (found, payload) in enumerate(frames):
                if found in (kind, keeper.ERROR):
                    self._queue = frames[index + 1 :] + self._queue
                    return {**keeper.json_object(payload), "frame": found}
            left = deadline - time.monotonic()
            if self.ended or left <= 0:
                return None
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            poll.poll(int(left * 1000) + 1)

    def close(self, *, bye: bool = True) -> None:
        """Say good-bye and close: the pump then knows that we didn't die."""
        if bye:
            with contextlib.suppress(OSError):
                self.socket.send(keeper.frame(keeper.BYE), socket.MSG_DONTWAIT)
        self.socket.close()


class HostWatch:
    """A supervisor's connection to the pump: readable when the attempt ended, or its guard or pump died.

    Closing it is a good-bye. A supervisor that dies without one is started again by the pump.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._connection.fileno()

    def drain(self) -> bool:
        """Take in what came; False when the attempt ended or the pump is gone."""
        kinds = [kind for kind, _ in self._connection.received()]
        return keeper.EXIT not in kinds and not self._connection.ended

    def close(self) -> None:
        """End the watch."""
        self._connection.close()
