"""Knows where things lie outside of an attempt's directory: sockets in a short, private directory."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

from logist_core.api import RuntimeUnavailable

#: The kernel's limit for a socket's path, without the closing NUL.
MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107


def socket_dir() -> Path:
    """Return the directory for sockets, made private.

    Raises:
        RuntimeUnavailable: It belongs to somebody else, is a link, or can't be made.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(base) / "logist" if base and os.path.isabs(base) else Path(f"/tmp/logist-{os.getuid()}")  # noqa: S108 - verified below
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise RuntimeUnavailable(f"{path} is not a directory of yours", hint="set XDG_RUNTIME_DIR")
        if stat.S_IMODE(found.st_mode) != 0o700:
            path.chmod(0o700)
    except OSError as error:
        raise RuntimeUnavailable(f"{path}: {error.strerror}", hint="set XDG_RUNTIME_DIR") from error
    return path


def socket_path(nonce: str) -> str:
    """Return the path of an attempt's socket.

    Raises:
        RuntimeUnavailable: The directory can't be used, or the path would be too long for a socket.
    """
    path = str(socket_dir() / f"{hashlib.sha256(nonce.encode()).hexdigest()[:12]}.sock")
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise RuntimeUnavailable(f"{path} is too long for a socket", hint="set XDG_RUNTIME_DIR to a shorter path")
    return path


def nonce_hash(nonce: str) -> str:
    """Return what client and pump tell one another to show that they mean the same attempt."""
    return hashlib.sha256(b"logist:" + nonce.encode()).hexdigest()
