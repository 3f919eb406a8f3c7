"""The truth table of arbitration, as `docs/arbitration.toml` writes it down."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from logist_core.types.signals import Claim, Signal, Source

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "arbitration.toml"


def rows() -> list[dict[str, Any]]:
    return list(tomllib.loads(FILE.read_text())["row"])


def signals_of(row: dict[str, Any]) -> list[Signal]:
    """Return the signals of a row, oldest first."""
    return [_signal(text) for text in row["signals"]]


def _signal(text: str) -> Signal:
    what, source, at, *marks = text.split()
    if what == "clears":
        return Signal(claim=None, source=Source.SCREEN, rule="gone", at=float(at), fields={"clears": source})
    named = dict(mark.split("=") for mark in marks if "=" in mark)
    return Signal(
        claim=Claim(what),
        source=Source(source),
        rule=named.get("rule", f"{what}-{source}"),
        at=float(at),
        confidence=0.5 if "weak" in marks else 0.9,
        final="final" in marks,
        lease_s=float(named["lease"]) if "lease" in named else None,
        fields={"tool_open": "1"} if "tool" in marks else {},
    )
