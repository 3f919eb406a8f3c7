"""Notices that an agent's steps repeat one another: its actions and errors, or, for want of these, its lines of output.

Invariant: what is remembered is bounded, and what it says depends on the order of the steps alone, not on when they
were read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping

from logist_core.types._json import JSON
from logist_core.types.watch import Loop

#: Rounds of at most so many steps are noticed.
LONGEST_ROUND = 4
#: So many different lines may repeat one another; more are a listing, a table, a log.
MOST_LINES = 6
#: Beside errors there may be more: an error brings its stack trace along.
MOST_BESIDE_ERRORS = 40

#: Words of an error; "0 failed" is none, and neither is "0 errors".
_ERROR = re.compile(
    r"(?<!\b0 )(?<!\bno )(?:(?:error|exception|errno)\b|\b(?:fail(?:ed|ure)?|fatal|refused|denied|cannot|can't|unable"
    r"|not found|invalid|panic|timed out)\b|(?-i:\bE[A-Z]{4,}\b))",
    re.IGNORECASE,
)
_SHOWN_CHARS = 120
_SEARCHED_CHARS = 400


class Repeats:
    """Counts, for rounds of 1 to `LONGEST_ROUND` steps, how long the steps have repeated those a round before."""

    def __init__(self, saved: Mapping[str, JSON] | None = None) -> None:
        """Begin with what `plain` returned, or with nothing."""
        saved = saved or {}
        self._last: deque[tuple[str, bool]] = deque(
            ((str(text), bool(failing)) for text, failing in saved.get("last", ())), maxlen=LONGEST_ROUND
        )
        runs = [int(run) for run in saved.get("runs", ())]
        self._runs = (runs + [0] * LONGEST_ROUND)[:LONGEST_ROUND]

    def add(self, key: str, *, failing: bool) -> None:
        """Take in the next step."""
        last = self._last
        for size in range(1, LONGEST_ROUND + 1):
            again = len(last) >= size and last[-size] == (key, failing)
            self._runs[size - 1] = self._runs[size - 1] + 1 if again else 0
        last.append((key, failing))

    def loop(self) -> Loop | None:
        """Return the round that the last steps went through at least twice; the shortest that explains most."""
        covered, size = max((run + at if run >= at else 0, -at) for at, run in enumerate(self._runs, start=1))
        if not covered:
            return None
        steps = list(self._last)[size:]
        return Loop(
            steps=tuple(text for text, _ in steps), times=covered // -size, failing=all(failing for _, failing in steps)
        )

    def plain(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return {"last": [[text, failing] for text, failing in self._last], "runs": list(self._runs)}


class Echoes:
    """Counts lines of output that are no news, since the last one that was.

    A line that speaks of an error counts without its numbers and times. Any other counts only word for word, and only
    together with another one: a line of dots, a bar or a "still working, 40 s" that comes again is no loop.
    """

    def __init__(self, saved: Mapping[str, JSON] | None = None) -> None:
        """Begin with what `plain` returned, or with nothing."""
        saved = saved or {}
        self._errors = _counts(saved.get("errors"))
        self._exact = _counts(saved.get("exact"))
        self._kinds = _counts(saved.get("kinds"))

    def forget(self) -> None:
        """Begin anew: there was news."""
        if self._kinds:
            self._errors, self._exact, self._kinds = {}, {}, {}

    def add(self, line: str, normalised: str) -> None:
        """Take in a line that is no news."""
        if not normalised:
            return
        _count(self._kinds, normalised[:_SHOWN_CHARS], MOST_BESIDE_ERRORS)
        if _ERROR.search(line[:_SEARCHED_CHARS]):
            _count(self._errors, normalised[:_SHOWN_CHARS], MOST_LINES)
        else:
            _count(self._exact, line.strip()[:_SHOWN_CHARS], MOST_LINES)

    def loop(self) -> Loop | None:
        """Return what is printed over and over again, errors before anything else."""
        if self._errors:
            if len(self._errors) > MOST_LINES or len(self._kinds) > MOST_BESIDE_ERRORS:
                return None
            times = max(self._errors.values())
            steps = [line for line, count in self._errors.items() if 2 * count > times]
        elif 2 <= len(self._exact) <= MOST_LINES:
            times, steps = min(self._exact.values()), list(self._exact)
        else:
            return None
        return Loop(steps=tuple(steps), times=times, failing=bool(self._errors), source="output") if times > 1 else None

    def plain(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return {"errors": dict(self._errors), "exact": dict(self._exact), "kinds": dict(self._kinds)}


def _count(counts: dict[str, int], line: str, most: int) -> None:
    # One more than `most` says that there are too many; more needn't be remembered.
    if line in counts or len(counts) <= most:
        counts[line] = counts.get(line, 0) + 1


def _counts(saved: Mapping[str, int] | None) -> dict[str, int]:
    return {str(line): int(count) for line, count in (saved or {}).items()}
