"""Small JSON files that are whole or not there.

Invariant: a reader sees the old content, the new content or no file, and never a part, whatever dies when. (A cache
that carries a checksum needs no such care: `replace_under_lock`.)
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from logist_core.errors import CorruptRecord
from logist_core.jobs import files
from logist_core.types._json import JSON


def encode(obj: JSON) -> bytes:
    """Return `obj` as one line of ASCII JSON. Refuses NaN and the infinities, which are no JSON."""
    return json.dumps(obj, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def write_json(path: str | os.PathLike[str], obj: JSON, *, durable: bool) -> None:
    """Replace `path` with `obj`.

    Args:
        path: Its directory must exist.
        obj: JSON.
        durable: Wait until it is on the disk; without, a power cut may bring back the old content or none.

    Raises:
        LogistError: It could not be written; the old content still stands.
    """
    target = os.fspath(path)
    temporary = _temporary(target)
    try:
        files.create_file(temporary, encode(obj), durable=durable)
        try:
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
        if durable:
            files.sync_dir(os.path.dirname(target) or ".")
    except OSError as error:
        raise files.failed("write", target, error) from error


def write_once_json(path: str | os.PathLike[str], obj: JSON, *, durable: bool = True) -> bool:
    """Write `obj` to `path` unless that exists: of many writers, one wins. Return whether it was this one.

    Raises:
        LogistError: It could not be written.
    """
    target = os.fspath(path)
    temporary = _temporary(target)
    try:
        files.create_file(temporary, encode(obj), durable=durable)
        try:
            os.link(temporary, target, follow_symlinks=False)
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)
        if durable:
            files.sync_dir(os.path.dirname(target) or ".")
    except OSError as error:
        raise files.failed("write", target, error) from error
    return True


def replace_under_lock(path: str, data: bytes) -> None:
    """Replace a cache that carries a checksum, with the lock that guards it held.

    For a moment there is none, or a part: who reads then does without. Not by a rename over the old one, for which
    ext4 writes the new one to the disk at once. A failure is silent: a cache can be made again at any time.
    """
    with suppress(OSError):
        with suppress(FileNotFoundError):
            os.unlink(path)
        files.create_file(path, data, durable=False)


def read_json(path: str | os.PathLike[str]) -> JSON | None:
    """Return what `path` holds; None: there is no such file.

    Raises:
        CorruptRecord: It doesn't hold JSON, or isn't a regular file.
        LogistError: It can't be read.
    """
    target = os.fspath(path)
    data = files.read_bytes(target)
    if data is None:
        return None
    try:
        obj = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptRecord(f"{target} doesn't hold JSON: {error}") from error
    if obj is None:  # else it could not be told from a missing file
        raise CorruptRecord(f"{target} holds nothing but null")
    return obj


def _temporary(target: str) -> str:
    directory, name = os.path.split(target)
    return os.path.join(directory, f".{name}.{os.urandom(6).hex()}.tmp")
