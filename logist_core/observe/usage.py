"""Adds up what an agent says that it used. Owns what `turns`, `tokens_in`, `tokens_out` and `cost_usd` mean in signals.

Invariant: figures of a final signal are those of the whole attempt and replace what was added up; all others are
increments. `turns` is always the number so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from logist_core.types._json import JSON
from logist_core.types.job import Usage
from logist_core.types.signals import Signal

_NAMES = tuple(field.name for field in fields(Usage))
#: More is no figure that anybody paid for; hostile output must not make one that JSON can't hold.
_MOST = 1e15


class Meter:
    """Counts one attempt. `used` is what it has used so far."""

    def __init__(self, saved: Mapping[str, JSON] | None = None) -> None:
        """Go on from a checkpoint."""
        self.used = Usage(**{name: _figure(name, (saved or {}).get(name)) for name in _NAMES})

    def add(self, signal: Signal) -> None:
        """Take in a signal."""
        found = {name: _figure(name, signal.fields.get(name)) for name in _NAMES if name in signal.fields}
        given = {name: value for name, value in found.items() if value is not None}
        if not given:
            return
        values = {name: getattr(self.used, name) for name in _NAMES}
        for name, value in given.items():
            total = signal.final or name == "turns" or values[name] is None
            values[name] = value if total else min(values[name] + value, _MOST)
        self.used = Usage(**values)


def _figure(name: str, value: JSON) -> JSON:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        return None
    return float(value) if name == "cost_usd" else int(value)
