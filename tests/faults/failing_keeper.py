"""Runs `keeper.py` with an `fsync` that fails with EIO, for as long as there is a file `fsync-fails` in the home of it.

Named by LOGIST_HOST_KEEPER_WRAPPER; the file lies beside the attempt's directory.
"""

from __future__ import annotations

import errno
import os
import runpy
import sys

_fsync = os.fsync


def fsync(fd: int) -> None:
    """Fail while the file is there; a directory's own descriptor stands for the directory."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    attempt = path if os.path.isdir(path) else os.path.dirname(path)
    if os.path.exists(f"{os.path.dirname(attempt)}/fsync-fails"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    _fsync(fd)


os.fsync = fsync
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
