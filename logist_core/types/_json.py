"""Plain JSON forms of the records: enums as their value, tuples as lists, nested records as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

#: What `json.loads` can return. Recursive aliases cost more than they help here.
JSON = Any


def plain(value: object) -> JSON:
    """Return `value` as something `json.dumps` takes, keeping the field order of records."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [plain(v) for v in (sorted(value) if isinstance(value, frozenset | set) else value)]
    return value
