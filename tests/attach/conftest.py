"""A terminal emulator that drives `attach` as a person would, and real attempts to attach to."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import secrets
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from logist_core.api import KILL_NOW, AttemptKey, LaunchSpec, RuntimeHandle, StartContext

DEADLINE_S = 30.0

#: What the CLI's `attach` does, without the CLI.
_ATTACH = """
import json, sys
from logist_core.api import RuntimeHandle
from logist_core.supervise.terminal import attach
from logist_runtime_host.runtime import HostRuntime
handle, read_only = RuntimeHandle(**json.loads(sys.argv[1])), sys.argv[2] == "1"
end = attach(
    lambda cols, rows: HostRuntime().attach(handle, cols=cols, rows=rows, read_only=read_only),
    read_only=read_only,
    reconnect_s=3.0,
)
print("END", end.reason, end.exit and end.exit.code)
"""


class Terminal:
    """A pseudo-terminal with an emulator behind it, in which `attach` runs."""

    def __init__(self, handle: RuntimeHandle, cols: int, rows: int, read_only: bool) -> None:
        self.screen = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        data = json.dumps({"runtime": handle.runtime, "version": handle.version, "data": dict(handle.data)})
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            size = struct.pack("HHHH", rows, cols, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.execv(sys.executable, [sys.executable, "-c", _ATTACH, data, str(int(read_only))])

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def pump(self, wait_s: float) -> bool:
        """Take in output; False at the end."""
        if not select.select([self.fd], [], [], wait_s)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += data
        try:
            self.stream.feed(data)
        except Exception as error:  # noqa: BLE001 - pyte fails on some sequences that real terminals take
            print("pyte:", error)
        return bool(data)

    def until(self, found: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not found():
            assert time.monotonic() < deadline, f"no {what} on:\n{self.text}\n{self.raw[-500:]!r}"
            if not self.pump(0.05) and not found():
                pytest.fail(f"it ended without {what}:\n{self.text}\n{self.raw[-500:]!r}")

    def sees(self, text: str) -> None:
        self.until(lambda: text in self.text, repr(text))

    def type(self, data: bytes) -> None:
        os.write(self.fd, data)

    def resize(self, cols: int, rows: int) -> None:
        self.screen.resize(rows, cols)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def modes(self) -> list:
        """Return the terminal's settings."""
        return termios.tcgetattr(self.fd)

    def end(self) -> str:
        """Wait for the end, and return what `attach` returned."""
        self.until(lambda: b"END " in self.raw and b"\n" in self.raw.split(b"END ")[-1], "the end")
        os.waitpid(self.pid, 0)
        self.pid = 0
        return self.raw.split(b"END ")[-1].split(b"\r")[0].decode()

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class Stage:
    """Starts attempts with a terminal, and opens terminals on them."""

    def __init__(self, root: Path) -> None:
        from logist_runtime_host.runtime import HostRuntime

        self.root = root
        self.runtime = HostRuntime()
        self.handles: list[RuntimeHandle] = []
        self.terminals: list[Terminal] = []

    def start(self, *argv: str, pty: bool = True, cols: int = 80, rows: int = 24, **kw) -> RuntimeHandle:
        directory = self.root / f"a{len(self.handles)}"
        directory.mkdir(mode=0o700)
        key = AttemptKey("job0", len(self.handles) + 1, secrets.token_hex(16))
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        spec = LaunchSpec(argv=argv, cwd=str(self.root), pty=pty, cols=cols, rows=rows, **kw)
        context = StartContext(directory=str(directory), environment=environment)
        self.handles.append(self.runtime.start(spec, key, context))
        return self.handles[-1]

    def open(self, handle: RuntimeHandle, cols: int = 80, rows: int = 24, read_only: bool = False) -> Terminal:
        self.terminals.append(Terminal(handle, cols, rows, read_only))
        return self.terminals[-1]

    def log(self, handle: RuntimeHandle) -> bytes:
        return Path(handle.data["directory"], "out.log").read_bytes()

    def until(self, found: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not found():
            assert time.monotonic() < deadline, f"no {what}"
            time.sleep(0.01)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    root = Path(tempfile.mkdtemp(prefix="at-"))
    (root / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / "run"))
    stage = Stage(root)
    try:
        yield stage
    finally:
        for terminal in stage.terminals:
            terminal.close()
        for handle in stage.handles:
            stage.runtime.stop(handle, KILL_NOW)
        shutil.rmtree(root, ignore_errors=True)
