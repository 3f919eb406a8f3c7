"""Offers the runtime `tiny` to Logist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from logist_core.api import Runtime, RuntimeRecord, hookimpl


def _make(settings: Mapping[str, Any]) -> Runtime:
    from logist_runtime_tiny.runtime import TinyRuntime

    return TinyRuntime()


@hookimpl
def logist_runtimes() -> Iterable[RuntimeRecord]:
    return [RuntimeRecord(name="tiny", summary="A double fork and an exit file.", factory=_make)]
