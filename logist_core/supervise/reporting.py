"""Counts what sentinels have found and done: whether they can be trusted to act. Pure but for reading records.

Invariant: an act counts as needless where the job went on by itself after it would have been taken; that can be seen in
mode `observe` alone, where nothing was done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from logist_core.sentinel.recording import Look, recorded
from logist_core.types.job import JobEvent, JobStatus, Lifecycle

#: How a policy that only observes says, in its evidence, what it would have done.
WOULD = "mode observe: would "


@dataclass(slots=True)
class Report:
    """The counts of some jobs.

    Attributes:
        jobs: How many jobs were looked at.
        verdicts: By `level cause`: how often it was journalled.
        acts: By action: how often it was taken (`notify` included).
        ended: By action: how the jobs on which it was taken stand now, by lifecycle.
        would: By action: how often it would have been taken.
        needless: Of these, how many would have hit a job that later went on by itself.
    """

    jobs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    ended: dict[str, Counter[str]] = field(default_factory=dict)
    would: Counter[str] = field(default_factory=Counter)
    needless: Counter[str] = field(default_factory=Counter)

    def add(self, status: JobStatus, events: Sequence[JobEvent], attempts: Iterable[Path]) -> None:
        """Count one job."""
        self.jobs += 1
        acted = set()
        for event in events:
            if event.kind == "sentinel.verdict":
                self.verdicts[f"{event.data.get('level')} {event.data.get('cause')}".strip()] += 1
            elif event.kind == "sentinel.acted":
                action = str(event.data.get("action"))
                self.acts[action] += 1
                acted.add(action)
        for action in acted - {"notify"}:
            self.ended.setdefault(action, Counter())[status.lifecycle.value] += 1
        directories = list(attempts)
        for directory in directories:
            self._add_pretended(list(recorded(directory)), status, last=directory == directories[-1])

    def _add_pretended(self, entries: Sequence[object], status: JobStatus, *, last: bool) -> None:
        looks = [entry for entry in entries if isinstance(entry, Look)]
        said: set[str] = set()
        for nth, look in enumerate(looks):
            for line in look.verdict.evidence:
                if not line.startswith(WOULD):
                    continue
                action = line.removeprefix(WOULD).split()[0]
                if action in said:
                    continue
                said.add(action)
                self.would[action] += 1
                went_on = any(later.seen.progress > look.seen.progress for later in looks[nth + 1 :])
                if went_on or (last and status.lifecycle is Lifecycle.SUCCEEDED):
                    self.needless[action] += 1
            if not look.verdict.cause:
                said.clear()  # another episode
