"""Reads a job while it goes on: the bytes of its logs and the events of its journal, in an order that makes sense.

Invariant: every byte that a stream still has is given once, in order, and what was dropped of it is said; an event
comes after the output that was on disk when it was read; nothing is locked, and nothing here slows the job.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logist_core.jobs.holes import read_around
from logist_core.types.job import JobEvent, JobStatus, Lifecycle

if TYPE_CHECKING:
    from pathlib import Path

    from logist_core.jobs.store import JobStore

#: How much is read at once: enough to be fast, little enough to stay responsive.
CHUNK_BYTES = 64 * 1024
STREAMS = ("out", "err")


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that an attempt wrote; `dropped` says how many before them are gone by `--max-log-bytes`."""

    attempt: int
    stream: str
    data: bytes
    dropped: int = 0


def open_log(path: str | os.PathLike[str]) -> int:
    """Open a log for reading; return its descriptor, or -1 where there is no plain file of that name.

    A symbolic link or a FIFO that somebody put there must neither lead us elsewhere nor hang us.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return -1
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return -1
    return fd


class Tail:
    """Reads a file that grows. It needn't exist yet."""

    def __init__(self, path: str | os.PathLike[str], offset: int = 0) -> None:
        """Begin at `offset`."""
        self._path = os.fspath(path)
        self._fd = -1
        self.offset = offset
        self.dropped = 0  # bytes before those of the last `read` that were gone

    def read(self) -> bytes:
        """Return the next bytes, at most `CHUNK_BYTES`; nothing where there is nothing new.

        What `--max-log-bytes` dropped is passed over, and counted in `dropped`.
        """
        if self._fd < 0:
            self._fd = open_log(self._path)
            if self._fd < 0:
                return b""
        data, at = read_around(self._fd, self._path, CHUNK_BYTES, self.offset)
        self.dropped = at - self.offset
        self.offset = at + len(data)
        return data

    def size(self) -> int:
        """Return how many bytes the file holds; 0 where it isn't there."""
        try:
            return os.stat(self._path, follow_symlinks=False).st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class JobFeed:
    """What is new of a job, each time `poll` is called."""

    def __init__(
        self,
        store: JobStore,
        job_id: str,
        *,
        streams: Sequence[str] = STREAMS,
        attempt: int | None = None,
        offsets: dict[str, int] | None = None,
        after_seq: int = 0,
    ) -> None:
        """Read nothing yet.

        Args:
            store: The jobs.
            job_id: Which one.
            streams: Which logs.
            attempt: The attempt to begin with; None: the one that runs, or else the next. Later ones follow.
            offsets: Where to begin in the logs of that attempt.
            after_seq: Give no events up to this one.
        """
        self._store = store
        self._job_id = job_id
        self._streams = tuple(streams)
        self._offsets = offsets or {}
        self._attempt = attempt
        self._after_seq = after_seq
        self._journal_bytes = 0
        self._seen_seq = 0
        self._folded: JobStatus | None = None
        self._tails: dict[str, Tail] = {}

    @property
    def status(self) -> JobStatus:
        """The job's status after what was given so far."""
        return self._folded or self._store.status(self._job_id)

    @property
    def attempt(self) -> int:
        """The attempt whose logs are read now; 0 before the first."""
        return self._attempt or 0

    @property
    def directories(self) -> list[Path]:
        """Where changes show: the job's directory, its attempts', and the present attempt's."""
        job = self._store.job_dir(self._job_id)
        return [job, job / "attempts", *([self._store.attempt_dir(self._job_id, self.attempt)] if self.attempt else [])]

    def poll(self) -> Iterator[Output | JobEvent]:
        """Give what is new; afterwards `status` is the status that belongs to it.

        Raises:
            JobNotFound: The job was removed.
        """
        from logist_core.jobs.fold import apply

        for event in self._new_events():
            yield from self.drain()
            if event.kind == "attempt.starting" and event.seq > self._after_seq:
                self._open(int(event.data["attempt"]))
            # Folded here, event by event, so that the status is never ahead of what was given.
            self._folded = apply(self._folded, event)
            if event.seq > self._after_seq:
                yield event
        # The last attempt of a job that is queued again is over: its output isn't news.
        if self._attempt is None and self.status.lifecycle in (Lifecycle.STARTING, Lifecycle.RUNNING):
            self._open(self.status.attempt)
        yield from self.drain()

    def rewind(self, attempt: int) -> None:
        """Give the output of `attempt` again from its beginning, from the next `poll` on."""
        self._open(attempt)

    def close(self) -> None:
        """Give all descriptors back."""
        for tail in self._tails.values():
            tail.close()
        self._tails = {}

    def _new_events(self) -> list[JobEvent]:
        try:
            size = os.stat(self._store.journal_path(self._job_id)).st_size
        except FileNotFoundError:
            size = -1  # the job is gone or damaged: reading it says which
        if size == self._journal_bytes:
            return []
        events, self._journal_bytes = self._store.events_from(self._job_id, self._journal_bytes, self._seen_seq)
        if events:
            self._seen_seq = events[-1].seq
        return events

    def _open(self, number: int) -> None:
        self.close()
        self._attempt = number
        directory = self._store.attempt_dir(self._job_id, number)
        self._tails = {
            stream: Tail(directory / f"{stream}.log", self._offsets.get(stream, 0)) for stream in self._streams
        }
        self._offsets = {}

    def drain(self) -> Iterator[Output]:
        """Give the output that is there now, without a look at the journal."""
        if self._attempt is not None and not self._tails:
            self._open(self._attempt)
        for stream, tail in self._tails.items():
            # Bounded by what is there now: a job that writes faster than we read must not keep us from its events.
            end = tail.size()
            while tail.offset < end and (data := tail.read()):
                yield Output(self.attempt, stream, data, tail.dropped)


def read_output(
    store: JobStore, job_id: str, *, streams: Sequence[str], attempt: int | None, offsets: dict[str, int]
) -> Iterator[Output]:
    """Give the output of one attempt as far as it is there now; nothing where `attempt` is None."""
    if attempt is None:
        return
    feed = JobFeed(store, job_id, streams=streams, attempt=attempt, offsets=offsets)
    try:
        yield from feed.drain()
    finally:
        feed.close()
