"""`state.json`: the status of a job as of a certain length of its journal, so that readers needn't fold.

Invariants: it counts only while the journal has exactly the length that it names; whatever else is wrong with it, it
is as if it weren't there. Only a transaction writes it, after its events are on the disk. A cache of a version whose
records have other fields doesn't count either: a field that it lacks may be one that the journal has much to say about.
"""

from __future__ import annotations

import json
from dataclasses import fields
from types import MappingProxyType

from logist_core.jobs.checksum import seal, unseal
from logist_core.types._json import JSON, plain
from logist_core.types.job import AttemptStatus, Exit, JobStatus, Lifecycle, Limit, Usage
from logist_core.types.signals import Activity

#: To be raised whenever `fold` makes something else of the same events.
SCHEMA = 2

_STATUS = frozenset(field.name for field in fields(JobStatus))
_ATTEMPT = frozenset(field.name for field in fields(AttemptStatus))
_USAGE = frozenset(field.name for field in fields(Usage))
_LIMIT = frozenset(field.name for field in fields(Limit))
_ACTIVITY = frozenset(field.name for field in fields(Activity))


def encode(status: JobStatus, *, seq: int, journal_bytes: int) -> bytes:
    """Return the content of `state.json` for a journal of `journal_bytes` bytes whose last event is `seq`."""
    record = {"schema": SCHEMA, "journal_bytes": journal_bytes, "seq": seq, "status": plain(status)}
    return seal(json.dumps(record, allow_nan=False, separators=(",", ":")).encode("ascii"))


def decode(data: bytes, job_id: str, journal_bytes: int) -> tuple[JobStatus, int] | None:
    """Return the status in `data` and the number of its last event; None: it doesn't hold for that journal."""
    body = unseal(data.rstrip(b"\n"))
    return None if body is None else decode_body(body, job_id, journal_bytes)


def decode_body(body: bytes, job_id: str, journal_bytes: int | None) -> tuple[JobStatus, int] | None:
    """Return what `decode` does, of an object whose checksum was looked at; None stands for a journal of any length."""
    try:
        record = json.loads(body)
        if record["schema"] != SCHEMA or journal_bytes not in (None, record["journal_bytes"]):
            return None
        status = status_from_json(record["status"])
        seq = record["seq"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return (status, seq) if status.id == job_id and type(seq) is int else None


def status_from_json(record: JSON) -> JobStatus:
    """Return the status whose `plain` form is `record`.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: It isn't one.
    """
    values = _exactly(_STATUS, record)
    values["lifecycle"] = Lifecycle(values["lifecycle"])
    values["activity"] = Activity(**_exactly(_ACTIVITY, values["activity"]))
    values["conditions"] = tuple(values["conditions"])
    values["exit"] = _exit(values["exit"])
    values["attempts"] = tuple(_attempt(attempt) for attempt in values["attempts"])
    values["labels"] = MappingProxyType(values["labels"])
    values["after"] = tuple(values["after"])
    values["usage"] = Usage(**_exactly(_USAGE, values["usage"]))
    values["limit"] = None if values["limit"] is None else Limit(**_exactly(_LIMIT, values["limit"]))
    return JobStatus(**values)


def _exactly(names: frozenset[str], record: JSON) -> dict[str, JSON]:
    if record.keys() != names:
        raise KeyError("fields of another version")
    return dict(record)


def _attempt(record: JSON) -> AttemptStatus:
    values = _exactly(_ATTEMPT, record)
    values["exit"] = _exit(values["exit"])
    values["usage"] = Usage(**_exactly(_USAGE, values["usage"]))
    return AttemptStatus(**values)


def _exit(record: JSON) -> Exit | None:
    return None if record is None else Exit(**record)
