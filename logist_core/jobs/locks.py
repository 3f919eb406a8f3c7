"""Advisory locks: at most one process changes a thing at a time.

Invariants: a lock lasts as long as its process at most (the kernel drops it), so no lock is ever stale; lock files
are never unlinked, for that would let two holders in. Reading commands take no lock and don't import this module.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from logist_core.errors import Locked
from logist_core.jobs import files
from logist_core.platform import lock_holder

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: Between tries to let go of a lock; some two seconds in all.
_RELEASE_WAITS_S = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


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
        _release(lock, name)


def _release(lock: BaseFileLock, name: str) -> None:
    """Let go, for a moment also against the system's will: filelock keeps a lock that it failed to let go of.

    It would then shut out everybody, this process included, for as long as this process lives.
    """
    for wait_s in _RELEASE_WAITS_S:
        try:
            lock.release()
        except OSError as error:
            failure = error
            time.sleep(wait_s)
        else:
            return
    raise files.failed("let go of", name, failure) from failure
