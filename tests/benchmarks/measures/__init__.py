"""The measures: each a function from a scale to tables."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measures import (
    capture,
    classification,
    idle,
    latency,
    listing,
    recovery,
    sentinel,
    syncs,
    throughput,
    watching,
)
from benchmarks.report import Table
from benchmarks.scale import Scale

MEASURES: dict[str, Callable[[Scale], list[Table]]] = {
    "latency": latency.measure,
    "throughput": throughput.measure,
    "idle": idle.measure,
    "capture": capture.measure,
    "listing": listing.measure,
    "watching": watching.measure,
    "recovery": recovery.measure,
    "syncs": syncs.measure,
    "sentinel": sentinel.measure,
    "classification": classification.measure,
}
