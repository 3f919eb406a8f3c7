"""Drives a user's terminal against an attempt's `AttachChannel`. Invariant: the terminal is given back as it was.

Whatever ends the attachment (the detach keys, the attempt's exit, a signal, an exception), the terminal's settings
are restored, and every mode that the attempt's output switched on is switched off: alternate screen, mouse,
bracketed paste, focus reports, application keys, a hidden cursor.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from logist_core.errors import LogistError, Unsupported
from logist_core.protocols import AttachChannel
from logist_core.types.launch import ExitStatus

#: What the CLI says on entry.
DETACH_HELP = "detach with Ctrl-Q or Ctrl-B d"

#: How long to look for the attempt again after its channel was closed, seconds.
RECONNECT_S = 10.0

_READ_BYTES = 65536
_CTRL_Q = b"\x11"
_CTRL_B = b"\x02"
# Keyboards that report modifiers (CSI u, modifyOtherKeys) send these for Ctrl-Q and Ctrl-B.
_ENCODED = re.compile(rb"\x1b\[(113|98);5(?::[12])?u|\x1b\[27;5;(113|98)~")
_PASTE_BEGIN = b"\x1b[200~"
_PASTE_END = b"\x1b[201~"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachEnd:
    """How an attachment ended.

    Attributes:
        reason: `detached` (the keys, or the terminal went away), `exited` (the attempt ended), `lost` (the channel
            closed and could not be opened again; the attempt may go on).
        exit: How the attempt ended, where it did and it is known.
        detail: One line for `lost`.
    """

    reason: str
    exit: ExitStatus | None = None
    detail: str = ""


class DetachKeys:
    """Finds the detach keys in what is typed; what is pasted is never a key."""

    def __init__(self) -> None:
        self._prefix = False
        self._pasting = False

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what is to be sent on, and whether the keys came; what follows the keys is dropped."""
        out = bytearray()
        at = 0
        while at < len(data):
            if self._pasting:
                end = data.find(_PASTE_END, at)
                stop = len(data) if end < 0 else end + len(_PASTE_END)
                self._pasting = end < 0
                out += data[at:stop]
                at = stop
                continue
            key, size = self._key(data, at)
            at += size
            if key == _CTRL_Q or (self._prefix and key == b"d"):
                return bytes(out), True
            if self._prefix:
                self._prefix = False
                # Ctrl-B twice types one; with any other key both go on.
                out += key if key == _CTRL_B else _CTRL_B + key
            elif key == _CTRL_B:
                self._prefix = True
            else:
                self._pasting = key == _PASTE_BEGIN
                out += key
        return bytes(out), False

    @staticmethod
    def _key(data: bytes, at: int) -> tuple[bytes, int]:
        """Return the key at an offset, encoded forms as the plain one, and how many bytes it takes."""
        if data[at] == 0x1B:
            match = _ENCODED.match(data, at)
            if match:
                return (_CTRL_Q if b"113" in match.groups() else _CTRL_B), match.end() - at
            if data.startswith(_PASTE_BEGIN, at):
                return _PASTE_BEGIN, len(_PASTE_BEGIN)
        return data[at : at + 1], 1


