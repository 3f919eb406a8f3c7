"""Stays with one job until it ends, and sees to it that the job stays supervised meanwhile.

Invariant: it works with the supervisor killed at any moment: what is shown comes from files, and a dead supervisor
is replaced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from logist_core.cli import output
from logist_core.cli.changes import Changes
from logist_core.cli.follow import STREAMS, JobFeed, Output
from logist_core.cli.supervision import ensure, has_work
from logist_core.errors import LogistError
from logist_core.types.job import JobEvent, JobStatus

if TYPE_CHECKING:
    from logist_core.jobs.home import Home
    from logist_core.jobs.store import JobStore

#: How often we look whether a supervisor lives, in seconds; after one didn't come up, more and more rarely.
CHECK_S = 1.0
CHECK_AT_MOST_S = 30.0


class Caretaker:
    """Replaces a dead supervisor while some job has work left."""

    def __init__(self, home: Home) -> None:
        """Look for the first time in `CHECK_S`."""
        self._home = home
        self._interval_s = CHECK_S
        self._due = time.monotonic() + CHECK_S

    def look(self, statuses: Iterable[JobStatus]) -> None:
        """Start a supervisor where one is needed and none lives; cheap to call often."""
        if time.monotonic() < self._due or not has_work(statuses):
            return
        try:
            started = ensure(self._home, wait_s=0)
        except (LogistError, OSError) as error:
            started = True
            output.note(f"no supervisor could be started: {error}", "yellow")
        # One that dies at once must not be started again and again at full speed.
        self._interval_s = min(self._interval_s * 2, CHECK_AT_MOST_S) if started else CHECK_S
        self._due = time.monotonic() + self._interval_s


class Tracker:
    """Follows one job. A context manager; the arguments are those of `JobFeed`."""

    def __init__(
        self,
        home: Home,
        store: JobStore,
        job_id: str,
        *,
        streams: Sequence[str] = STREAMS,
        attempt: int | None = None,
        offsets: dict[str, int] | None = None,
        after_seq: int = 0,
    ) -> None:
        """Open nothing yet."""
        self._feed = JobFeed(store, job_id, streams=streams, attempt=attempt, offsets=offsets, after_seq=after_seq)
        self._caretaker = Caretaker(home)
        self._changes = Changes()

    def __enter__(self) -> Tracker:
        """Begin to listen."""
        self._changes.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back; the job isn't touched."""
        self._feed.close()
        self._changes.__exit__(kind, value, trace)

    @property
    def status(self) -> JobStatus:
        """The job's status after what was given so far."""
        return self._feed.status

    def poll(self) -> Iterator[Output | JobEvent]:
        """Give what is new, without waiting."""
        yield from self._feed.poll()

    def show_again(self, attempt: int) -> None:
        """Give the output of `attempt` once more, from its beginning."""
        self._feed.rewind(attempt)

    def wait(self, descriptors: Iterable[int] = ()) -> frozenset[int]:
        """Sleep until there may be something new; return which of `descriptors` are readable."""
        if self._watch_all():
            # Something was not watched when it was last read: it has to be read again before we may sleep.
            return frozenset()
        ready = self._changes.wait(CHECK_S, descriptors)
        self._caretaker.look([self.status])
        return ready

    def _watch_all(self) -> bool:
        """Watch all directories there are; return whether one of them was not watched before."""
        # One that isn't there yet will be made in one that is watched, and that ends the sleep.
        return sum(self._changes.watch(directory) for directory in self._feed.directories) > 0

    def until_ended(self) -> Iterator[Output | JobEvent]:
        """Give everything until the job has ended."""
        while True:
            yield from self._feed.poll()
            if self.status.lifecycle.ended:
                return
            self.wait()
