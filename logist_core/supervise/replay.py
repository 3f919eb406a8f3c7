"""Runs a recorded attempt again, through today's dictionary and sentinel, offline.

Invariant: deterministic. With the rules and the policy of the time it says what was said then, word by word; it writes
nothing into the job's directory, and runs nothing but the plugins' pure parts.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from logist_core.errors import LogistError
from logist_core.sentinel.guard import Guard
from logist_core.sentinel.recording import Begin, Look, Read, recorded
from logist_core.supervise.planfile import load_plan
from logist_core.types.signals import Activity
from logist_core.types.watch import Verdict

if TYPE_CHECKING:
    from logist_core.observe.observer import Observer
    from logist_core.protocols import Sentinel
    from logist_core.supervise.plugins import Plugins
    from logist_core.types.job import JobSpec

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One look, again.

    Attributes:
        look: What was seen and said at the time.
        verdict: What is said of it today.
        activity: What today's dictionary reads in the same output; None: it can't be told.
    """

    look: Look
    verdict: Verdict
    activity: Activity | None

    @property
    def same_verdict(self) -> bool:
        """Whether today's verdict is the recorded one, word by word."""
        return self.verdict == self.look.verdict

    @property
    def same_activity(self) -> bool:
        """Whether today's dictionary reads the recorded activity."""
        return self.activity is None or self.activity.state == self.look.seen.activity.state


def replay(
    directory: str | Path,
    sentinel: Sentinel,
    observe: Callable[[str], Observer] | None,
    *,
    until_s: float | None = None,
) -> Iterator[Replayed]:
    """Yield every recorded look of the attempt in `directory`.

    Where today's dictionary reads another activity out of the same bytes, the sentinel is shown that one.

    Args:
        directory: The attempt's.
        sentinel: Today's policy, with the job's settings.
        observe: Makes an observer of a directory with logs; None: activities are as recorded.
        until_s: End after so many seconds of the attempt.
    """
    guard: Guard | None = None
    with ExitStack() as stack:
        reader: _Reader | None = None
        if observe is not None:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="logist-replay-"))
            reader = stack.enter_context(_Reader(str(directory), scratch, observe))
        for entry in recorded(directory):
            if isinstance(entry, Begin):
                guard = Guard(sentinel, entry.state or None)
                if not entry.first and (reader is None or not reader.began):
                    reader = None  # the reads before were dropped, and the age of claims with them
            elif isinstance(entry, Read):
                if reader is not None:
                    reader.read(entry)
            elif until_s is not None and entry.seen.now_s > until_s:
                return
            elif guard is not None:
                activity = reader.activity(entry.seen.wall) if reader is not None else None
                seen = entry.seen
                if activity is not None and activity.state != seen.activity.state:
                    seen = replace(seen, activity=activity)
                verdict = guard.step(seen)
                if not entry.carried_out:
                    guard.take_back()
                yield Replayed(look=entry, verdict=verdict, activity=activity)


def observer_like(directory: Path, plugins: Plugins, spec: JobSpec) -> Callable[[str], Observer]:
    """Return what makes an observer like that of the attempt in `directory`, with today's dictionary, elsewhere."""

    def make(scratch: str) -> Observer:
        from logist_core.observe.observer import Observer

        plan = load_plan(str(directory))
        return Observer(
            scratch,
            agent=plugins.agent_or_none(spec),
            agent_name=spec.agent,
            output=plan.output,
            pty=plan.pty,
            cols=plan.cols,
            rows=plan.rows,
            matcher=plugins.dictionary(spec).for_agent(spec.agent),
        )

    return make


def attempts_in(directory: Path) -> list[Path]:
    """Return the directories of a job's attempts, oldest first."""
    try:
        found = [path for path in (directory / "attempts").iterdir() if path.name.isdecimal() and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name))


class _Reader:
    """Lets copies of the logs grow as the logs did, and an observer read them at the same moments."""

    def __init__(self, directory: str, scratch: str, observe: Callable[[str], Observer]) -> None:
        self._directory, self._scratch = directory, scratch
        self._observer = observe(scratch)
        self._logs: dict[str, tuple[IO[bytes], IO[bytes]]] = {}
        self._copied = {"out": 0, "err": 0}
        self.began = False

    def __enter__(self) -> _Reader:
        for stream in self._copied:
            source = os.path.join(self._directory, f"{stream}.log")
            if (log := _opened(source)) is not None:
                self._logs[stream] = (log, open(os.path.join(self._scratch, f"{stream}.log"), "wb", buffering=0))
        return self

    def __exit__(self, *_: object) -> None:
        for source, target in self._logs.values():
            target.close()
            source.close()

    def read(self, entry: Read) -> None:
        self.began = True
        for stream, until in (("out", entry.out_bytes), ("err", entry.err_bytes)):
            self._copy(stream, until)
        self._observer.feed(entry.wall)
        while not self._observer.caught_up:
            self._observer.feed(entry.wall)

    def activity(self, wall: float) -> Activity:
        return self._observer.activity(wall)

    def _copy(self, stream: str, until: int) -> None:
        source, target = self._logs.get(stream, (None, None))
        while source is not None and target is not None and self._copied[stream] < until:
            data = source.read(min(_CHUNK, until - self._copied[stream]))
            if not data:
                raise LogistError(f"{stream}.log is shorter than what was read of it", hint="copy the whole directory")
            target.write(data)
            self._copied[stream] += len(data)


def _opened(path: str) -> IO[bytes] | None:
    """Return a log that is open for reading; None where there is no regular file: the directory may be anybody's."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return os.fdopen(fd, "rb")
