"""Finds and reads configuration files; knows where in a file a key stands.

Invariant: reading is bounded and never blocks (a FIFO or device in a repository can't hang a command), and every
refusal is a `ConfigError` that names the file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logist_core.config.text import printable
from logist_core.errors import ConfigError

PROJECT_FILE = ".logist.toml"
MAX_BYTES = 1 << 20

_VCS_MARKS = (".git", ".hg", ".jj", ".svn", ".bzr")
_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_AT_END = "(at end of document)"
_TABLE = re.compile(r"\s*\[{1,2}([^\[\]]+)\]{1,2}\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"\s*([\w.\-\"' ]+?)\s*=")


def find_project_file(cwd: Path) -> Path | None:
    """Return the nearest project file in `cwd` or its parents up to the root of the repository.

    Outside of a repository only `cwd` itself counts: a file that somebody left in /tmp must not configure the
    jobs of everybody who works below it.
    """
    return next((folder / PROJECT_FILE for folder in folders_of_project(cwd) if _exists(folder / PROJECT_FILE)), None)


def folders_of_project(cwd: Path) -> list[Path]:
    """Return `cwd` and its parents up to the root of the repository; outside of a repository `cwd` alone."""
    here = Path(os.path.abspath(cwd))
    above = [here, *here.parents]
    root = next((i for i, folder in enumerate(above) if any(_exists(folder / mark) for mark in _VCS_MARKS)), 0)
    return above[: root + 1]


def read_toml(path: Path, *, owned: bool) -> tuple[dict[str, Any], str]:
    """Return the parsed content of a file and its text; both empty where there is no file.

    Args:
        path: The file.
        owned: Refuse a file that belongs to somebody else than us or root.

    Raises:
        ConfigError: It can't be read, isn't a small regular file, or isn't TOML.
    """
    try:
        # O_NONBLOCK: opening a FIFO waits for a writer otherwise.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return {}, ""
    except OSError as error:
        raise ConfigError(f"{_shown(path)}: can't be read: {error.strerror}") from None
    try:
        raw = _read_regular(path, descriptor, owned=owned)
    finally:
        os.close(descriptor)
    return _parse(path, raw)


def locate(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line that sets `keys`, or None where that can't be told. A best effort, for messages."""
    table: tuple[str, ...] = ()
    found: int | None = None
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            here = table = _split(match[1])
        elif match := _ASSIGNMENT.match(line):
            here = (*table, *_split(match[1]))
        else:
            continue
        if here and here == keys[: len(here)] and len(here) > depth:
            found, depth = number, len(here)
        elif found is None and here[: len(keys)] == keys:  # `[agent.mock]` makes `agent` a table
            found = number
    return found


def at(path: Path, text: str, keys: tuple[str, ...]) -> str:
    """Return `FILE:LINE` of a key, or `FILE`."""
    line = locate(text, keys)
    return f"{_shown(path)}:{line}" if line else _shown(path)


def _read_regular(path: Path, descriptor: int, *, owned: bool) -> bytes:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise ConfigError(f"{_shown(path)}: is not a regular file")
    if owned and facts.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{_shown(path)}: belongs to another user")
    if facts.st_size > MAX_BYTES:
        raise ConfigError(f"{_shown(path)}: is larger than {MAX_BYTES >> 20} MiB")
    raw = bytearray()
    try:
        while chunk := os.read(descriptor, MAX_BYTES + 1 - len(raw)):
            raw += chunk
    except OSError as error:
        raise ConfigError(f"{_shown(path)}: can't be read: {error.strerror}") from None
    return bytes(raw)


def _parse(path: Path, raw: bytes) -> tuple[dict[str, Any], str]:
    import tomllib

    try:
        text = raw.decode("utf-8")
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{_shown(path)}:{line}: is not UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{_shown(path)}: is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, or a number that int() refuses
        message = str(error)
        line_part = ""
        if match := _AT_LINE.search(message):
            line_part = f":{match[1]}"
            message = f"{message[: match.start()]} (column {match[2]})"
        elif message.endswith(_AT_END):
            line_part = f":{len(text.splitlines()) or 1}"
        raise ConfigError(f"{_shown(path)}{line_part}: is not valid TOML: {printable(message, 200)}") from None


def _split(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in key.split("."))


def _exists(path: Path) -> bool:
    # `lexists`: a dangling link named .git still marks a root, and a dangling project file is worth an answer.
    return os.path.lexists(path)


def _shown(path: Path) -> str:
    return printable(path, 400)


def as_table(value: object) -> Mapping[str, Any] | None:
    """Return `value` if it is a TOML table, else None."""
    return value if isinstance(value, dict) else None
