"""Finds the few lines of a log that any rule may match. Owns the way from literals back to lines and rules.

Invariant: a line that isn't returned holds no literal in its folded form (`text.folded`). The bytes are searched as
they are. A line where cleaning would join what stands apart, or where a letter is folded that isn't ASCII, is
*awkward*: it is returned in any case, or, as colours are frequent, cleaned and searched once more.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from logist_core.observe.engines import Automaton, Engine, open_engine
from logist_core.observe.literals import Literals
from logist_core.observe.text import AFTER_ESCAPE, CONTROLS, FOLDED_LETTERS, clean_block, folded

_ESCAPE, _NUL = b"\x1b", b"\0"
#: A line that holds one of these is looked at: what cleaning deletes (NUL is looked for by itself, as no engine takes
#: it, escape sequences as well), and letters that equal an ASCII letter.
_AWKWARD = (
    *(bytes([c]) for c in CONTROLS if bytes([c]) not in (_ESCAPE, _NUL)),
    *(b"\xc2" + bytes([c]) for c in range(0x80, 0xA0)),
    *(letter.encode() for letter in FOLDED_LETTERS),
)
_CONTINUATION = bytes(range(0x80, 0xC0))
_NOT_ASCII = bytes(range(0x80, 0x100))


class Prefilter:
    """Where in a text numbered rules are worth trying, and which of them.

    Args:
        literals: Number of a rule and what each line that it matches holds.
    """

    def __init__(self, literals: Iterable[tuple[int, Literals]]) -> None:
        """Build the engine."""
        first: set[bytes] = set()
        self._texts: dict[bytes, int] = {}
        self._groups: list[list[tuple[int, int, frozenset[int]]]] = []
        self._all_needs: dict[int, int] = {}
        for rule, of_rule in literals:
            first.update(of_rule.first)
            self._all_needs[rule] = (1 << len(of_rule.needs)) - 1
            for place, need in enumerate(of_rule.needs):
                for most_telling, *others in need:
                    number = self._number(most_telling)
                    rest = frozenset(self._number(text) for text in others)
                    self._groups[number].append((rule, 1 << place, rest))
        self._engine: Engine | None = open_engine([*sorted(first), *_AWKWARD]) if first else None
        self._split = _splitting_escape(first)
        self._asked = Automaton(list(self._texts), large=False) if self._texts else None

    def _number(self, text: bytes) -> int:
        if text not in self._texts:
            self._texts[text] = len(self._texts)
            self._groups.append([])
        return self._texts[text]

    def lines(self, block: bytes) -> list[tuple[int, int]]:
        """Return the lines that hold a literal of any rule as (start, end), in order.

        Args:
            block: Whole lines, as `text.break_lines` returns them; only the last may lack its line feed.
        """
        if self._engine is None:
            return []
        found: dict[int, int] = {}
        end = -1
        for place in self._engine.find(block):
            if place >= end:
                end = _add_line(block, place, found)
        in_order = len(found)
        place = block.find(_NUL)
        while place >= 0:
            place = block.find(_NUL, _add_line(block, place, found))
        if _ESCAPE in block and (split := self._split_lines(block)):
            self._add_cleaned(block, [item for item in split.items() if item[0] not in found], found)
        return list(found.items()) if len(found) == in_order else sorted(found.items())

    def rules_in(self, line: bytes) -> list[int]:
        """Return the rules that `line`, as `text.haystack` returns it, holds all texts for."""
        if self._asked is None:
            return []
        found = self._asked.numbers_in(line)
        met: dict[int, int] = {}
        for number in found:
            for rule, need, rest in self._groups[number]:
                if rest <= found:
                    met[rule] = met.get(rule, 0) | need
        return [rule for rule, needs in met.items() if needs == self._all_needs[rule]]

    def _add_cleaned(self, block: bytes, places: list[tuple[int, int]], found: dict[int, int]) -> None:
        assert self._engine is not None
        starts, size = [], 0
        cleaned = [folded(clean_block(block[start:end])) for start, end in places]
        for line in cleaned:
            starts.append(size)
            size += len(line) + 1
        for place in self._engine.find(b"\n".join(cleaned)):
            start, end = places[bisect_right(starts, place) - 1]
            found[start] = end

    def _split_lines(self, block: bytes) -> dict[int, int]:
        """Return the lines whose literals an escape sequence may stand in, as start -> end."""
        lines: dict[int, int] = {}
        place = 0
        while match := self._split.search(block, place):
            place = _add_line(block, match.start(), lines)
        return lines


def _add_line(block: bytes, place: int, lines: dict[int, int]) -> int:
    """Add the line around `place`; return its end."""
    end = block.find(b"\n", place)
    if end < 0:
        end = len(block)
    lines[block.rfind(b"\n", 0, place) + 1] = end
    return end


def _splitting_escape(literals: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return what finds escape sequences that may stand inside of a literal, or of a character.

    Those between a word and a blank are the rule, and don't count. A long run of escape sequences counts always: else
    each of them would be looked at as the beginning of all that follow.
    """
    before = {byte for literal in literals for byte in _both_cases(literal[:-1])}
    after = {byte for literal in literals for byte in _both_cases(literal[1:])}
    left = _one_of({*before, *_NOT_ASCII})
    right = _one_of({*after, *_CONTINUATION, 0x1B})
    escape = rb"(?>" + AFTER_ESCAPE + rb"|)"
    # The escape character comes first, and is looked for as fast as memory is read.
    return re.compile(rb"\x1b(?<=" + left + rb"\x1b)" + escape + rb"(?:\x1b" + escape + rb"){0,8}+(?=" + right + rb")")


def _both_cases(text: bytes) -> bytes:
    return text.lower() + text.upper()


def _one_of(characters: set[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes([c])) for c in sorted(characters)) + b"]"
