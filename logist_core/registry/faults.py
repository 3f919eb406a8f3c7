"""What can be wrong with a plugin, as records.

Invariant: a fault names its plugin's distribution and version, has a stable `reason`, and all of its text is fit
for a terminal, whatever the plugin wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from logist_core.config.text import printable

if TYPE_CHECKING:
    from logist_core.registry.discovery import Entry


class Reason(StrEnum):
    """Why a plugin is at fault. The values are stable: scripts may rest on them."""

    BAD_METADATA = "bad-metadata"  # the distribution's entry points can't be read
    INVALID_NAME = "invalid-name"  # of the entry point
    CONFLICT = "conflict"  # several distributions offer the same name
    IMPORT_FAILED = "import-failed"
    EXITED = "exited"  # it raised SystemExit
    INTERRUPTED = "interrupted"  # it raised KeyboardInterrupt itself
    DIED = "died"  # it ended the interpreter, or crashed it
    TIMED_OUT = "timed-out"
    SLOW_IMPORT = "slow-import"
    NO_HOOK = "no-hook"  # it doesn't implement the hook of its entry-point group
    UNKNOWN_HOOK = "unknown-hook"
    HOOK_WRAPPER = "hook-wrapper"
    INVALID_HOOK = "invalid-hook"  # arguments that the hook doesn't have
    HOOK_FAILED = "hook-failed"
    LATE_GENERATOR = "late-generator"  # the hook is a generator that failed after the call
    WRONG_RETURN = "wrong-return"
    WRONG_RECORD = "wrong-record"  # a record of another kind, or no record at all
    INVALID_RECORD = "invalid-record"
    INVALID_SETTINGS = "invalid-settings"
    NAME_MISMATCH = "name-mismatch"  # no record has the entry point's name
    API_NEWER = "api-newer"
    API_OLDER = "api-older"
    FACTORY_FAILED = "factory-failed"
    INCOMPLETE = "incomplete"  # the factory's product doesn't fulfil the protocol
    NOT_READY = "not-ready"  # the factory says itself what a user has to mend
    EVENT_FAILED = "event-failed"  # logist_job_event raised, or hangs


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFault:
    """One thing that is wrong with one plugin.

    Attributes:
        kind, name: Of the entry point; empty where the distribution as a whole is at fault.
        dist, version: The distribution to blame.
        reason: A `Reason` value.
        detail: One line.
        hint: What to try, or None.
        severity: `error`: the plugin can't be used; `warning`: it can.
    """

    kind: str
    name: str
    dist: str
    version: str
    reason: str
    detail: str
    hint: str | None = None
    severity: str = "error"


class Rejected(Exception):
    """A plugin failed a check. Internal: it becomes a `PluginFault` as soon as the entry is known."""

    def __init__(self, reason: Reason, detail: str, hint: str | None = None, *, warning: bool = False) -> None:
        """Say why.

        Args:
            reason: Why.
            detail: One line; made printable here.
            hint: What to try.
            warning: The plugin can be used all the same.
        """
        super().__init__(detail)
        self.reason = reason
        self.detail = printable(detail)
        self.hint = printable(hint) if hint else None
        self.warning = warning

    def fault(self, entry: Entry) -> PluginFault:
        """Return the fault of `entry`."""
        return PluginFault(
            kind=entry.kind,
            name=entry.name,
            dist=entry.dist,
            version=entry.version,
            reason=self.reason.value,
            detail=self.detail,
            hint=self.hint,
            severity="warning" if self.warning else "error",
        )
