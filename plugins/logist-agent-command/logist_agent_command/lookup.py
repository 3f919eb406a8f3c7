"""Finds the program of a command line as `execvp` would, with the job's own PATH and directory.

Invariant: it only looks; and a program that it finds is named by an absolute path, so that what is started is what
was found, whatever PATH the process that starts it has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches

from logist_core.api import LaunchError

#: Where a shell looks when there is no PATH at all.
DEFAULT_PATH = os.defpath
#: Directories with more entries than this are not searched for similar names.
_MAX_ENTRIES = 20_000


def find_program(name: str, cwd: str, environment: Mapping[str, str]) -> str:
    """Return the absolute path of the program `name`. Links are not followed: their name may matter to it.

    Args:
        name: As the user wrote it: a name, or a path (with a slash), absolute or from `cwd`.
        cwd: The job's directory, absolute.
        environment: The job's environment; only PATH is read.

    Raises:
        LaunchError: There is no such program, or it can't be executed; says what to try.
    """
    if not os.path.isdir(cwd):
        raise LaunchError(f"the directory {ascii_name(cwd)} doesn't exist", hint="give another one with -C DIR")
    if "/" in name:
        return _check_path(name, os.path.normpath(os.path.join(cwd, name)))
    search = environment.get("PATH", DEFAULT_PATH)
    directories = [os.path.join(cwd, directory) for directory in search.split(os.pathsep)]
    refused = None
    for directory in directories:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return os.path.normpath(path)
            refused = refused or path
    if refused is not None:
        raise LaunchError(f"{ascii_name(refused)} isn't executable", hint=f"chmod +x {ascii_name(refused)}")
    raise LaunchError(f"no program {ascii_name(name)} on the job's PATH", hint=_advice(name, cwd, directories, search))


def _check_path(name: str, path: str) -> str:
    shown = ascii_name(name) if name == path else f"{ascii_name(name)} ({ascii_name(path)})"
    if os.path.isdir(path):
        raise LaunchError(f"{shown} is a directory, not a program")
    if not os.path.exists(path):
        raise LaunchError(f"there is no program {shown}", hint="a path with a slash is taken from the job's directory")
    if not os.access(path, os.X_OK):
        raise LaunchError(f"{shown} isn't executable", hint=f"chmod +x {ascii_name(path)}")
    return path


def _advice(name: str, cwd: str, directories: list[str], search: str) -> str:
    """Return what to try: the file beside it, a similar name, or a look at PATH."""
    if os.path.isfile(os.path.join(cwd, name)):
        return f"it lies in the job's directory: write ./{ascii_name(name)}"
    if any(character.isspace() for character in name):
        return "give program and arguments as separate words, or run a shell: sh -c '...'"
    names: set[str] = set()
    for directory in directories:
        try:
            entries = os.listdir(directory)
        except OSError:
            continue
        if len(entries) <= _MAX_ENTRIES:
            names.update(entries)
    near = get_close_matches(name, names, n=1, cutoff=0.8) if len(name) <= 64 else []
    path = f"PATH is {ascii_name(search, 200)}" if search else "PATH is empty"
    return f"{ascii_name(near[0])}, which is there; {path}" if near else f"install it, or name it by its path; {path}"


def ascii_name(text: str, limit: int = 120) -> str:
    """Return a foreign name as printable ASCII of bounded length."""
    shown = text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
