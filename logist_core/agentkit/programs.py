"""Finds an agent's program and asks it for its version. Reads, and never writes, the user's configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logist_core.api import JobSpec, Readiness

VERSION_TIMEOUT_S = 4.0
#: A configuration file that is larger isn't one.
MOST_CONFIG_BYTES = 4 << 20

_NUMBERED = re.compile(r"v?(\d+\.\d+[\w.+-]{0,30}?)\.?,?$")


def find_program(executable: str, environment: Mapping[str, str], cwd: str | None = None) -> str | None:
    """Return the absolute path of `executable` as a process with `environment` in `cwd` would find it, or None."""
    if os.sep in executable:
        executable = os.path.join(cwd or os.getcwd(), os.path.expanduser(executable))
    found = shutil.which(executable, path=environment.get("PATH", os.defpath))
    return os.path.join(cwd or os.getcwd(), found) if found else None


def runs_here(job: JobSpec) -> bool:
    """Whether the job's program is looked up on this machine."""
    return job.runtime == "host"


def readiness(
    executable: str,
    environment: Mapping[str, str],
    *,
    install: str,
    login: str,
    logged_in: bool | None,
    version: tuple[str, ...] = ("--version",),
    quiet: Mapping[str, str] | None = None,
) -> Readiness:
    """Return what can be told without a request. Takes `VERSION_TIMEOUT_S` at most.

    Args:
        executable: A name, or a path.
        environment: Where to look.
        install: The command that installs it.
        login: What to do where nobody is logged in.
        logged_in: Whether somebody is; None where it can't be told.
        version: Arguments that make it tell its version.
        quiet: Variables that keep the program from looking for updates.
    """
    path = find_program(executable, environment)
    if path is None:
        return Readiness(installed=False, problems=(f"{executable} is not in PATH",), hint=install)
    told, problem = _version([path, *version], {**environment, **(quiet or {})})
    problems = [problem] if problem is not None else []
    hint = install if problem is not None else None
    if logged_in is False:
        problems.append("not logged in")
        hint = hint or login
    return Readiness(installed=True, version=told, path=path, logged_in=logged_in, problems=tuple(problems), hint=hint)


def _version(command: list[str], environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the version, or a problem."""
    try:
        said = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environment),
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"{' '.join(command)} didn't answer within {VERSION_TIMEOUT_S:g} s"
    except OSError as error:
        return None, f"{command[0]} can't be run: {error.strerror or error}"
    words = said.stdout.decode("utf-8", "replace").split() or said.stderr.decode("utf-8", "replace").split()
    if said.returncode != 0:
        return None, f"{' '.join(command)} failed with exit code {said.returncode}"
    # `2.1.197 (Claude Code)`, `codex-cli 0.169.0`, `GitHub Copilot CLI 1.0.102.`
    numbered = next((found for word in words[:40] if (found := _NUMBERED.match(word))), None)
    return (numbered[1] if numbered else None), None


def read_json_file(path: Path) -> Mapping[str, Any]:
    """Return the object in a configuration file; empty where there is none."""
    try:
        if path.stat().st_size > MOST_CONFIG_BYTES:
            return {}
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
