"""Counts false alarms: what a dictionary claims of files in which no agent speaks (sources, changelogs, logs)."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from logist_core.observe.classify import signals_in
from logist_core.observe.matcher import Matcher
from logist_core.types._json import JSON
from logist_core.types.signals import Claim

#: Claims by which a job waits, is held or ends: a false one costs most.
TERMINAL = frozenset(
    {
        Claim.COMPLETED,
        Claim.FAILED,
        Claim.AUTH_FAILED,
        Claim.BILLING,
        Claim.RATE_LIMITED,
        Claim.CRASHED,
        Claim.CONTEXT_EXHAUSTED,
        Claim.BUDGET_EXCEEDED,
        Claim.MODEL_UNAVAILABLE,
    }
)
MOST_FILE_BYTES = 256 << 20
_PIECE = 8 << 20
_SKIPPED = frozenset({".git", ".hg", "__pycache__", ".venv"})
_KEPT = 200


@dataclass(slots=True)
class Noise:
    """What was claimed.

    Attributes:
        files: Read.
        size: Bytes read.
        claims: How often each claim was made.
        alarms: File, rule and text of the first terminal claims.
    """

    files: int = 0
    size: int = 0
    claims: Counter[str] = field(default_factory=Counter)
    alarms: list[tuple[str, str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, JSON]:
        """Return the documented shape of `patterns noise --json`."""
        terminal = sum(count for claim, count in self.claims.items() if claim in TERMINAL)
        return {
            "files": self.files,
            "bytes": self.size,
            "claims": dict(sorted(self.claims.items())),
            "claims_per_mb": round(sum(self.claims.values()) / max(self.size, 1) * 1e6, 4),
            "terminal_claims": terminal,
            "terminal": [{"file": file, "rule": rule, "text": text} for file, rule, text in self.alarms],
        }


def noise(matcher: Matcher, paths: Sequence[Path], channel: str) -> Noise:
    """Read all regular files in and below `paths` as an agent's output."""
    found = Noise()
    for path in _files(paths):
        found.files += 1
        for piece in _pieces(path):
            found.size += len(piece)
            for signal in signals_in(matcher, piece.decode("utf-8", "replace"), channel, 0.0):
                if signal.claim is None:
                    continue
                found.claims[signal.claim.value] += 1
                if signal.claim in TERMINAL and len(found.alarms) < _KEPT:
                    found.alarms.append((str(path), signal.rule, signal.text))
    return found


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(set(folders) - _SKIPPED)
            yield from (Path(folder, name) for name in sorted(names))


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield whole lines of a text file; nothing of a binary, a special or a huge one."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_FILE_BYTES:
            return
        with path.open("rb") as file:
            rest = b""
            while chunk := file.read(_PIECE):
                if b"\0" in chunk[:4096]:
                    return
                cut = (rest + chunk).rfind(b"\n") + 1
                data = rest + chunk
                yield data[:cut]
                rest = data[cut:]
            yield rest
    except OSError:
        return
