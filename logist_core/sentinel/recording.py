"""The record of what a sentinel saw and said, from which every verdict can be made again. Owns its files' format.

Invariants: it is bounded (two segments of `SEGMENT_BYTES`); each segment begins with the policy's memory and a whole
observation, so that it stands alone; a line that was lost or torn ends what can be read of a segment, never more.

A line is a JSON list. `["begin", {...}]`: whose memory follows, and which. `["read", wall, out_bytes, err_bytes]`: the
logs had been read so far. `["look", changes, verdict, carried_out]`: an observation, as what changed in it since the
one before; the verdict, where it is worded otherwise than the one before; whether the supervisor did as it was told.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from logist_core.jobs.files import read_bytes
from logist_core.types._json import JSON, plain, rebuilt
from logist_core.types.watch import Observation, Verdict

FILE = "sentinel.rec"
OLDER_FILE = "sentinel.rec.1"
SEGMENT_BYTES = 512 * 1024
_BUFFERED_BYTES = 8 * 1024
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Begin:
    """A segment begins, or another supervisor goes on.

    Attributes:
        state: The policy's memory.
        first: Nothing of the attempt was recorded before, or dropped.
    """

    state: Mapping[str, JSON]
    first: bool


@dataclass(frozen=True, slots=True)
class Read:
    """So many bytes of each log had been read at that Unix time."""

    wall: float
    out_bytes: int
    err_bytes: int


@dataclass(frozen=True, slots=True)
class Look:
    """One look of the sentinel, and what it said then."""

    seen: Observation
    verdict: Verdict
    carried_out: bool


class Recorder:
    """Writes the record of one attempt. What can't be written is left out; nothing fails for it."""

    def __init__(
        self,
        directory: str | Path,
        state: Callable[[], Mapping[str, JSON] | None],
        scrub: Callable[[JSON], JSON] = lambda entry: entry,
    ) -> None:
        """Record in `directory`; `state` returns the policy's memory as it is now; `scrub` takes secrets out."""
        self._scrub = scrub
        self._path = os.path.join(directory, FILE)
        self._older = os.path.join(directory, OLDER_FILE)
        self._state = state
        self._lines: list[bytes] = []
        self._size = 0
        self._bytes = 0
        self._before: dict[str, JSON] | None = None
        self._said: JSON = None
        self._first = True

    def read(self, wall: float, out_bytes: int, err_bytes: int) -> None:
        """Note that the logs were read."""
        self._put(["read", wall, out_bytes, err_bytes])

    def begin(self) -> None:
        """Note the policy's memory: before its first look, and when this record is cut."""
        with contextlib.suppress(OSError):
            if self._first:
                self._bytes = os.stat(self._path).st_size
                self._first = False
        self._before, self._said = None, None
        self._put(["begin", {"schema": _SCHEMA, "state": self._state(), "first": self._first}])
        self._first = False

    def look(self, seen: Observation, verdict: Verdict, *, carried_out: bool = True) -> None:
        """Note a look."""
        now, said = plain(seen), plain(verdict)
        self._put(["look", _changes(self._before, now), None if said == self._said else said, carried_out])
        self._before, self._said = now, said
        if self._bytes + self._size > SEGMENT_BYTES:
            self._cut()

    def flush(self) -> None:
        """Put what is gathered into the file."""
        if not self._lines:
            return
        data = b"\n" + b"".join(self._lines)
        self._lines, self._size = [], 0
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(self._path, flags, 0o600)
            try:
                written = os.write(fd, data)
            finally:
                os.close(fd)
            self._bytes += written
        except OSError:
            written = 0
        if written < len(data):
            self._before = self._said = None  # the next look stands alone again
            begin = self._scrub(["begin", {"schema": _SCHEMA, "state": self._state(), "first": False}])
            self._lines = [_line(begin)]

    def _put(self, entry: JSON) -> None:
        line = _line(self._scrub(entry))
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BUFFERED_BYTES:
            self.flush()

    def _cut(self) -> None:
        self.flush()
        with contextlib.suppress(OSError):
            os.replace(self._path, self._older)
        self._bytes = 0
        self.begin()


def recorded(directory: str | Path) -> Iterator[Begin | Read | Look]:
    """Yield what was recorded of an attempt, oldest first.

    Raises:
        CorruptRecord: A file isn't a regular one.
        LogistError: It can't be read.
    """
    before: dict[str, JSON] = {}
    said: JSON = None
    sound = False
    for name in (OLDER_FILE, FILE):
        for line in (read_bytes(os.path.join(directory, name)) or b"").splitlines():
            entry = _entry(line)
            if entry is None:
                sound = sound and not line.strip()
            elif entry[0] == "begin" and entry[1].get("schema") == _SCHEMA:
                before, said, sound = {}, None, True
                yield Begin(entry[1].get("state") or {}, bool(entry[1].get("first")))
            elif entry[0] == "read":
                yield Read(float(entry[1]), int(entry[2]), int(entry[3]))
            elif entry[0] == "look" and sound:
                before = _changed(before, entry[1])
                said = entry[2] if entry[2] is not None else said
                try:
                    look = Look(rebuilt(Observation, before), rebuilt(Verdict, said), bool(entry[3]))
                except (TypeError, ValueError, KeyError, AttributeError):
                    sound = False  # of another version
                else:
                    yield look


def _line(entry: JSON) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode("ascii") + b"\n"


def _entry(line: bytes) -> JSON:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    lengths = {"begin": 2, "read": 4, "look": 4}
    if not isinstance(entry, list) or not entry or lengths.get(str(entry[0])) != len(entry):
        return None
    if entry[0] == "read":
        return entry if all(isinstance(item, int | float) for item in entry[1:]) else None
    return entry if isinstance(entry[1], dict) else None


def _changes(before: dict[str, JSON] | None, now: dict[str, JSON]) -> dict[str, JSON]:
    if before is None:
        return now
    changes: dict[str, JSON] = {}
    for name, value in now.items():
        old = before.get(name)
        if value == old:
            continue
        if isinstance(value, dict) and isinstance(old, dict) and value.keys() == old.keys():
            changes[name] = {k: v for k, v in value.items() if v != old[k]}
        else:
            changes[name] = value
    return changes


def _changed(before: Mapping[str, JSON], changes: Mapping[str, JSON]) -> dict[str, JSON]:
    now = dict(before)
    for name, value in changes.items():
        old = now.get(name)
        now[name] = {**old, **value} if isinstance(value, dict) and isinstance(old, dict) else value
    return now
