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


def rebuilt(kind: Any, value: JSON) -> Any:
    """Return the record of type `kind` whose `plain` form is `value`; fields that it doesn't have are left out.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: It isn't one.
    """
    from types import UnionType
    from typing import get_args, get_origin, get_type_hints

    if get_origin(kind) is UnionType:
        if value is None:
            return None
        return rebuilt(next(arm for arm in get_args(kind) if arm is not type(None)), value)
    if get_origin(kind) is tuple:
        return tuple(rebuilt(get_args(kind)[0], item) for item in value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{f.name: rebuilt(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return value
