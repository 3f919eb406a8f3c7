"""Runs inside of a process: writes down what it does to the files below a directory, in order, with their contents.

What `power` makes of it: all states in which a disk may legally be after a power cut.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
from collections.abc import Callable
from typing import Any

_open, _write, _lstat, _fstat, _readlink = os.open, os.write, os.lstat, os.fstat, os.readlink


class Recorder:
    """One process's part of a record. Lines are appended after each operation, by one write each."""

    def __init__(self, path: str, root: str) -> None:
        self.root = os.path.realpath(root) + "/"
        self._fd = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.set_inheritable(self._fd, False)
        self._path = path

    def note(self, **entry: object) -> None:
        """Add a line; the descriptor may have been closed with all others, or be another file's by now."""
        line = json.dumps(entry).encode() + b"\n"
        fd = _open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            _write(fd, line)
        finally:
            os.close(fd)

    def place(self, path: Any, dir_fd: int | None = None) -> str | None:
        """Return an absolute path, None for one that isn't below the root."""
        text = os.fsdecode(path)
        if not os.path.isabs(text):
            base = os.getcwd() if dir_fd is None else _readlink(f"/proc/self/fd/{dir_fd}")
            text = os.path.join(base, text)
        return text if text.startswith(self.root) else None

    def install(self) -> None:
        """Replace the functions of `os`."""
        os.open = self._creating(os.open)
        os.write = self._writing(os.write)
        os.fsync = self._forcing(os.fsync)
        os.fdatasync = self._forcing(os.fdatasync)
        os.ftruncate = self._cutting(os.ftruncate)
        os.mkdir = self._naming("mkdir", os.mkdir)
        os.unlink = self._naming("unlink", os.unlink)
        os.rmdir = self._naming("unlink", os.rmdir)
        os.link = self._moving("link", os.link)
        os.rename = self._moving("rename", os.rename)
        os.replace = self._moving("rename", os.replace)

    def _creating(self, original: Callable[..., int]) -> Any:
        def call(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            place = self.place(path, kwargs.get("dir_fd")) if flags & os.O_CREAT else None
            is_new = place is not None and not os.path.lexists(place)
            fd = original(path, flags, *args, **kwargs)
            if is_new:
                self.note(op="create", path=place, ino=_fstat(fd).st_ino)
            return fd

        return call

    def _writing(self, original: Callable[..., int]) -> Any:
        def call(fd: int, data: Any) -> int:
            written = original(fd, data)
            found = _fstat(fd)
            if stat.S_ISREG(found.st_mode):
                self.note(op="write", ino=found.st_ino, data=base64.b64encode(bytes(data)[:written]).decode())
            elif bytes(data[:2]) == b"G":
                self.note(op="gate")
            return written

        return call

    def _forcing(self, original: Callable[..., None]) -> Any:
        def call(fd: int) -> None:
            original(fd)
            found = _fstat(fd)
            if stat.S_ISDIR(found.st_mode):
                self.note(op="sync names", path=_readlink(f"/proc/self/fd/{fd}"))
            else:
                self.note(op="sync", ino=found.st_ino)

        return call

    def _cutting(self, original: Callable[..., None]) -> Any:
        def call(fd: int, size: int) -> None:
            original(fd, size)
            self.note(op="truncate", ino=_fstat(fd).st_ino, size=size)

        return call

    def _naming(self, op: str, original: Callable[..., None]) -> Any:
        def call(path: Any, *args: Any, **kwargs: Any) -> None:
            place = self.place(path, kwargs.get("dir_fd"))
            original(path, *args, **kwargs)
            if place is not None:
                self.note(op=op, path=place)

        return call

    def _moving(self, op: str, original: Callable[..., None]) -> Any:
        def call(src: Any, dst: Any, **kwargs: Any) -> None:
            source, target = self.place(src, kwargs.get("src_dir_fd")), self.place(dst, kwargs.get("dst_dir_fd"))
            original(src, dst, **kwargs)
            if source is not None and target is not None:
                self.note(op=op, path=target, source=source)

        return call


def install(plan: dict[str, object]) -> None:
    """Record, where the plan asks for it: `record` names the file, `root` the directory."""
    if plan.get("record"):
        with contextlib.suppress(OSError):
            Recorder(str(plan["record"]), str(plan["root"])).install()