class ScreenModes:
    """Knows which modes the output has switched on, across the borders of pieces."""

    _MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])|\x1b([=>c])|\x1b\[([>=<])[\d;]*u")
    _ALTERNATE = frozenset({b"47", b"1047", b"1049"})

    def __init__(self) -> None:
        self._tail = b""
        self._on: set[bytes] = set()

    def feed(self, data: bytes) -> None:
        """Follow one piece of output."""
        data = self._tail + data
        end = 0
        for match in self._MODE.finditer(data):
            end = match.end()
            numbers, letter, single, keyboard = match.groups()
            if numbers:
                for number in numbers.split(b";"):
                    mode = b"1049" if number in self._ALTERNATE else number
                    (self._on.add if letter == b"h" else self._on.discard)(mode)
            elif keyboard:
                (self._on.discard if keyboard == b"<" else self._on.add)(b"keyboard")
            elif single == b"c":
                self._on.clear()
            else:
                (self._on.add if single == b"=" else self._on.discard)(b"keypad")
        self._tail = data[max(end, len(data) - 32) :]

    def undo(self) -> bytes:
        """Return what switches everything off that a shell doesn't expect."""
        parts = [
            b"\x1b[?%bl" % mode
            for mode in (b"1000", b"1002", b"1003", b"1005", b"1006", b"1015", b"1004", b"2004", b"1")
        ]
        parts.append(b"\x1b>")
        if b"keyboard" in self._on:
            parts.append(b"\x1b[<u\x1b[=0u")
        # Margins are reset between saving and restoring the cursor: resetting moves it.
        parts.append(b"\x1b7\x1b[r\x1b8")
        if b"1049" in self._on:
            parts.append(b"\x1b[?1049l")
        parts.append(b"\x1b[0m\x1b[?25h")
        return b"".join(parts)


def terminal_size(fd: int) -> tuple[int, int]:
    """Return (columns, rows) of a terminal; 80 x 24 for what is none."""
    try:
        size = os.get_terminal_size(fd)
    except OSError:
        return 80, 24
    return max(1, size.columns), max(1, size.lines)


def attach(
    open_channel: Callable[[int, int], AttachChannel],
    *,
    stdin_fd: int = 0,
    stdout_fd: int = 1,
    read_only: bool = False,
    reconnect_s: float = RECONNECT_S,
) -> AttachEnd:
    """Show the attempt on this terminal, and type into it, until it ends or the user detaches.

    Args:
        open_channel: Opens a channel for (columns, rows). Called again after a channel was closed; it raises
            `LogistError` while it can't, and that is waited for.
        stdin_fd: The terminal's input; needn't be a terminal.
        stdout_fd: The terminal's output.
        read_only: Nothing typed is sent; the detach keys still work.
        reconnect_s: How long to try to open a channel again, seconds.

    Raises:
        LogistError: The first channel could not be opened.
    """
    channel = open_channel(*terminal_size(stdout_fd))
    session = _Session(channel, open_channel, stdin_fd, stdout_fd, read_only, reconnect_s)
    with _raw(stdin_fd) as make_raw, _wakes() as wake:
        try:
            return session.run(wake, make_raw)
        finally:
            session.channel.close()
            with contextlib.suppress(OSError):
                _write(stdout_fd, session.modes.undo() + b"\r\n")


class _Session:
    """One attachment."""

    def __init__(
        self,
        channel: AttachChannel,
        open_channel: Callable[[int, int], AttachChannel],
        stdin_fd: int,
        stdout_fd: int,
        read_only: bool,
        reconnect_s: float,
    ) -> None:
        self.channel = channel
        self.open_channel = open_channel
        self.stdin_fd, self.stdout_fd = stdin_fd, stdout_fd
        self.read_only = read_only
        self.reconnect_s = reconnect_s
        self.keys = DetachKeys()
        self.modes = ScreenModes()

    def run(self, wake: int, make_raw: Callable[[], None]) -> AttachEnd:
        # What the terminal shows now scrolls away, it isn't erased.
        _write(self.stdout_fd, b"\r\n" * terminal_size(self.stdout_fd)[1])
        while True:
            poll = select.poll()
            for fd in (self.stdin_fd, self.channel.fileno(), wake):
                poll.register(fd, select.POLLIN)
            ready = {fd for fd, _ in poll.poll()}
            if wake in ready:
                numbers = os.read(wake, 4096)
                if {signal.SIGTERM, signal.SIGHUP} & set(numbers):
                    return AttachEnd(reason="detached")
                if signal.SIGCONT in numbers:
                    make_raw()
                self.channel.resize(*terminal_size(self.stdout_fd))
            if self.stdin_fd in ready and not self._typed():
                return AttachEnd(reason="detached")
            if self.channel.fileno() in ready:
                end = self._shown()
                if end is not None:
                    return end

    def _typed(self) -> bool:
        """Send on what was typed; False to detach."""
        try:
            data = os.read(self.stdin_fd, _READ_BYTES)
        except OSError:
            data = b""
        if not data:
            return False  # the terminal is gone
        data, detach = self.keys.feed(data)
        if data and not self.read_only:
            try:
                self.channel.send(data)
            except Unsupported:
                _write(self.stdout_fd, b"\a")
            except LogistError:
                pass  # the channel is about to say that it is closed
        return not detach

    def _shown(self) -> AttachEnd | None:
        """Show what came; return how it ended, if it did."""
        for event in self.channel.receive():
            if event.data:
                self.modes.feed(event.data)
                try:
                    _write(self.stdout_fd, event.data)
                except OSError:
                    return AttachEnd(reason="detached")
            if event.kind == "exit":
                return AttachEnd(reason="exited", exit=event.exit)
            if event.kind == "closed":
                return self._reconnect()
        return None

    def _reconnect(self) -> AttachEnd | None:
        """Open the channel again: the attempt may go on without the process that served us."""
        deadline = time.monotonic() + self.reconnect_s
        while True:
            poll = select.poll()
            poll.register(self.stdin_fd, select.POLLIN)
            if poll.poll(100) and not self._typed():
                return AttachEnd(reason="detached")
            try:
                channel = self.open_channel(*terminal_size(self.stdout_fd))
            except LogistError as error:
                if time.monotonic() >= deadline:
                    return AttachEnd(reason="lost", detail=error.message)
            else:
                self.channel.close()
                self.channel = channel
                return None


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[Callable[[], None]]:
    """Put a terminal into raw mode, and back; yield what does it again (after a stop and a SIGCONT)."""
    try:
        before = termios.tcgetattr(fd)
    except (termios.error, OSError):
        yield lambda: None
        return
    raw = termios.tcgetattr(fd)
    raw[0] &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
        | termios.ICRNL | termios.IXON
    )  # fmt: skip
    raw[1] &= ~termios.OPOST
    raw[2] = (raw[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    raw[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0

    def make_raw() -> None:
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(fd, termios.TCSANOW, raw)

    make_raw()
    try:
        yield make_raw
    finally:
        with contextlib.suppress(termios.error, OSError):
            termios.tcflush(fd, termios.TCIFLUSH)  # late answers to queries are no commands for the shell
            termios.tcsetattr(fd, termios.TCSANOW, before)


@contextlib.contextmanager
def _wakes() -> Iterator[int]:
    """Yield a descriptor from which the numbers of signals that concern a terminal can be read."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    numbers = (signal.SIGWINCH, signal.SIGCONT, signal.SIGTERM, signal.SIGHUP)
    old = {}
    old_fd = -1
    main = threading.current_thread() is threading.main_thread()
    try:
        if main:  # elsewhere Python allows no handlers: the size is then the one at the beginning
            old = {number: signal.signal(number, lambda *_: None) for number in numbers}
            old_fd = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        yield read
    finally:
        if main:
            signal.set_wakeup_fd(old_fd)
            for number, handler in old.items():
                signal.signal(number, handler)
        os.close(read)
        os.close(write)


def _write(fd: int, data: bytes) -> None:
    """Write all of `data`, also to a terminal that somebody made non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll(1000)
