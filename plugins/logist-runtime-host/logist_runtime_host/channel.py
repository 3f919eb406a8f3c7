"""`HostChannel`: a viewer's view of an attempt. It reads the logs itself; only typing goes through the pump.

Invariant: nothing that a viewer does or fails to do is felt by the attempt. The pump keeps no output for viewers: one
that is slow finds itself behind in a file, skips what it can't show any more, and draws the screen anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import threading
import time

from logist_core.api import AttachEvent, LogistError, Unsupported
from logist_runtime_host import keeper, screen
from logist_runtime_host.client import Connection, NotReached
from logist_runtime_host.files import AttemptFiles

#: Read at most so much of a log at once, bytes: `receive` must come back soon.
READ_BYTES = 128 * 1024
#: Further behind than this, bytes, a viewer is shown the screen as it is now instead of what it missed.
LAG_BYTES = 1 << 20
#: How much of the log is looked through for terminal modes that were set long ago, bytes, at its begin and its end.
MODE_BYTES = (64 * 1024, 4 << 20)

_IN_MODIFY = 0x2
_FALLBACK_PERIOD_S = 0.05


class Tail:
    """Reads a growing log from an offset on."""

    def __init__(self, files: AttemptFiles, name: str) -> None:
        self._files, self._holes = files, f"{name}.holes"
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        self.fd = os.open(name, flags, dir_fd=files.dir_fd)
        self.offset = 0

    def size(self) -> int:
        """Return the log's size now."""
        return os.fstat(self.fd).st_size

    def read(self, limit: int) -> bytes:
        """Return what is new, at most `limit` bytes; behind a hole where the offset lies in one."""
        while True:
            data = os.pread(self.fd, limit, self.offset)
            start, end = self._hole()
            if start <= self.offset < end and data:
                self.offset = end
                continue
            if self.offset < start < self.offset + len(data):
                data = data[: start - self.offset]
            self.offset += len(data)
            return data

    def part(self, begin: int, end: int) -> bytes:
        """Return the bytes from `begin` to `end` as far as they are still there, without moving."""
        data = os.pread(self.fd, max(0, end - begin), begin)
        hole = [min(max(edge - begin, 0), len(data)) for edge in self._hole()]
        return data[: hole[0]] + data[hole[1] :]

    def _hole(self) -> tuple[int, int]:
        """Return (start, end) of what was dropped. To be asked after a read: the record is there before the hole."""
        record = self._files.read(self._holes) or {}
        start, end = record.get("start"), record.get("end")
        if not isinstance(start, int) or not isinstance(end, int) or not start < end <= self.size():
            return 0, 0
        return start, end


class Changes:
    """A descriptor that becomes readable when one of the logs grew."""

    def __init__(self, paths: list[str]) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.fd = self._notify(paths)
        if self.fd < 0:  # too many instances, or not Linux: look again and again, for as long as somebody looks on
            self.fd, write = os.pipe()
            os.set_blocking(self.fd, False)
            os.set_blocking(write, False)
            self._thread = threading.Thread(target=self._watch, args=(paths, write), daemon=True)
            self._thread.start()

    @staticmethod
    def _notify(paths: list[str]) -> int:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        except AttributeError:
            return -1
        for path in paths:
            if fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(path), _IN_MODIFY) < 0:
                os.close(fd)
                fd = -1
        return fd

    def _watch(self, paths: list[str], write: int) -> None:
        sizes = [-1 for _ in paths]
        while not self._stop.wait(_FALLBACK_PERIOD_S):
            with contextlib.suppress(OSError):
                now = [os.stat(path).st_size for path in paths]
                if now != sizes:
                    sizes = now
                    os.write(write, b".")
        os.close(write)

    def drain(self) -> None:
        """Forget what was told."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fd, 65536):
                pass

    def close(self) -> None:
        """Watch no longer."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        os.close(self.fd)


