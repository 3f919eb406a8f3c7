"""The home: one directory that holds everything Logist knows of one user's jobs.

Invariants: it is ours, private (0700), on a file system on which locks work, and of a layout that this version knows;
otherwise nothing in it is read or written. A home is made whole or not at all.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from logist_core import platform
from logist_core.errors import CorruptRecord, HomeError, LogistError
from logist_core.jobs import atomic, files

LAYOUT = 1
_PICK_ANOTHER = "set LOGIST_HOME to a directory of your own on a local disk"


@dataclass(frozen=True, slots=True)
class Home:
    """A verified home. Make one with `Home.open`.

    Attributes:
        path: The home, absolute.
        jobs: One directory for each job.
        trash: Removed jobs, until they are deleted.
    """

    path: Path
    jobs: Path
    trash: Path

    @classmethod
    def open(cls, path: Path | None = None, *, create: bool = True, unsafe_fs: bool = False) -> Home:
        """Verify the home `path` and return it.

        Args:
            path: None: `$LOGIST_HOME`, or the platform's directory for state.
            create: Make it where it isn't there, and require that it can be written. Without, nothing is changed.
            unsafe_fs: Go on on a network file system.

        Raises:
            HomeError: It can't be used; the message says why, the hint what to do.
        """
        asked = os.path.abspath(path if path is not None else platform.default_home(os.environ))
        _refuse_foreign_link(asked)
        made = create and _make(asked)
        real = os.path.realpath(asked)
        _verify_owner_and_mode(real, made)
        if not unsafe_fs:
            _refuse_network_fs(real)
        home = cls(path=Path(real), jobs=Path(real, "jobs"), trash=Path(real, "trash"))
        has_version = _check_layout(os.path.join(real, "VERSION"))
        if create:
            home._furnish(has_version)
        return home

    def _furnish(self, has_version: bool) -> None:
        """Make what is missing in the home, and see that it can be written."""
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise HomeError(f"{self.path} can't be written", hint=_PICK_ANOTHER)
        try:
            for directory in (self.jobs, self.trash):
                if not files.is_real_dir(str(directory)):
                    _make_child(str(directory))
            if not has_version:
                atomic.write_once_json(self.path / "VERSION", {"layout": LAYOUT})
        except OSError as error:
            raise _home_error(f"can't set up {self.path}", error) from error
        except LogistError as error:
            raise HomeError(error.message, hint=error.hint) from error


def _home_error(what: str, error: OSError) -> HomeError:
    return HomeError(f"{what}: {error.strerror or error}", hint=files.hint_for(error) or _PICK_ANOTHER)


def _refuse_foreign_link(path: str) -> None:
    """A link of another user's may lead into a directory of ours that was never meant as a home."""
    try:
        found = os.lstat(path)
    except OSError:
        return
    if stat.S_ISLNK(found.st_mode) and found.st_uid not in (os.geteuid(), 0):
        raise HomeError(f"{path} is a symbolic link of user {found.st_uid}", hint=_PICK_ANOTHER)


def _make(path: str) -> bool:
    """Make the directory and its parents, private all; return whether it wasn't there."""
    try:
        _make_parents(os.path.dirname(path))
        files.make_dir(path)
    except FileExistsError:
        return False
    except OSError as error:
        raise _home_error(f"can't make the home {path}", error) from error
    return True


def _make_parents(path: str) -> None:
    # Not `os.makedirs`: that gives a mode to the last directory alone, and XDG asks for 0700 all the way.
    if not os.path.isdir(path):
        _make_parents(os.path.dirname(path))
        with suppress(FileExistsError):  # another process was faster, or a file is in the way, which shows below
            files.make_dir(path)


def _make_child(path: str) -> None:
    try:
        files.make_dir(path)
    except FileExistsError:
        if not files.is_real_dir(path):  # else another process was faster
            raise HomeError(f"{path} is not a directory", hint=f"look at it with `ls -ld {path}`") from None


def _verify_owner_and_mode(path: str, made: bool) -> None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise HomeError(f"there is no Logist home at {path}", hint="`logist run` makes it") from None
    except OSError as error:
        raise _home_error(f"can't open the home {path}", error) from error
    if not stat.S_ISDIR(found.st_mode):
        raise HomeError(f"{path} is not a directory", hint=_PICK_ANOTHER)
    if found.st_uid != os.geteuid():
        raise HomeError(f"{path} belongs to user {found.st_uid}, not to you", hint=_PICK_ANOTHER)
    if found.st_mode & 0o077 and not made:
        mode = stat.S_IMODE(found.st_mode)
        raise HomeError(f"{path} can be used by other users (mode {mode:04o})", hint=f"chmod 700 {path}")


def _refuse_network_fs(path: str) -> None:
    kind = platform.is_network_fs(path)
    if kind is not None:
        raise HomeError(
            f"{path} is on a file system of type {kind}, on which locks can't be trusted",
            hint=f"{_PICK_ANOTHER}, or use --unsafe-fs if this machine alone uses it",
        )


def _check_layout(path: str) -> bool:
    """Refuse a newer layout; return whether the file is there."""
    try:
        record = atomic.read_json(path)
    except CorruptRecord as error:
        raise HomeError(error.message, hint=f'it should hold {{"layout": {LAYOUT}}}') from error
    except LogistError as error:
        raise HomeError(error.message, hint=error.hint) from error
    if record is None:
        return False
    layout = record.get("layout") if isinstance(record, dict) else None
    if type(layout) is not int or layout < 1:
        raise HomeError(f"{path} doesn't name a layout", hint=f'it should hold {{"layout": {LAYOUT}}}')
    if layout > LAYOUT:
        raise HomeError(
            f"{path}: this home was written by a newer version of Logist (layout {layout}, this one knows {LAYOUT})",
            hint="pip install --upgrade logist-core",
        )
    return True
