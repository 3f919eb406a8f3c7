"""The journal of a job: an append-only file of JSON lines, each with its own checksum.

Invariants:
    * What `append` has returned for is on the disk, and no later failure loses it.
    * The lines of one `append` count together or not at all: each carries in `more` how many of its companions
      follow, and a reader ignores a last group that isn't complete.
    * A last line that was cut (a kill, a full disk, a power cut) is ignored by readers and cut off by the next
      `append`, so that no good line is ever joined to it.
    * A line that is wrong *before* a good one is no accident of ours: it is a `CorruptRecord`, and nothing is changed.

A line is

    {"v":1,"seq":7,"at":...,"boot_s":...,"boot_id":"...","writer":"...","kind":"...","data":{...},"crc":"89abcdef"}

with `"more":2` before `data` where companions follow. The checksum is the CRC-32 of the line's bytes with the
`,"crc":"89abcdef"` taken out. `v` comes first in every version of this format, so that a reader can tell what it
can't read.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from logist_core.errors import CorruptRecord, Locked, LogistError, NewerVersion
from logist_core.jobs import files
from logist_core.jobs.checksum import seal, unseal
from logist_core.platform import sync_data
from logist_core.types._json import JSON, plain
from logist_core.types.job import JobEvent

FORMAT = 1

_VERSION_KEY = b'{"v":'


@dataclass(slots=True)
class Scan:
    """What was found in a journal.

    Attributes:
        events: All events of complete groups, up to the first problem.
        good_bytes: Where the last complete group ends.
        size: Length of what was scanned, bytes, offset included; more than `good_bytes` where a tail is torn.
        problem: Why the rest can't be read, or None. A torn tail is none.
    """

    events: list[JobEvent]
    good_bytes: int
    size: int
    problem: LogistError | None = None


def clean(data: Mapping[str, object]) -> dict[str, JSON]:
    """Return event data as it will be read back from the journal.

    Records become objects, tuples lists, enums their value. NaN and the infinities, which an agent's output may well
    hold and which JSON doesn't have, become null: unknown.
    """
    flat = plain(data)
    try:
        text = json.dumps(flat, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(flat), allow_nan=False)
    result: dict[str, JSON] = json.loads(text)
    return result


def _finite(value: JSON) -> JSON:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def encode(event: JobEvent, more: int = 0) -> bytes:
    """Return the line of `event`, of whose group `more` lines follow."""
    record: dict[str, JSON] = {
        "v": FORMAT,
        "seq": event.seq,
        "at": event.at,
        "boot_s": event.boot_s,
        "boot_id": event.boot_id,
        "writer": event.writer,
        "kind": event.kind,
    }
    if more:
        record["more"] = more
    record["data"] = event.data
    return seal(json.dumps(record, allow_nan=False, separators=(",", ":")).encode("ascii"))


def encode_group(events: Sequence[JobEvent]) -> bytes:
    """Return the lines of `events` as one group."""
    return b"".join(encode(event, len(events) - n) for n, event in enumerate(events, start=1))


def _decode(line: bytes) -> tuple[JobEvent, int] | None:
    """Return the event of a line without its newline, and how many of its group follow; None: the line is bad."""
    body = unseal(line)
    if body is None:
        return None
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return _event_of(record)


def _event_of(record: JSON) -> tuple[JobEvent, int] | None:
    try:
        event = JobEvent(
            seq=record["seq"],
            at=record["at"],
            boot_s=record["boot_s"],
            boot_id=record["boot_id"],
            writer=record["writer"],
            kind=record["kind"],
            data=record["data"],
        )
        more = record.get("more", 0)
    except (KeyError, TypeError, AttributeError):
        return None
    ok = (
        type(event.seq) is int
        and type(more) is int
        and more >= 0
        and isinstance(event.at, int | float)
        and isinstance(event.boot_s, int | float)
        and isinstance(event.boot_id, str)
        and isinstance(event.writer, str)
        and isinstance(event.kind, str)
        and isinstance(event.data, dict)
    )
    return (event, more) if ok else None


def _is_newer(line: bytes) -> bool:
    """Say whether a newer version began this line. It may be cut, and its checksum may be of another kind."""
    if not line.startswith(_VERSION_KEY):
        return False
    digits = line[len(_VERSION_KEY) : len(_VERSION_KEY) + 9].split(b",", 1)[0]
    return digits.isdigit() and int(digits) > FORMAT


def scan(data: bytes, path: str, *, after_seq: int = 0, offset: int = 0) -> Scan:
    """Read the lines in `data`.

    Args:
        data: The journal's bytes from `offset` on; `offset` is the end of a complete group.
        path: For messages.
        after_seq: The number of the last event before `offset`.
        offset: Where `data` begins in the file.
    """
    result = Scan(events=[], good_bytes=offset, size=offset + len(data))
    group: list[JobEvent] = []
    expected_more: int | None = None
    position = 0
    number = 0
    while (end := data.find(b"\n", position)) >= 0:
        line = data[position:end]
        number += 1
        if _is_newer(line):
            result.problem = _newer(path)
            return result
        decoded = _decode(line)
        if decoded is None:
            result.problem = _judge_bad_line(data[end + 1 :], path, number, offset)
            return result
        event, more = decoded
        expected_seq = after_seq + len(result.events) + len(group) + 1
        if event.seq != expected_seq or (expected_more is not None and more != expected_more):
            what = f"event {event.seq} stands where event {expected_seq} should"
            result.problem = _corrupt(path, number, offset, what)
            return result
        group.append(event)
        expected_more = more - 1 if more else None
        position = end + 1
        if not more:
            result.events.extend(group)
            group.clear()
            result.good_bytes = offset + position
    if _is_newer(data[position:]):
        result.problem = _newer(path)
    return result


def _judge_bad_line(rest: bytes, path: str, number: int, offset: int) -> LogistError | None:
    """Say what a bad line means: damage where a good line follows, a torn tail (None) where none does."""
    for line in rest.split(b"\n"):
        if _is_newer(line):
            return _newer(path)
        if _decode(line) is not None:
            return _corrupt(path, number, offset, "its checksum is wrong")
    return None


def _corrupt(path: str, number: int, offset: int, what: str) -> CorruptRecord:
    where = f"line {number}" if not offset else f"line {number} after byte {offset}"
    return CorruptRecord(
        f"{path}, {where}: {what}", hint="the lines before it are intact; `logist rm --force JOB` gives the job up"
    )


def _newer(path: str) -> NewerVersion:
    return NewerVersion(f"{path} was written by a newer version of Logist", hint="pip install --upgrade logist-core")


def read(path: str) -> Scan:
    """Read a whole journal; never changes it.

    Raises:
        CorruptRecord: There is no journal, or it isn't a regular file.
    """
    data = files.read_bytes(path)
    if data is None:
        raise CorruptRecord(f"{path} is missing", hint="`logist rm --force JOB` gives the job up")
    return scan(data, path)


def append(path: str, events: Sequence[JobEvent], *, good_bytes: int) -> int:
    """Append `events` as one group and put them on the disk; return the journal's new length in bytes.

    Call with the job's lock held. What lies behind `good_bytes`, a torn tail, is cut off first; if whole lines are in
    it, they are kept in `<path>.torn`, for they may tell somebody what happened.

    Raises:
        Locked: Another process has appended since `good_bytes` was read: the lock's file was removed under us.
        LogistError: It failed; the journal is as it was (or has a torn tail, which doesn't count).
    """
    fd = -1
    try:
        fd = files.open_append(path)
        _cut_torn_tail(fd, path, good_bytes, events[0].seq - 1)
        data = encode_group(events)
        try:
            files.write_all(fd, data)
            sync_data(fd)
        except OSError:
            # Not tried again: after a failed sync the kernel may call pages clean that never reached the disk.
            with suppress(OSError):
                os.ftruncate(fd, good_bytes)
            raise
        return good_bytes + len(data)
    except OSError as error:
        raise files.failed("append to", path, error) from error
    finally:
        if fd >= 0:
            os.close(fd)


def _cut_torn_tail(fd: int, path: str, good_bytes: int, after_seq: int) -> None:
    size = os.fstat(fd).st_size
    if size < good_bytes:
        raise CorruptRecord(f"{path} has lost its end: {size} bytes where {good_bytes} were written")
    if size == good_bytes:
        return
    tail = os.pread(fd, size - good_bytes, good_bytes)
    if scan(tail, path, after_seq=after_seq, offset=good_bytes).events:
        # Whole groups: no kill leaves those. Somebody holds a lock of that name as well, whose file was removed.
        raise Locked(f"{path} was written by another process meanwhile", hint="try again in a moment")
    if b"\n" in tail:
        files.append_bytes(f"{path}.torn", tail)
    os.ftruncate(fd, good_bytes)