class HostChannel:
    """See `logist_core.api.AttachChannel`."""

    def __init__(self, directory: str, nonce: str, *, cols: int, rows: int, read_only: bool) -> None:
        """Attach.

        Raises:
            LogistError: There is no such attempt, or it runs and nothing of it answers.
        """
        self._read_only = read_only
        self._size = (cols, rows)
        try:
            self._files = AttemptFiles(directory)
        except OSError as error:
            raise LogistError(f"{directory}: {error.strerror}") from error
        self._connection: Connection | None = None
        self._tails: list[Tail] = []
        self._changes: Changes | None = None
        self._more_read, self._more_write = os.pipe()
        self._over = self._closed = False
        self._fresh = True
        self._holds_lease = False
        try:
            launch = self._files.launch(nonce)
            if launch is None:
                raise LogistError(f"{directory} holds no attempt with this handle's nonce")
            self._pty = bool(launch.get("pty"))
            self._connect(nonce, directory)
            names = ["out.log"] if self._pty else ["out.log", "err.log"]
            self._tails = [Tail(self._files, name) for name in names]
            self._changes = Changes([os.path.join(directory, name) for name in names])
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise LogistError(f"{directory}: {error.strerror}") from error
            raise
        self._poll = select.epoll() if hasattr(select, "epoll") else _Kqueue()
        for fd in (self._changes.fd, self._more_read, *([self._connection.fileno()] if self._connection else [])):
            self._poll.register(fd, 1)  # EPOLLIN
        self._nudge()

    def _connect(self, nonce: str, directory: str) -> None:
        cols, rows = self._size
        deadline = time.monotonic() + 2.0
        while self._files.read("done.json") is None:
            try:
                self._connection = Connection(
                    self._files, nonce, "viewer", cols=cols, rows=rows, read_only=self._read_only
                )
                return
            except NotReached as error:
                if time.monotonic() > deadline:
                    raise LogistError(
                        f"{directory}: its pump doesn't answer ({error})", hint="logist recover"
                    ) from error
                time.sleep(0.02)

    def _nudge(self) -> None:
        """Make ourselves readable: there is more to receive than what we were told of."""
        os.write(self._more_write, b".")

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is something to receive."""
        return self._poll.fileno()

    def receive(self) -> list[AttachEvent]:
        """Return what has come since the last call."""
        if self._over or self._closed or self._changes is None:
            return []
        if select.select([self._more_read], [], [], 0)[0]:
            os.read(self._more_read, 4096)
        self._changes.drain()
        events: list[AttachEvent] = []
        ended = self._hear(events)
        if self._fresh:
            self._fresh = False
            events.insert(0, AttachEvent(kind="screen", data=self._screen()))
            if self._can_type() and self._pty:
                self._redraw()
        more = self._read(events)
        if ended is not None:
            if more:  # everything first, the end last
                self._pending_end = ended
                self._nudge()
            else:
                events.append(ended)
                self._over = True
        elif more:
            self._nudge()
        return events

    _pending_end: AttachEvent | None = None

    def _hear(self, events: list[AttachEvent]) -> AttachEvent | None:
        """Take the pump's frames; return the event of the end, if it has come."""
        if self._pending_end is not None:
            return self._pending_end
        if self._connection is None:
            return AttachEvent(kind="exit", exit=self._files.exit_status())
        for kind, payload in self._connection.received():
            if kind == keeper.LEASE:
                self._holds_lease = bool(keeper.json_object(payload).get("writable"))
                events.append(AttachEvent(kind="lease", writable=self._holds_lease))
            elif kind == keeper.EXIT:
                return AttachEvent(kind="exit", exit=self._files.exit_status())
        if not self._connection.ended:
            return None
        if self._files.read("done.json") is not None:
            return AttachEvent(kind="exit", exit=self._files.exit_status())
        return AttachEvent(kind="closed")

    def _read(self, events: list[AttachEvent]) -> bool:
        """Read the logs on; say whether there is more."""
        for tail in self._tails:
            if self._pty and tail.size() - tail.offset > LAG_BYTES:
                events.append(AttachEvent(kind="lagged"))
                events.append(AttachEvent(kind="screen", data=self._screen()))
                continue
            at = tail.offset
            data = tail.read(READ_BYTES)
            if tail.offset - len(data) > at and not self._pty:
                text = f"\r\n[... {tail.offset - len(data) - at} bytes dropped by --max-log-bytes ...]\r\n"
                events.append(AttachEvent(kind="output", data=text.encode()))
            if data:
                events.append(AttachEvent(kind="output", data=data if self._pty else screen.plain(data)))
        return any(tail.offset < tail.size() for tail in self._tails)

    def _screen(self) -> bytes:
        """Return what draws the present screen, and put the tails behind it."""
        if not self._pty:
            for tail in self._tails:
                tail.offset = max(0, tail.size() - READ_BYTES)
            return b""
        tail = self._tails[0]
        end = tail.size()
        start = max(0, end - screen.REPLAY_BYTES)
        head, late = MODE_BYTES
        earlier = tail.part(0, min(head, start))
        if start > head:
            begin = max(head, start - late)
            earlier += tail.part(begin, start)
        data = tail.part(start, end)
        tail.offset = end
        return screen.restore(data, cut=start > 0, earlier=earlier)

    def _can_type(self) -> bool:
        return not self._read_only and self._connection is not None and bool(self._connection.status.get("input"))

    def _redraw(self) -> None:
        """Have a full-screen program draw itself for the viewer's size, though it may be the size it has."""
        if self._connection is not None:
            cols, rows = self._size
            with contextlib.suppress(OSError):
                self._connection.send_json(keeper.RESIZE, {"cols": cols, "rows": rows, "redraw": self._alternate()})

    def _alternate(self) -> bool:
        tail = self._tails[0]
        end = tail.size()
        return screen.modes(tail.part(max(0, end - MODE_BYTES[1]), end)).get(b"1049", False)

    def send(self, data: bytes) -> None:
        """Type `data`; the first who types gets the lease. A terminal's own answers take it from nobody.

        Raises:
            Unsupported: This viewer is read-only, or the attempt has no input.
            LogistError: The connection is over.
        """
        if self._read_only:
            raise Unsupported("this viewer is read-only")
        if self._connection is None or self._over:
            raise LogistError("the attempt has ended")
        if not self._can_type():
            raise Unsupported("this attempt has no input", hint="start it with a terminal")
        if not self._holds_lease and screen.is_answer(data):
            return
        try:
            for offset in range(0, len(data), keeper.MAX_FRAME):
                self._connection.send(keeper.STDIN, data[offset : offset + keeper.MAX_FRAME])
        except OSError as error:
            raise LogistError(f"the attempt's pump went away: {error.strerror}") from error

    def resize(self, cols: int, rows: int) -> None:
        """Say the viewer's size."""
        self._size = (cols, rows)
        if self._connection is not None and not self._read_only:
            with contextlib.suppress(OSError):
                self._connection.send_json(keeper.RESIZE, {"cols": cols, "rows": rows})

    def close(self) -> None:
        """Detach."""
        if self._closed:
            return
        self._closed = True
        if self._connection is not None:
            self._connection.close()
        if self._changes is not None:
            self._changes.close()
        if hasattr(self, "_poll"):
            self._poll.close()
        for tail in self._tails:
            os.close(tail.fd)
        os.close(self._more_read)
        os.close(self._more_write)
        os.close(self._files.dir_fd)


class _Kqueue:  # pragma: no cover - macOS, untested
    """The two methods of `select.epoll` that we use, by kqueue."""

    def __init__(self) -> None:
        self._queue = select.kqueue()  # type: ignore[attr-defined]

    def register(self, fd: int, events: int) -> None:
        event = select.kevent(fd, select.KQ_FILTER_READ, select.KQ_EV_ADD)  # type: ignore[attr-defined]
        self._queue.control([event], 0)

    def fileno(self) -> int:
        return int(self._queue.fileno())

    def close(self) -> None:
        self._queue.close()
