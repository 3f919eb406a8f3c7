"""How Logist opens, reads and writes the files that it owns: plain descriptors, one set of safe flags.

Invariants: files are 0600 and directories 0700 under any umask; a symbolic link, FIFO or device planted at one of our
names is refused, never followed and never waited for; every failure names the file.
"""

from __future__ import annotations

import errno
import os
import stat

from logist_core.errors import CorruptRecord, LogistError
from logist_core.platform import sync_data

FILE_MODE = 0o600
DIR_MODE = 0o700

# O_NONBLOCK: opening a planted FIFO would otherwise wait for ever. It means nothing for a regular file.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW

_HINTS = {
    errno.ENOSPC: "free some space on that disk (`df -h`; `df -i` for inodes)",
    errno.EDQUOT: "free some space: your disk quota is used up",
    errno.EROFS: "the file system is mounted read-only; set LOGIST_HOME to one that can be written",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


def failed(action: str, path: str, error: OSError) -> LogistError:
    """Return the expected error for a system call that failed on `path`; `action` is an infinitive."""
    return LogistError(f"can't {action} {path}: {error.strerror or error}", hint=hint_for(error))


def hint_for(error: OSError) -> str | None:
    """Return what a user can do about a failed system call, where that is known."""
    return _HINTS.get(error.errno or 0)


def read_bytes(path: str, offset: int = 0) -> bytes | None:
    """Return what the regular file `path` holds from `offset` on; None: there is no such file.

    Raises:
        CorruptRecord: Something that isn't a regular file stands at that name.
        LogistError: It can't be read.
    """
    try:
        fd = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link; a socket
            raise not_regular(path) from error
        raise failed("read", path, error) from error
    try:
        return _read_all(fd, path, offset)
    finally:
        os.close(fd)


def _read_all(fd: int, path: str, offset: int) -> bytes:
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise not_regular(path)
        if offset:
            os.lseek(fd, offset, os.SEEK_SET)
        # One byte more than is expected shows the end of the file in the same call.
        data = os.read(fd, max(found.st_size - offset, 0) + 1)
        if len(data) <= found.st_size - offset:
            return data
        parts = [data]
        while data := os.read(fd, 1 << 20):
            parts.append(data)
        return b"".join(parts)
    except OSError as error:
        raise failed("read", path, error) from error


def not_regular(path: str) -> CorruptRecord:
    """Return the error for a name of ours that holds a link, a FIFO, a directory or a device."""
    return CorruptRecord(
        f"{path} is not a regular file", hint=f"look at it with `ls -ld {path}`; Logist won't touch it"
    )


def open_append(path: str, create: int = 0) -> int:
    """Open a regular file for appending and reading; raises OSError, and CorruptRecord as `read_bytes`.

    Args:
        path: The file.
        create: `os.O_CREAT` to make it (0600) where there is none; 0: that is a FileNotFoundError.
    """
    try:
        fd = os.open(path, _APPEND | create, FILE_MODE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise not_regular(path) from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise not_regular(path)
    return fd


def open_or_create_append(path: str) -> int:
    """Open a regular file for appending, and make it (0600) where there is none.

    Raises:
        CorruptRecord: Something that isn't a regular file stands at that name.
        LogistError: It can't be opened.
    """
    try:
        return open_append(path, os.O_CREAT)
    except OSError as error:
        raise failed("open", path, error) from error


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`; a write may be short when a disk fills or a signal comes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def create_file(path: str, data: bytes, *, durable: bool) -> None:
    """Create `path`, which must not exist, with `data`; on failure nothing is left. Raises OSError."""
    fd = os.open(path, _CREATE, FILE_MODE)
    try:
        os.fchmod(fd, FILE_MODE)  # a umask may have taken away bits of the owner
        write_all(fd, data)
        if durable:
            sync_data(fd)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def append_bytes(path: str, data: bytes) -> None:
    """Append `data` to `path`, which is made if need be. Raises OSError."""
    fd = os.open(path, _APPEND | os.O_CREAT, FILE_MODE)
    try:
        os.fchmod(fd, FILE_MODE)
        write_all(fd, data)
    finally:
        os.close(fd)


def make_dir(path: str) -> None:
    """Make the directory `path` with mode 0700 under any umask. Raises OSError, FileExistsError among them."""
    os.mkdir(path, DIR_MODE)
    os.chmod(path, DIR_MODE)


def is_real_dir(path: str) -> bool:
    """Say whether `path` is a directory, and not a symbolic link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def sync_dir(path: str) -> None:
    """Put a directory's entries on the disk, so that a name made or renamed in it lasts. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
