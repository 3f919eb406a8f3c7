"""Doubts that most jobs vanish at once: a broken probe is likelier than a massacre.

Invariant: of `FEW` or more jobs that are gone without a trace, and are more than half of those that run, none is
settled before each was found gone `LOOKS` times; one that ended with evidence, or by a reboot, is never doubted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from logist_core.types.launch import Probe, ProbeState

FEW = 5
#: Deaths so close to one another are of one pass; it is waited for so long before a death is believed.
PASS_S = 1.0
#: A doubted death is looked at again after so long, and believed when it was seen so often.
AGAIN_S = 10.0
LOOKS = 3


@dataclass(slots=True)
class _Claim:
    first_s: float
    last_s: float
    looks: int = 1


class Deaths:
    """What probes said of jobs that are gone, in one supervisor."""

    def __init__(self, running: Callable[[], int]) -> None:
        """Weigh against `running()`, the number of jobs that are thought to run."""
        self._running = running
        self._claims: dict[str, _Claim] = {}

    def doubt_s(self, job_id: str, probe: Probe, now_s: float) -> float | None:
        """Return after how long to look again before a death is believed; None: it is.

        Args:
            job_id: The job.
            probe: What was found.
            now_s: Seconds, on any clock that only rises.
        """
        if probe.state is not ProbeState.GONE or "rebooted" in probe.conditions or self._running() < FEW:
            return None
        claim = self._claims.get(job_id)
        if claim is None:
            self._claims[job_id] = _Claim(now_s, now_s)
            return PASS_S
        if now_s - claim.last_s >= PASS_S:
            claim.last_s = now_s
            claim.looks += 1
        if claim.looks >= LOOKS or not self._is_mass(now_s):
            return None if claim.looks > 1 else PASS_S
        return AGAIN_S

    def lives(self, job_id: str) -> None:
        """Take a claim back: the job was seen again, or is settled."""
        self._claims.pop(job_id, None)

    def _is_mass(self, now_s: float) -> bool:
        gone = sum(1 for claim in self._claims.values() if now_s - claim.last_s <= AGAIN_S + PASS_S)
        return gone >= FEW and 2 * gone > self._running()
