"""`spec.json`: what was asked for, written once when the job is made, never changed.

Invariant: decoding is strict. A field that is missing or of a wrong type is an error that names file and field; a file
of a newer schema is refused and left alone. Fields that this version doesn't know are left out: a later version adds
one without a new schema only if a job means the same without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType

from logist_core.errors import CorruptRecord, NewerVersion
from logist_core.jobs import atomic
from logist_core.jobs.ids import is_id
from logist_core.jobs.journal import clean
from logist_core.types._json import JSON, plain
from logist_core.types.job import Budget, JobSpec, OnBudget

SCHEMA = 1


def encode(spec: JobSpec) -> bytes:
    """Return the content of `spec.json`."""
    return atomic.encode(clean({"schema": SCHEMA, **plain(spec)}))


def read(path: str) -> JobSpec | None:
    """Return the spec in the file `path`; None: there is no such file.

    Raises:
        CorruptRecord: It isn't what `encode` writes; the message names file and field.
        NewerVersion: Its schema is newer than this program's.
    """
    record = atomic.read_json(path)
    return None if record is None else decode(record, path)


def decode(record: JSON, path: str) -> JobSpec:
    """Return the spec in `record`, which was read from `path`. Errors as for `read`."""
    if not isinstance(record, dict):
        raise CorruptRecord(f"{path} doesn't hold an object")
    schema = record.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise CorruptRecord(f"{path}: the field 'schema' must be a whole number")
    if schema > SCHEMA:
        raise NewerVersion(
            f"{path} was written by a newer version of Logist (schema {schema}, this one knows {SCHEMA})",
            hint="pip install --upgrade logist-core",
        )
    values: dict[str, JSON] = {}
    for name, (what, check, convert) in _FIELDS.items():
        if name not in record:
            if name in _REQUIRED:
                raise CorruptRecord(f"{path}: the field {name!r} is missing")
            continue
        value = record[name]
        if not check(value):
            raise CorruptRecord(f"{path}: the field {name!r} must be {what}")
        values[name] = convert(value)
    return JobSpec(**values)


def _is_int(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: JSON) -> bool:
    return isinstance(value, float) or _is_int(value)


def _is_text(value: JSON) -> bool:
    return isinstance(value, str)


def _is_texts(value: JSON) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_texts_by_name(value: JSON) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_budget(value: JSON) -> bool:
    if not isinstance(value, dict) or value.get("on_budget") not in list(OnBudget):
        return False
    limits = [value.get(name) for name in _BUDGET_FIELDS - {"on_budget"}]
    return all(limit is None or _is_number(limit) for limit in limits)


def _budget(value: JSON) -> Budget:
    known = {name: value[name] for name in _BUDGET_FIELDS & value.keys()}
    return Budget(**{**known, "on_budget": OnBudget(value["on_budget"])})


def _same(value: JSON) -> JSON:
    return value


def _mapping(value: JSON) -> Mapping[str, JSON]:
    return MappingProxyType(value)


def _or_null(check: Callable[[JSON], bool]) -> Callable[[JSON], bool]:
    return lambda value: value is None or check(value)


_Field = tuple[str, Callable[[JSON], bool], Callable[[JSON], JSON]]

_BUDGET_FIELDS = frozenset(field.name for field in fields(Budget))

_TEXT: _Field = ("text", _is_text, _same)
_TEXT_OR_NULL: _Field = ("text or null", _or_null(_is_text), _same)
_TEXTS: _Field = ("a list of text", _is_texts, tuple)
_TEXTS_BY_NAME: _Field = ("an object of text", _is_texts_by_name, _mapping)
_OBJECT: _Field = ("an object", lambda value: isinstance(value, dict), _mapping)
_OBJECTS: _Field = (
    "a list of objects",
    lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    lambda value: tuple(_mapping(item) for item in value),
)
_COUNT: _Field = ("a whole number, 0 or more", lambda value: _is_int(value) and value >= 0, _same)
_SIZE: _Field = ("a whole number above 0", lambda value: _is_int(value) and value > 0, _same)

_FIELDS: Mapping[str, _Field] = MappingProxyType(
    {
        "id": ("a job id", lambda value: isinstance(value, str) and is_id(value), _same),
        "agent": _TEXT,
        "runtime": _TEXT,
        "cwd": ("an absolute path", lambda value: isinstance(value, str) and value.startswith("/"), _same),
        "created_at": ("a number", _is_number, _same),
        "sentinel": _TEXT,
        "name": _TEXT_OR_NULL,
        "prompt": _TEXT_OR_NULL,
        "args": _TEXTS,
        "env": _TEXTS_BY_NAME,
        "env_names": _TEXTS,
        "secrets": _TEXTS,
        "labels": _TEXTS_BY_NAME,
        "timeout_s": ("a number or null", _or_null(_is_number), _same),
        "priority": ("a whole number", _is_int, _same),
        "after": _TEXTS,
        "pty": ("true, false or null", lambda value: value is None or isinstance(value, bool), _same),
        "cols": _SIZE,
        "rows": _SIZE,
        "max_log_bytes": ("a whole number above 0, or null", lambda v: v is None or (_is_int(v) and v > 0), _same),
        "budget": ("a budget", _is_budget, _budget),
        "max_restarts": _COUNT,
        "linger": ("true or false", lambda value: isinstance(value, bool), _same),
        "agent_settings": _OBJECT,
        "runtime_settings": _OBJECT,
        "sentinel_settings": _OBJECT,
        "patterns": _OBJECTS,
        "created_by": _TEXT,
    }
)
_REQUIRED = frozenset(f.name for f in fields(JobSpec) if f.default is MISSING and f.default_factory is MISSING)
