"""`HostRuntime`: attempts as processes of this machine, each with a guard and a pump of its own and no daemon.

The object keeps nothing of an attempt but what its closed sockets had counted: whatever it is asked is answered from
the attempt's directory and from the kernel, so any process can ask, and its death costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

from logist_core.api import (
    AttachChannel,
    AttemptKey,
    Health,
    LaunchSpec,
    LogistError,
    Probe,
    ProbeState,
    RuntimeCaps,
    RuntimeHandle,
    StartContext,
    StopLadder,
    Unsupported,
    Vitals,
    Watch,
)
from logist_runtime_host import keeper, launching, probing, stopping
from logist_runtime_host.client import Connection, HostWatch, NotReached
from logist_runtime_host.files import AttemptFiles, place_of
from logist_runtime_host.network import Meter
from logist_runtime_host.places import socket_dir

#: One STDIN frame; far below the frame limit, so that a slow reader is noticed between two of them.
_WRITE_SIZE = 32 * 1024
_WRITE_TIMEOUT_S = 5.0


class HostRuntime:
    """Runs attempts on this machine; see `logist_core.api.Runtime` for what its methods promise."""

    caps = RuntimeCaps(pty=True, stdin=True, attach=True, stats=True, watch=True)

    def __init__(
        self,
        *,
        cgroup: bool | str = True,
        kernel_exit_info: bool = True,
        min_free_bytes: int | None = None,
        start_timeout_s: float = 30.0,
    ) -> None:
        self._cgroup = cgroup
        self._kernel_exit_info = kernel_exit_info
        self._min_free_bytes = min_free_bytes
        self._start_timeout_s = start_timeout_s
        self._meter = Meter()

    def health(self) -> Health:
        """Say whether attempts can be started: process descriptors and a private place for sockets."""
        try:
            fd = keeper.SYSTEM.open_process(os.getpid())
            os.close(fd)
        except OSError as error:
            return Health(ok=False, detail=f"no pidfd_open: {error.strerror}", hint="Linux 5.3 or later is needed")
        try:
            place = socket_dir()
        except LogistError as error:
            return Health(ok=False, detail=error.message, hint=error.hint)
        roots = (
            keeper.cgroup_root() if self._cgroup is True else None,
            keeper.freezer_root() if self._cgroup else None,
        )
        root = next((root for root in roots if root and os.access(root, os.W_OK)), None)
        cgroup = f"cgroups below {root}" if root else "no cgroups of our own"
        platform = "" if sys.platform == "linux" else "; untested on this system"
        return Health(ok=True, detail=f"sockets in {place}; {cgroup}{platform}")

    def start(self, launch: LaunchSpec, key: AttemptKey, context: StartContext) -> RuntimeHandle:
        """Start the attempt; idempotent by `key`, also when called from many processes at once."""
        return launching.start(
            launch,
            key,
            context,
            cgroup=self._cgroup,
            kernel_exit_info=self._kernel_exit_info,
            min_free_bytes=self._min_free_bytes,
            timeout_s=self._start_timeout_s,
        )

    def find(self, key: AttemptKey, directory: str) -> RuntimeHandle | None:
        """Return the handle of what `start` began; None makes sure that it never comes alive."""
        return launching.find(key, directory, timeout_s=self._start_timeout_s)

    def probe(self, handle: RuntimeHandle) -> Probe:
        """Say how the attempt stands; an attempt without guard and pump is given new ones."""
        place = place_of(handle)
        if place is None:
            return Probe(state=ProbeState.UNKNOWN, detail="this is no handle of the host runtime")
        return probing.probe(*place)

    def stop(self, handle: RuntimeHandle, ladder: StopLadder) -> Probe:
        """End the attempt by the ladder, then its whole tree."""
        place = place_of(handle)
        if place is None:
            return self.probe(handle)
        return stopping.stop(*place, ladder)

    def forget(self, handle: RuntimeHandle) -> None:
        """Remove the socket and the cgroup that a doubly killed attempt may have left."""
        place = place_of(handle)
        if place is None or self.probe(handle).state not in (ProbeState.EXITED, ProbeState.GONE):
            return
        with contextlib.suppress(OSError), AttemptFiles(place[0]) as files:
            launching.remove_outside(files, place[1])
        self._meter.forget(place[1])

    def write(self, handle: RuntimeHandle, data: bytes) -> None:
        """Write to the attempt's input; returns when the attempt's kernel buffer has taken it all."""
        with self._files(handle) as (files, nonce), self._connection(files, nonce) as connection:
            if not connection.status.get("input"):
                raise Unsupported("this attempt has no input", hint="start it with a terminal or an open stdin")
            for offset in range(0, len(data), _WRITE_SIZE):
                try:
                    connection.send(keeper.STDIN, data[offset : offset + _WRITE_SIZE])
                    answer = connection.expect(keeper.ACK, _WRITE_TIMEOUT_S)
                except OSError as error:
                    raise LogistError(f"the attempt's pump went away: {error}", hint="try again") from error
                if answer is None:
                    raise LogistError("the attempt doesn't read its input", hint="look what it does: logist attach")
                if answer["frame"] == keeper.ERROR:
                    raise Unsupported(str(answer.get("text", "the attempt took no input")))

    def interrupt(self, handle: RuntimeHandle) -> None:
        """Send SIGINT to the foreground group of the attempt's terminal, or to the leader's group."""
        with self._files(handle) as (files, nonce), self._connection(files, nonce) as connection:
            connection.send_json(keeper.SIGNAL, {"signal": "INT"})
            connection.send(keeper.PING)
            connection.expect(keeper.PONG, 2.0)

    def stats(self, handle: RuntimeHandle) -> Vitals | None:
        """Return signs of life of the attempt's tree."""
        from logist_runtime_host.vitals import vitals

        place = place_of(handle)
        if place is None:
            return None
        directory, nonce = place
        with contextlib.suppress(OSError), AttemptFiles(directory) as files:
            launch = files.launch(nonce)
            if launch is None:
                return None
            mode = None
            if launch.get("pty"):
                with contextlib.suppress(NotReached):
                    connection = Connection(files, nonce, "probe")
                    mode = connection.status.get("tty_mode")
                    connection.close()
            return vitals(files, nonce, mode, self._meter)
        return None

    def watch(self, handle: RuntimeHandle) -> Watch | None:
        """Return a watch, None when the attempt has no pump to watch (it ended, or is about to get a new one)."""
        place = place_of(handle)
        if place is None:
            return None
        directory, nonce = place
        with contextlib.suppress(OSError), AttemptFiles(directory) as files:
            deadline = time.monotonic() + 1.0
            while files.read("done.json") is None and time.monotonic() < deadline:
                try:
                    return HostWatch(Connection(files, nonce, "supervisor"))
                except NotReached:
                    time.sleep(0.02)
        return None

    def attach(self, handle: RuntimeHandle, *, cols: int, rows: int, read_only: bool) -> AttachChannel:
        """Open a viewer's channel: it reads the logs itself and types through the pump."""
        from logist_runtime_host.channel import HostChannel

        place = place_of(handle)
        if place is None:
            raise Unsupported("this is no handle of the host runtime")
        return HostChannel(*place, cols=cols, rows=rows, read_only=read_only)

    @contextlib.contextmanager
    def _files(self, handle: RuntimeHandle) -> Iterator[tuple[AttemptFiles, str]]:
        place = place_of(handle)
        if place is None:
            raise Unsupported("this is no handle of the host runtime")
        try:
            files = AttemptFiles(place[0])
        except OSError as error:
            raise LogistError(f"{place[0]}: {error.strerror}") from error
        with files:
            yield files, place[1]

    @contextlib.contextmanager
    def _connection(self, files: AttemptFiles, nonce: str) -> Iterator[Connection]:
        deadline = time.monotonic() + 2.0
        while True:
            try:
                connection = Connection(files, nonce, "control")
                break
            except NotReached as error:
                if files.read("exit.json") is not None:
                    raise Unsupported("the attempt has ended") from error
                if time.monotonic() >= deadline:
                    raise LogistError(f"the attempt's pump doesn't answer ({error})", hint="logist recover") from error
                time.sleep(0.02)
        try:
            yield connection
        finally:
            connection.close()
