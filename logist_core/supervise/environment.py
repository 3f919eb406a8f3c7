"""The environment of an attempt. Pure. Values stay in memory; this module never writes or logs them."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from logist_core.types.job import JobSpec
from logist_core.types.launch import LaunchSpec

#: What a keeper tells its agent. A process that inherits them must not pass for that agent's child.
JOB_MARKS = ("LOGIST_JOB", "LOGIST_ATTEMPT", "LOGIST_NONCE")

#: What a supervisor needs when it is started again by a keeper: no secrets among them.
_HARMLESS = frozenset({"HOME", "PATH", "LANG", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "PYTHONPATH", "VIRTUAL_ENV"})
_HARMLESS_PREFIXES = ("LC_", "XDG_", "LOGIST_", "COVERAGE_")


def attempt_environment(inherited: Mapping[str, str], job: JobSpec, launch: LaunchSpec) -> dict[str, str]:
    """Return the complete environment: inherited, minus what the plan removes, plus `--env`, plus the plan's own.

    The user's `--env` wins over the plan: who asks for something by name gets it.
    """
    env = {
        name: value
        for name, value in inherited.items()
        if name not in JOB_MARKS and not any(fnmatchcase(name, pattern) for pattern in launch.env_remove)
    }
    env.update(launch.env)
    env.update(job.env)
    return env


def supervisor_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what a supervisor may inherit from a shell: everything but the marks of a surrounding job."""
    return {name: value for name, value in inherited.items() if name not in JOB_MARKS}


def respawn_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what a keeper keeps, for a supervisor that it may have to start: harmless names only."""
    return {
        name: value
        for name, value in inherited.items()
        if name not in JOB_MARKS and (name in _HARMLESS or name.startswith(_HARMLESS_PREFIXES))
    }
