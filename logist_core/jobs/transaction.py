"""The events that one holder of a job's lock wants to add.

Invariant: an event is in here only if the state machine allows it after those before it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from logist_core import platform
from logist_core.jobs import journal
from logist_core.jobs.fold import apply, is_settling
from logist_core.types._json import JSON
from logist_core.types.job import JobEvent, JobStatus


class Transaction:
    """The events that one holder of a job's lock wants to add. Made by `JobStore.transaction`.

    Attributes:
        status: The job's status with the appended events in it.
        events: What was appended so far; on the disk only after the `with` block has ended without an exception.
    """

    def __init__(
        self,
        status: JobStatus | None,
        seq: int,
        writer: str,
        *,
        now: Callable[[], float] = time.time,
        scrub: Callable[[JSON], JSON] | None = None,
    ) -> None:
        """Begin after event `seq`, with the status that holds then."""
        self._scrub = scrub
        self._status = status
        self._seq = seq
        self._writer = writer if ":" in writer else f"{writer}:{os.getpid()}"
        self._now = now
        self._open = True
        self.events: list[JobEvent] = []

    @property
    def status(self) -> JobStatus:
        """The job's status, appended events included."""
        assert self._status is not None, "a transaction on an existing job always has a status"
        return self._status

    def append(self, kind: str, /, **data: object) -> JobEvent:
        """Add an event.

        Args:
            kind: One of the kinds of the journal.
            data: Its fields: JSON, or records, which are stored as objects. NaN and the infinities become null.

        Raises:
            IllegalTransition: The state machine forbids it now. The events appended before it still stand.
        """
        assert self._open, "the transaction is over"
        cleaned = journal.clean(data)
        event = JobEvent(
            seq=self._seq + len(self.events) + 1,
            at=self._now(),
            boot_s=platform.boot_s(),
            boot_id=platform.boot_id(),
            writer=self._writer,
            kind=kind,
            data=self._scrub(cleaned) if self._scrub is not None else cleaned,
        )
        self._status = apply(self._status, event)
        self.events.append(event)
        return event

    @property
    def is_settling(self) -> bool:
        """Whether it is still open what follows from an attempt's end; no group of events may stop there."""
        return is_settling(self.status)

    def close(self) -> None:
        """Refuse further events."""
        self._open = False
