"""The index of a home: the statuses of ended jobs in one file, so that a list needn't open thousands of others.

Invariant: it is a cache. Which jobs there are is never read here, and a line counts only while the journal of its job
has exactly the length that the line names, as with `state.json`: one that is stale, or damaged, or not there at all
makes its job be read from its directory. So it may be deleted, cut or replaced by an old copy at any time.

Jobs that have not ended have no line: what moves is read where it is written. Whoever ends a job appends its line;
the last one about a job is looked at. A line is

    {"v":1,"id":"<id>","as":"<lifecycle>","bytes":<length of the journal>,...}

with the content of `state.json` after that, sealed by a checksum. Each begins with a newline: what a cut one left
behind then spoils no other.
"""

from __future__ import annotations

import os
from contextlib import suppress

from logist_core.errors import LogistError
from logist_core.jobs import files
from logist_core.jobs.checksum import seal, unseal
from logist_core.jobs.ids import LENGTH
from logist_core.types.job import Lifecycle

NAME = "ended.index"
#: To be raised whenever a line means something else; lines of another version count for nothing.
FORMAT = 1
#: An index of fewer lines isn't worth being begun anew.
LEAST_TO_COMPACT = 1_000

_HEAD = b'{"v":%d,"id":"' % FORMAT
_AS = b'","as":"'
_BYTES = b'","bytes":'
_ID_END = len(_HEAD) + LENGTH
_LIFECYCLES = {lifecycle.value.encode("ascii"): lifecycle for lifecycle in Lifecycle if lifecycle.ended}


class Lines:
    """What an index said when it was read.

    Attributes:
        rows: The last line about each job, by its id in ASCII, unchecked.
        count: How many lines there were, whatever they said.
    """

    __slots__ = ("count", "rows")

    def __init__(self, data: bytes) -> None:
        """Take in the bytes of an index."""
        lines = data.split(b"\n")
        start, end = len(_HEAD), _ID_END
        self.rows = {line[start:end]: line for line in lines if line.startswith(_HEAD)}
        self.count = len(lines)

    def ended(self, job_id: str, journal_bytes: int) -> Lifecycle | None:
        """Return how a job ended whose journal has that length; None: that isn't known here."""
        row = self.rows.get(job_id.encode("ascii"))
        if row is None:
            return None
        # Cut by hand: the checksum, and JSON, cost ten times as much, and whole lists of jobs are only counted.
        name, _, rest = row[_ID_END + len(_AS) :].partition(_BYTES)
        length = rest[: rest.find(b",")]
        return _LIFECYCLES.get(name) if length == b"%d" % journal_bytes else None

    def state(self, job_id: str) -> bytes | None:
        """Return the body of a job's `state.json` as of its end; None: there is none, or it was damaged."""
        row = self.rows.get(job_id.encode("ascii"))
        body = None if row is None else unseal(row)
        if body is None:
            return None
        after = body.find(b",", body.find(_BYTES) + len(_BYTES))
        return None if after < 0 else b"{" + body[after + 1 :]


#: What an index says that isn't there.
NOTHING = Lines(b"")


def read(home: str) -> Lines:
    """Return what the index of `home` says; nothing where there is none, or it can't be read. Never fails."""
    try:
        data = files.read_bytes(os.path.join(home, NAME))
    except LogistError:
        data = None
    return NOTHING if data is None else Lines(data)


def note(home: str, job_id: str, lifecycle: Lifecycle, state: bytes, journal_bytes: int) -> None:
    """Note how a job stands that has ended.

    A failure is silent: the job is then read from its directory.

    Args:
        home: The home's path.
        job_id: The job.
        lifecycle: How it ended.
        state: The sealed content of its `state.json`.
        journal_bytes: The length of its journal.
    """
    body = unseal(state.rstrip(b"\n"))
    if body is None:
        return
    name = lifecycle.value.encode("ascii")
    head = b"%s%s%s%s%s%d," % (_HEAD, job_id.encode("ascii"), _AS, name, _BYTES, journal_bytes)
    with suppress(OSError, LogistError):
        # Opened each time: a descriptor that is kept would go on writing to an index that was removed meanwhile.
        fd = files.open_append(os.path.join(home, NAME), os.O_CREAT)
        try:
            os.write(fd, b"\n" + seal(head + body[1:]))  # in one piece, so that two writers' lines don't mix
        finally:
            os.close(fd)


def discard(home: str) -> None:
    """Remove the index; raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(home, NAME))
