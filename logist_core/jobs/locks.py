"""Advisory locks: at most one process changes a thing at a time.

Invariants: a lock lasts as long as its process at most (the kernel drops it), so no lock is ever stale; lock files
are never unlinked, for that would let two holders in. Reading commands take no lock and don't import this module.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from logist_core.errors import Locked
from logist_core.jobs import files
from logist_core.platform import lock_holder


@contextmanager
def file_lock(path: str | os.PathLike[str], timeout_s: float, *, what: str | None = None) -> Iterator[None]:
    """Hold the exclusive lock `path`, waiting for it for `timeout_s` seconds at most.

    A second lock on the same path excludes the first also within one process and one thread: it isn't re-entrant.

    Args:
        path: Made if need be, and never unlinked.
        timeout_s: 0: only look.
        what: What the lock guards, for the message; None: the path.

    Raises:
        Locked: Someone else held it all that time.
        LogistError: The lock file can't be opened.
    """
    import filelock

    name = os.fspath(path)
    if not os.path.isdir(os.path.dirname(name) or "."):  # filelock would make it, with the wrong mode
        raise files.failed("lock", name, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    lock = filelock.FileLock(
        name,
        timeout=max(timeout_s, 0.0),
        mode=files.FILE_MODE,
        thread_local=False,
        poll_interval=0.01,
        fallback_to_soft=False,  # a lock that others don't see is worse than an error
        preserve_lock_file=True,
    )
    try:
        lock.acquire()
    except filelock.Timeout as error:
        pid = lock_holder(name)
        who = "another process" if pid is None else f"process {pid}"
        message = f"{what or name} is locked by {who} (waited {timeout_s:g} s)"
        raise Locked(message, hint="try again in a moment") from error
    except OSError as error:
        raise files.failed("lock", name, error) from error
    try:
        yield
    finally:
        lock.release()
