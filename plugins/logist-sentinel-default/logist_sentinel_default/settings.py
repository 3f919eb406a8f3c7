"""The settings in force: defaults filled in, derived ones worked out, nonsense refused.

Invariant: every duration is in seconds and `suspect_s <= stall_s`; multiplying all durations by one factor gives a
policy that says the same of a history stretched by that factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from logist_core.api import UsageError
from logist_sentinel_default.plugin import SETTINGS

_AT_LEAST_ONE = ("windows", "storm_retries", "flood_bytes")
_AT_LEAST_TWO = ("loop_repeats",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `plugin.SETTINGS` documents, resolved. No value is None."""

    mode: str
    on_stall: str
    on_stopped: str
    on_loop: str
    stall_s: float
    final_s: float
    suspect_s: float
    grace_s: float
    tool_stall_s: float
    buffered_stall_s: float
    blind_stall_s: float
    storm_s: float
    no_progress_s: float
    cooldown_s: float
    windows: int
    max_interventions: int
    storm_retries: int
    flood_bytes: int
    loop_repeats: int
    loop_limit: int
    idle_cpu: float
    spinner_cpu: float

    @property
    def quiet_s(self) -> float:
        """Seconds of silence after which an attempt is called quiet."""
        return self.suspect_s / 4

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Resolve what was given; what is missing or None takes its default.

        Raises:
            UsageError: A value makes no sense; the message names the setting.
        """
        values = {name: setting.default for name, setting in SETTINGS.items()}
        for name, value in given.items():
            if name not in values:
                raise UsageError(f"sentinel default has no setting {name!r}", hint=f"one of: {', '.join(values)}")
            if value is not None:
                values[name] = value
        for name, value in values.items():
            if value is not None:
                values[name] = _checked(name, value)
        stall_s = values["stall_s"]
        if stall_s <= 0:
            raise UsageError("stall_s must be more than 0 seconds", hint="mode=off switches the sentinel off")
        for name, default in (("suspect_s", stall_s / 2), ("grace_s", stall_s / 12), ("final_s", stall_s / 6)):
            if values[name] is None:
                values[name] = default
        if not 0 < values["suspect_s"] <= stall_s:
            raise UsageError(f"suspect_s must be more than 0 and at most stall_s ({stall_s:g} s)")
        if values["final_s"] <= 0:
            raise UsageError("final_s must be more than 0 seconds")
        if values["cooldown_s"] is None:
            values["cooldown_s"] = values["suspect_s"]
        return cls(**values)

    def plain(self) -> dict[str, Any]:
        """Return the settings as JSON; `Settings.of` takes them back."""
        return asdict(self)


def _checked(name: str, value: object) -> object:
    setting = SETTINGS[name]
    if setting.type == "str":
        if value not in setting.choices:
            raise UsageError(f"{name} must be one of {', '.join(setting.choices)}, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UsageError(f"{name} must be a number of 0 or more, not {value!r}")
    if setting.type != "int":
        return float(value)
    if value != int(value) or (name in _AT_LEAST_ONE and value < 1):
        raise UsageError(f"{name} must be a whole number{' of 1 or more' if value < 1 else ''}, not {value!r}")
    if name in _AT_LEAST_TWO and value < 2:
        raise UsageError(f"{name} must be a whole number of 2 or more, not {value!r}")
    return int(value)
