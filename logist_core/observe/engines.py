"""Finds many literals at once in large pieces of text. Owns the choice between the portable engine and the fast one.

Invariant: all engines return the same. The fast one is used where it is installed and passes its self-test; that can
be overruled by `LOGIST_ENGINE`, which is `portable` or `fast`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

#: Which engine to use; anything but the names of `ENGINES` means: the fastest that works.
VARIABLE = "LOGIST_ENGINE"


class Engine(Protocol):
    """Looks for the literals that it was made with.

    Attributes:
        name: `portable` or `fast`.
    """

    name: str

    def find(self, lines: bytes) -> Iterable[int]:
        """Return a place in each line that holds a literal, ASCII letters in either case; in order of the lines.

        Perhaps several in one line. A place is that of a byte of the literal.
        """
        ...


class Automaton:
    """An Aho-Corasick automaton (`ahocorasick-rs`).

    Args:
        texts: What to look for; one at least, none of them empty.
        large: It is for large inputs: a table of all transitions, which takes ten times as long to build.
    """

    def __init__(self, texts: Sequence[bytes], *, large: bool) -> None:
        """Build it."""
        from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

        implementation = Implementation.DFA if large else Implementation.ContiguousNFA
        self._automaton = BytesAhoCorasick(list(texts), matchkind=MatchKind.Standard, implementation=implementation)

    def places_in(self, text: bytes) -> list[int]:
        """Return places of texts, in order; of such as overlap only some."""
        return [place for _, place, _ in self._automaton.find_matches_as_indexes(text)]

    def numbers_in(self, text: bytes) -> set[int]:
        """Return which texts are in `text`."""
        return {number for number, _, _ in self._automaton.find_matches_as_indexes(text, overlapping=True)}


class PortableEngine:
    """The automaton: on every machine for which Logist is made."""

    name = "portable"

    def __init__(self, literals: Sequence[bytes]) -> None:
        """Build it; the literals are in lower case."""
        self._automaton = Automaton(literals, large=True)

    def find(self, lines: bytes) -> Iterable[int]:
        """See `Engine.find`."""
        return self._automaton.places_in(lines.lower())


class FastEngine:
    """Hyperscan's literal matcher, from the extra `logist-core[fast]`: several times as fast, x86-64 only.

    The binding keeps neither the callback nor what it was made of alive while it scans: both belong to this object.

    Raises:
        ImportError: It isn't installed, or not for this machine.
        RuntimeError: It is, and doesn't work.
    """

    name = "fast"

    def __init__(self, literals: Sequence[bytes]) -> None:
        """Compile the literals; they are in lower case."""
        hyperscan: Any = import_module("hyperscan")
        self._literals = list(literals)
        self._ids = list(range(len(self._literals)))
        self._flags = [hyperscan.HS_FLAG_CASELESS] * len(self._literals)
        self._found: list[int] = []
        self._callback = self._on_match
        self._lock = threading.Lock()
        try:
            self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            self._database.compile(expressions=self._literals, ids=self._ids, flags=self._flags, literal=True)
        except Exception as error:  # an extension module's own error classes
            raise RuntimeError(f"hyperscan: {error}") from error

    def _on_match(self, _number: int, _start: int, end: int, _flags: int, _context: object) -> None:
        self._found.append(end - 1)

    def find(self, lines: bytes) -> Iterable[int]:
        """See `Engine.find`."""
        with self._lock:  # a database has one scratch space
            self._found = []
            self._database.scan(lines, match_event_handler=self._callback)
            return self._found


ENGINES: dict[str, type[PortableEngine] | type[FastEngine]] = {"fast": FastEngine, "portable": PortableEngine}


def open_engine(literals: Sequence[bytes]) -> Engine:
    """Return the fastest engine that works here, with these literals; there must be one at least."""
    if engine_name() == FastEngine.name:
        try:
            return FastEngine(literals)
        except (ImportError, RuntimeError):  # literals that it alone can't take
            pass
    return PortableEngine(literals)


def engine_name() -> str:
    """Return the name of the engine that is used."""
    wanted = os.environ.get(VARIABLE, "")
    return wanted if wanted in ENGINES else _fastest()


@lru_cache(maxsize=1)
def _fastest() -> str:
    return FastEngine.name if works(FastEngine) else PortableEngine.name


def works(engine: type[PortableEngine] | type[FastEngine]) -> bool:
    """Whether an engine can be loaded, and finds what has to be found in a short text."""
    try:
        text = b"no\nLIMIT\nLi\nmit \xe2\x9d\xaf\n\xe2\x9d\xaf"
        places = list(engine([b"limit", b"mit", b"\xe2\x9d\xaf"]).find(text))
        return places == sorted(places) and {text.count(b"\n", 0, place) for place in places} == {1, 3, 4}
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it isn't used
        return False
