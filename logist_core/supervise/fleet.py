"""Keeps the jobs of one account from running into the same wall one after another. Owns what is known of limits.

Invariant: all of it is made of the jobs' statuses (`note`), so a supervisor that has taken stock knows it again. While
a limit isn't known to be over, one job at a time tries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from logist_core.supervise.limits import JOB, Pace, concerns, place
from logist_core.types.job import JobStatus, Lifecycle, Limit
from logist_core.types.signals import Claim

_UNDER_WAY = frozenset({Lifecycle.STARTING, Lifecycle.RUNNING})
_PARKED = frozenset({Lifecycle.WAITING, Lifecycle.HELD})
#: What an agent does whose provider has answered it.
_ANSWERED = frozenset({Claim.WORKING, Claim.COMPLETED, Claim.TOOL_ERROR, Claim.WAITING_INPUT, Claim.PERMISSION_PROMPT})

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Gate:
    """Why a job may not start now.

    Attributes:
        until: Unix time, seconds, at which to ask again; None: when something changes.
        limit: What keeps it; None: only the pace of starts.
        park: It is to be written down that the job waits for, or is held by, `limit`.
    """

    until: float | None
    limit: Limit | None = None
    park: bool = False


class Fleet:
    """What is known of limits, accounts and who is trying. Thread-safe: launches ask from threads."""

    def __init__(self, pace: Pace, wall: Callable[[], float]) -> None:
        """Know nothing yet.

        Args:
            pace: How patient to be.
            wall: Unix time, seconds.
        """
        self.pace = pace
        self._wall = wall
        self._lock = threading.Lock()
        self._jobs: dict[str, JobStatus] = {}
        self._accounts: dict[str, tuple[str | None, str | None]] = {}  # of jobs that were planned and not started
        self._starting: dict[str, float] = {}  # asked, and let go: since when
        self._last_start: dict[str, float] = {}
        self._limits: dict[_Key, Limit] = {}
        self._over: dict[_Key, float] = {}  # limits seen before that are known to be over

    def note(self, status: JobStatus) -> None:
        """Take in how a job stands."""
        with self._lock:
            if status.lifecycle.ended:
                self._jobs.pop(status.id, None)
                self._accounts.pop(status.id, None)
                self._starting.pop(status.id, None)
                return
            self._jobs[status.id] = status
            if status.lifecycle is not Lifecycle.QUEUED:
                self._starting.pop(status.id, None)
            if status.limit is not None:
                self._learn(status.limit)

    def forget(self, job_id: str) -> None:
        """Forget that a job was let go: it didn't start."""
        with self._lock:
            self._starting.pop(job_id, None)

    def times(self, job_id: str, claim: str, provider: str | None, credential: str | None) -> int:
        """Return how often in a row a claim was met by those who share it, before now."""
        with self._lock:
            met = [
                limit.times
                for limit in self._limits.values()
                if limit.claim == claim and concerns(limit, job_id, provider, credential)
            ]
            return max(met, default=0)

    def known(self, status: JobStatus) -> Gate | None:
        """Say what keeps a job that could start, as far as its account is known; None: nothing, or not known."""
        with self._lock:
            provider, credential = self._account(status)
            return self._ask(status, provider, credential)

    def ask(self, status: JobStatus, provider: str | None, credential: str | None) -> Gate | None:
        """Say what keeps a job with this account from starting now; None: nothing, and it is now starting."""
        with self._lock:
            self._accounts[status.id] = (provider, credential)
            gate = self._ask(status, provider, credential)
            if gate is None:
                now = self._wall()
                self._starting[status.id] = now
                if credential is not None:
                    self._last_start[credential] = now
            return gate

    def proven(self, status: JobStatus) -> list[str]:
        """Say which parked jobs may go on because `status` shows that what they wait for is over."""
        if not self._limits:
            return []
        with self._lock:
            if not self._shows_success(status):
                return []
            started_at = status.attempts[-1].started_at or 0.0
            over = [
                key
                for key, limit in self._limits.items()
                if limit.seen_at < started_at and concerns(limit, status.id, status.provider, status.credential)
            ]
            return [job_id for key in over for job_id in self._lift(key)]

    def waiting(self, limit: Limit) -> int:
        """Count the jobs that wait for, or are held by, a limit."""
        with self._lock:
            return self._ahead(limit, "")

    def _lift(self, key: _Key) -> list[str]:
        limit = self._limits.pop(key)
        self._over[key] = limit.seen_at
        return sorted(
            job_id
            for job_id, job in self._jobs.items()
            if job.lifecycle in _PARKED and job.limit is not None and _key(job.limit) == key
        )

    def _shows_success(self, status: JobStatus) -> bool:
        if not status.attempts:
            return False
        if status.lifecycle is Lifecycle.SUCCEEDED:
            return True
        attempt = status.attempts[-1]
        ran_s = self._wall() - (attempt.started_at or self._wall())
        answered = bool(attempt.usage.tokens_out) or ran_s >= self.pace.proven_s
        return status.lifecycle is Lifecycle.RUNNING and status.activity.state in _ANSWERED and answered

    def _learn(self, limit: Limit) -> None:
        key = _key(limit)
        if limit.scope == JOB or limit.seen_at <= self._over.get(key, 0.0):
            return
        before = self._limits.get(key)
        if before is None or limit.seen_at > before.seen_at:
            self._limits[key] = replace(limit, lifted=False)

    def _account(self, status: JobStatus) -> tuple[str | None, str | None]:
        return self._accounts.get(status.id) or (status.provider, status.credential)

    def _ask(self, status: JobStatus, provider: str | None, credential: str | None) -> Gate | None:
        now = self._wall()
        for limit in self._limits.values():
            if concerns(limit, status.id, provider, credential):
                gate = self._at(limit, status, now)
                if gate is not None:
                    return gate
        last = self._last_start.get(credential) if credential is not None else None
        if last is not None and now < last + self.pace.start_gap_s:
            return Gate(last + self.pace.start_gap_s)
        return None

    def _at(self, limit: Limit, status: JobStatus, now: float) -> Gate | None:
        own = status.limit
        carried = own is not None and _key(own) == _key(limit) and own.seen_at >= limit.seen_at
        if not (carried and own is not None and own.lifted):
            if limit.until is None:
                return Gate(None, limit, park=True)
            if now < limit.until:
                if carried and status.not_before is not None:
                    return Gate(status.not_before, limit)  # it has its place already
                return Gate(place(limit, status.id, self._ahead(limit, status.id), self.pace), limit, park=True)
        if self._somebody_tries(limit, status.id, now):
            return Gate(now + self.pace.proven_s, limit)
        return None

    def _ahead(self, limit: Limit, job_id: str) -> int:
        return sum(
            1
            for job in self._jobs.values()
            if job.id != job_id
            and job.lifecycle in _PARKED
            and job.limit is not None
            and _key(job.limit) == _key(limit)
            and job.limit.seen_at >= limit.seen_at
        )

    def _somebody_tries(self, limit: Limit, job_id: str, now: float) -> bool:
        for other in {*self._starting, *self._jobs}:
            job = self._jobs.get(other)
            if other == job_id:
                continue
            if job is None or job.lifecycle not in _UNDER_WAY:
                began = self._starting.get(other)
            else:
                began = job.attempts[-1].started_at
            account = self._accounts.get(other) or ((job.provider, job.credential) if job is not None else (None, None))
            tries = began is not None and limit.seen_at < began and now < began + self.pace.proven_s
            if tries and concerns(limit, other, *account):
                return True
        return False


def _key(limit: Limit) -> _Key:
    return limit.scope, limit.name
