"""Where a prompt comes from: the command line, standard input, or a file. Bounded, and valid UTF-8."""

from __future__ import annotations

import os
import stat
import sys
from typing import BinaryIO

from logist_core.errors import UsageError

_MOST_BYTES = 16 << 20


def read_prompt(argument: str | None, path: str | None) -> str | None:
    """Return the prompt, or None where none was given.

    Args:
        argument: The PROMPT of the command line; `-`: standard input.
        path: The FILE of `-f`.

    Raises:
        UsageError: Both were given, the file can't be read, it is too long, or it isn't UTF-8.
    """
    if argument is not None and path is not None:
        raise UsageError("PROMPT and -f FILE both give the prompt", hint="leave one of them out")
    if path is not None:
        return _from_file(path)
    if argument == "-":
        return _decode(_bounded(sys.stdin.buffer, "standard input"), "standard input")
    return argument


def _from_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError(21, "Is a directory")
            return _decode(_bounded(file, path), path)
    except OSError as error:
        raise UsageError(f"can't read the prompt from {path!r}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path
        raise UsageError(f"can't read the prompt from {path!r}: {error}") from error


def _bounded(file: BinaryIO, what: str) -> bytes:
    # What is longer than a prompt may be is refused when the job is submitted, with its size. Here it is only kept
    # from filling the memory.
    data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UsageError(
            f"the prompt from {what} is longer than {_MOST_BYTES >> 20} MiB",
            hint="let the prompt name the file instead",
        )
    return data


def _decode(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the prompt from {what} is not valid UTF-8: byte {error.start} is 0x{data[error.start]:02x}",
            hint="convert it, or let the prompt name the file",
        ) from None
