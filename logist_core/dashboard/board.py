"""What the dashboard shows, as data: the jobs in the order in which a person needs them. Pure.

Invariant: jobs that wait for a person come first, however many others there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from logist_core.dashboard.needs import NEEDS_A_PERSON
from logist_core.supervise.admit import in_queue
from logist_core.types.job import JobStatus, Lifecycle

#: Makes untrusted text safe to show on one line of so many characters at most.
Clean = Callable[[str, int], str]

_GROUPS: Mapping[Lifecycle, int] = {
    Lifecycle.HELD: 0,
    Lifecycle.RUNNING: 1,
    Lifecycle.STARTING: 1,
    Lifecycle.WAITING: 2,
    Lifecycle.QUEUED: 3,
}
_GROUP_NAMES = ("needs you", "running", "waiting", "queued", "ended")
_ENDED = len(_GROUP_NAMES) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One job, as safe text. `group` is the name of its place in the order."""

    id: str
    name: str
    agent: str
    state: str
    activity: str
    age: str
    ran: str
    detail: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What is shown at one moment.

    Attributes:
        rows: In order, at most as many as asked for.
        hidden: How many more there are.
        counts: How many jobs are in each group, in the order of groups; groups without jobs are left out.
        problems: Jobs whose records can't be read.
        notes: Lines above the jobs: what several of them wait for.
    """

    rows: tuple[Row, ...]
    hidden: int
    counts: Mapping[str, int]
    problems: int = 0
    notes: tuple[str, ...] = ()


def group_of(status: JobStatus) -> str:
    """Return the name of the group that a job belongs to."""
    return _GROUP_NAMES[_rank(status)]


def in_order(statuses: Iterable[JobStatus]) -> list[JobStatus]:
    """Return jobs by need: those that need a person, running, waiting, queued, ended; newest first in each.

    But the queue is shown as it is: what starts next comes first.
    """
    newest_first = sorted(statuses, key=lambda status: status.id, reverse=True)
    queued = sorted((s for s in newest_first if s.lifecycle is Lifecycle.QUEUED), key=in_queue)
    others = [status for status in newest_first if status.lifecycle is not Lifecycle.QUEUED]
    return sorted([*others, *queued], key=_rank)


def compose(
    statuses: Sequence[JobStatus],
    *,
    now: float,
    limit: int | None,
    clean: Clean,
    ended_limit: int = 20,
    problems: int = 0,
    notes: Sequence[str] = (),
) -> Board:
    """Return the board.

    Args:
        statuses: All jobs.
        now: Unix time, seconds.
        limit: Rows that fit; None: no limit.
        clean: See `Clean`.
        ended_limit: Ended jobs to show at most.
        problems: See `Board`.
        notes: See `Board`; safe text.
    """
    ordered = in_order(statuses)
    shown: list[JobStatus] = []
    ended = 0
    for status in ordered:
        ended += status.lifecycle.ended
        if ended <= ended_limit and (limit is None or len(shown) < limit):
            shown.append(status)
    counts = Counter(map(group_of, ordered))
    return Board(
        rows=tuple(_row(status, now, clean) for status in shown),
        hidden=len(ordered) - len(shown),
        counts={name: counts[name] for name in _GROUP_NAMES if counts[name]},
        problems=problems,
        notes=tuple(notes),
    )


def _rank(status: JobStatus) -> int:
    if status.lifecycle is Lifecycle.RUNNING and status.activity.state in NEEDS_A_PERSON:
        return 0
    return _GROUPS.get(status.lifecycle, _ENDED)


def _row(status: JobStatus, now: float, clean: Clean) -> Row:
    active = not status.lifecycle.ended and status.activity.state != "unknown"
    parts = [clean(status.activity.state, 40)] if active else []
    parts += [clean(condition, 30) for condition in status.conditions]
    ran = None
    if status.started_at is not None:
        ran = (status.ended_at if status.lifecycle.ended and status.ended_at else now) - status.started_at
    return Row(
        id=status.id,
        name=clean(status.name or "-", 24),
        agent=clean(status.agent, 16),
        state=status.lifecycle.value,
        activity=", ".join(parts) or "-",
        age=span(now - status.created_at),
        ran=span(ran),
        detail=_detail(status, clean),
        group=group_of(status),
    )


def _detail(status: JobStatus, clean: Clean) -> str:
    """Return what explains the state best: the evidence of what it waits for, or why it stands where it stands."""
    if status.lifecycle is Lifecycle.RUNNING and status.activity.text:
        return clean(status.activity.text, 200)
    return clean(status.reason or "", 200)


def span(seconds: float | None) -> str:
    """Return a length of time in one or two units: `7s`, `4m05s`, `2h07m`, `3d04h`."""
    if seconds is None:
        return "-"
    whole = int(max(seconds, 0.0))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"
