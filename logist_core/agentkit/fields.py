"""Reads fields of events that may hold anything, and makes signals of them. Pure and total.

Invariant: what leaves here is bounded, printable where it is evidence, and survives JSON: no lone surrogates, which
JSON can smuggle in and no file can hold, no infinities, no strings of megabytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from logist_core.api import Claim, Signal, Source

MOST_TEXT = 500
#: So many elements of a list are looked at.
MOST_ELEMENTS = 200


def read_object(line: str) -> Mapping[str, Any] | None:
    """Return the JSON object that `line` is, or None."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def object_of(value: object) -> Mapping[str, Any]:
    """Return `value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> list[Mapping[str, Any]]:
    """Return the objects among the first elements of a list; nothing of anything else."""
    return [item for item in value[:MOST_ELEMENTS] if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a string of 4,096 characters at most; "" for anything else."""
    return value[:4096].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def long_text(value: object) -> str:
    """Return a string of any length, for `conversation`; "" for anything else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def whole(value: object) -> int | None:
    """Return a number without its fraction, or None."""
    result = number(value)
    return int(result) if result is not None else None


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are known."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def event_signal(
    claim: Claim | None,
    rule: str,
    stream: str,
    detail: str = "",
    *,
    lease_s: float | None = None,
    fields: Mapping[str, Any] | None = None,
    final: bool = False,
) -> Signal:
    """Return the signal of an event.

    Args:
        claim: What the event claims; None where it only carries `fields`.
        rule: `<agent>:<event>`.
        stream: `out` or `err`.
        detail: The words that it rests on; made printable and cut.
        lease_s, fields, final: As in `Signal`.
    """
    event = rule.partition(":")[2]
    shown = f"{event}: {detail}" if detail else event
    return Signal(
        claim=claim,
        source=Source.EVENT,
        rule=rule[:80],
        stream=stream,
        text="".join(c if c.isprintable() else " " for c in shown[:MOST_TEXT]),
        lease_s=lease_s,
        final=final,
        fields=fields or {},
    )
