"""Every error that Logist raises on purpose: one line of cause, one line of what to try, one exit code.

Invariant: an error whose class is defined here is *expected*; the CLI prints it without a traceback.
Anything else that reaches the CLI is a defect and is reported as one.
"""

from __future__ import annotations

import errno
from enum import IntEnum

#: What a machine may refuse now and give a moment later: space, descriptors, memory, processes, a disk's answer.
_PASSING = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,
        errno.EINTR,
        errno.EIO,
        errno.EROFS,
        errno.ENOLCK,
    }
)


class ExitCode(IntEnum):
    """The exit codes of the `logist` command; part of its contract (docs/reference/exit-codes.md)."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    NEEDS_INPUT = 4
    JOB_FAILED = 5
    LOCKED = 6
    UNAVAILABLE = 7
    WAIT_TIMED_OUT = 124
    INTERRUPTED = 130


class LogistError(Exception):
    """Base of all expected errors.

    Args:
        message: One line that says what is wrong and where; no trailing full stop needed.
        hint: What the user can try, printed as `Try: <hint>`; None where there is nothing to try.
    """

    exit_code: ExitCode = ExitCode.FAILURE
    #: Stable machine-readable name, printed as `error.kind` with `--json`.
    kind: str = "failure"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LogistError):
    """The command line, a setting or a prompt can't be used as given."""

    exit_code = ExitCode.USAGE
    kind = "usage"


class ConfigError(UsageError):
    """A configuration file is unreadable, is not TOML, or holds a wrong value."""

    kind = "config"


class JobNotFound(LogistError):
    """No job matches a reference, or several do."""

    exit_code = ExitCode.NOT_FOUND
    kind = "not_found"


class NeedsInput(LogistError):
    """The operation can't go on without an answer from a person."""

    exit_code = ExitCode.NEEDS_INPUT
    kind = "needs_input"


class Locked(LogistError):
    """Another process holds the lock for longer than we are willing to wait."""

    exit_code = ExitCode.LOCKED
    kind = "locked"


class PluginUnavailable(LogistError):
    """A plugin that was asked for by name isn't installed, or is broken."""

    exit_code = ExitCode.UNAVAILABLE
    kind = "plugin_unavailable"


class RuntimeUnavailable(LogistError):
    """A runtime can't serve now: its engine is missing, down, or refuses."""

    exit_code = ExitCode.UNAVAILABLE
    kind = "runtime_unavailable"


class Unsupported(LogistError):
    """The runtime or agent can't do this (see its capabilities)."""

    exit_code = ExitCode.UNAVAILABLE
    kind = "unsupported"


class LaunchError(LogistError):
    """The attempt certainly never ran: its program could not be started.

    Raised by `Runtime.start` and `Agent.plan`. The job ends as `failed_to_start`.
    """

    exit_code = ExitCode.JOB_FAILED
    kind = "failed_to_start"


class HomeError(LogistError):
    """`$LOGIST_HOME` can't be used: not writable, foreign owner, wrong mode, network file system, newer layout."""

    kind = "home"


class CorruptRecord(LogistError):
    """A file of a job doesn't hold what it must; the message names the file."""

    kind = "corrupt"


class NewerVersion(LogistError):
    """A file was written by a newer version of Logist in a format that this one doesn't know. It isn't touched."""

    kind = "newer_version"


class IllegalTransition(LogistError):
    """An event that the state machine doesn't allow in the job's present state. Nothing was written."""

    kind = "illegal_transition"


def is_passing(error: BaseException) -> bool:
    """Say whether the machine was short of something: the same may work later, with nothing changed by anybody."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _PASSING:
            return True
        cause = cause.__cause__
    return False
