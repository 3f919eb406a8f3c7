"""Hypothesis strategies for the histories of jobs: every journal that could legally come to be.

Invariant: what `histories` draws, `logist_core.jobs.fold.fold` accepts, event by event.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from logist_core.errors import IllegalTransition
from logist_core.jobs.fold import apply, phase_of
from logist_core.jobs.transitions import BY_KIND_AND_PHASE, FIELDS, SETTLING
from logist_core.types.job import JobEvent, JobStatus

#: Text as hostile as an agent's output: NUL, line separators, lone surrogates, escapes. As it comes back from JSON,
#: which joins two surrogates that make up one character.
texts = st.text(st.characters(exclude_categories=()), max_size=12).map(lambda text: str(json.loads(json.dumps(text))))

_numbers = st.integers(0, 2**40) | st.floats(0, 2**40, allow_nan=False, allow_infinity=False)
_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "job id": st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=16, max_size=16),
    "int": st.integers(-(2**40), 2**40),
    "number": _numbers,
    "bool": st.booleans(),
    "object": st.dictionaries(texts, texts, max_size=2),
    "texts": st.lists(texts, max_size=2),
    "ints": st.lists(st.integers(0, 2**22), max_size=2),
    "texts_by_name": st.dictionaries(texts, texts, max_size=2),
}
_WEIGHTS = {"attempt.starting": 12, "attempt.running": 8, "attempt.exited": 3, "job.finished": 3}
_CONDITIONS = st.sampled_from(["orphaned", "stalled", "suspect", "unkillable", "unreachable", "unresponsive"])


@st.composite
def data_of(draw: st.DrawFn, kind: str, status: JobStatus | None = None) -> dict[str, Any]:
    """Draw the data of an event of `kind` that fits the job's status: the right attempt, one way to exit."""
    data: dict[str, Any] = {}
    for name, type_name in FIELDS[kind].items():
        base = type_name.removesuffix("?")
        values = _BY_TYPE[base] if base in _BY_TYPE else st.sampled_from(base.split("|"))
        data[name] = draw(st.none() | values if type_name.endswith("?") else values)
    attempt = 0 if status is None else status.attempt
    if "attempt" in data:
        data["attempt"] = attempt + 1 if kind == "attempt.starting" else attempt
    if kind == "attempt.exited":
        code = draw(st.none() | st.integers(0, 255))
        data.update(code=code, signal=draw(st.integers(1, 64)) if code is None else None)
    if "condition" in data:
        data["condition"] = draw(_CONDITIONS)
    return data


@st.composite
def histories(draw: st.DrawFn, *, max_events: int = 25, settled: bool = True) -> list[JobEvent]:
    """Draw a legal history, `job.created` first.

    Args:
        draw: Hypothesis's own.
        max_events: Roughly its greatest length.
        settled: Never end between the end of an attempt and the decision what follows, as no journal does.
    """
    events: list[JobEvent] = []
    status: JobStatus | None = None
    length = draw(st.integers(1, max_events))
    while len(events) < length or (settled and phase_of(status) in SETTLING):
        phase = phase_of(status)
        rows = [row for kind in FIELDS for row in BY_KIND_AND_PHASE[kind, phase]]
        if len(events) >= length:
            rows = [row for row in rows if row.target is not None]
        # Attempts weigh more: left to chance alone, most jobs would be put off for ever.
        row = draw(st.sampled_from([row for row in rows for _ in range(_WEIGHTS.get(row.kind, 1))]))
        data = draw(data_of(row.kind, status))
        if row.lifecycles:
            data["lifecycle"] = draw(st.sampled_from(sorted(row.lifecycles)))
        event = JobEvent(
            seq=len(events) + 1,
            at=draw(_numbers),
            boot_s=draw(_numbers),
            boot_id="boot",
            writer="test:1",
            kind=row.kind,
            data=data,
        )
        try:
            status = apply(status, event)
        except IllegalTransition:
            continue  # a condition that needs a running attempt, or a start of a job that is to be stopped
        events.append(event)
    return events
