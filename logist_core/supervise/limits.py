"""What jobs of one account or provider share: usage limits, overloads, refused logins. Pure.

Invariant: a limit that was met once is in the journal of every job that it keeps from going on; what is known of
limits is a fold of the jobs' statuses, so that it outlives every supervisor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from logist_core.types.job import JobStatus, Lifecycle, Limit, Outcome
from logist_core.types.signals import Claim

#: Claims about an account, and claims about whoever answers its requests (or the way there).
_OF_CREDENTIAL = frozenset({Claim.RATE_LIMITED, Claim.AUTH_FAILED, Claim.BILLING})
_OF_PROVIDER = frozenset({Claim.OVERLOADED, Claim.NETWORK_DOWN})

CREDENTIAL, PROVIDER, JOB = "credential", "provider", "job"

#: Claims as a person would say them.
WORDS = {
    Claim.RATE_LIMITED.value: "usage limit",
    Claim.OVERLOADED.value: "overloaded",
    Claim.NETWORK_DOWN.value: "not reached",
    Claim.AUTH_FAILED.value: "login refused",
    Claim.BILLING.value: "not paid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient Logist is; all durations in seconds.

    Attributes:
        margin_s: Added to a known reset, at most; a tenth of the wait where that is less.
        gap_s: Between two jobs that go on after the same limit, at most; a tenth of the wait where that is less.
        start_gap_s: Between the starts of two jobs of one credential.
        backoff_first_s, backoff_most_s: Where no reset is known: doubled each time in a row.
        proven_s: An attempt that has run for so long without meeting the limit shows that it is over.
    """

    margin_s: float = 120.0
    gap_s: float = 15.0
    start_gap_s: float = 1.0
    backoff_first_s: float = 30.0
    backoff_most_s: float = 600.0
    proven_s: float = 60.0

    def backoff_s(self, times: int) -> float:
        """Return how long to wait after having met the same trouble `times` times in a row (1 or more)."""
        return min(self.backoff_first_s * 2.0 ** min(max(times - 1, 0), 16), self.backoff_most_s)


#: Where nobody configured anything.
USUAL_PACE = Pace()


def limit_of(
    outcome: Outcome,
    job_id: str,
    *,
    provider: str | None,
    credential: str | None,
    times: int,
    pace: Pace,
    now: float,
) -> Limit | None:
    """Return the limit that ended an attempt; None: none did.

    Args:
        outcome: The agent plugin's judgement.
        job_id: The job.
        provider: See `LaunchSpec`.
        credential: See `LaunchSpec`.
        times: How often in a row it was met, this one included.
        pace: For the margin and the back-off.
        now: Unix time, seconds.
    """
    claim = outcome.claim
    if claim is None or claim not in _OF_CREDENTIAL | _OF_PROVIDER or not (outcome.hold or outcome.then):
        return None
    shared = (CREDENTIAL, credential) if claim in _OF_CREDENTIAL else (PROVIDER, provider)
    scope, name = shared if shared[1] is not None else (JOB, job_id)
    until: float | None = None
    if outcome.then is not None and not outcome.hold:
        at = outcome.then.at
        until = now + pace.backoff_s(times) if at is None else at + min(pace.margin_s, max(at - now, 0.0) / 10)
    return Limit(
        claim=claim.value, scope=scope, name=name or job_id, until=until, seen_at=now, seen_by=job_id, times=times
    )


def concerns(limit: Limit, job_id: str, provider: str | None, credential: str | None) -> bool:
    """Say whether a limit is one of a job with that provider and credential."""
    mine = {CREDENTIAL: credential, PROVIDER: provider, JOB: job_id}
    return mine.get(limit.scope) == limit.name


def place(limit: Limit, job_id: str, ahead: int, pace: Pace) -> float:
    """Return when a job may go on after `limit`: Unix time, seconds.

    Args:
        limit: With a time.
        job_id: Gives each job a place of its own within its gap, the same each time.
        ahead: How many jobs go on before it.
        pace: For the gap.
    """
    assert limit.until is not None, limit
    gap_s = min(pace.gap_s, max(limit.until - limit.seen_at, 0.0) / 10)
    share = int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4], "big") / 2**32
    return limit.until + gap_s * (ahead + share)


def wait_for(limit: Limit, statuses: Iterable[JobStatus]) -> int:
    """Count the jobs that wait for, or are held by, `limit`."""
    return sum(
        1
        for status in statuses
        if status.lifecycle in (Lifecycle.WAITING, Lifecycle.HELD)
        and status.limit is not None
        and (status.limit.scope, status.limit.name) == (limit.scope, limit.name)
    )


def described(limit: Limit) -> str:
    """Return why a job can't go on, for its reason: `usage limit of anthropic:key-3f9a1c07, met by job 01m…`."""
    what = WORDS.get(limit.claim, limit.claim)
    return f"{what}: {limit.name}, met by job {limit.seen_by}"
