"""Derives from a regex the literals of which every match holds one: what the prefilter looks for.

Invariant: sound, or silent. Each line that the regex matches contains one of the literals in its cleaned, lower-cased
form (`text.folded`); where that can't be shown, for a construct that isn't known here as for one that has no fixed
text, there are none.

The regex is read by the parser of the `regex` package itself, so that nobody's idea of the syntax can differ from the
matcher's. Each part of it becomes a few *templates*, the texts that it may match with `ANY` for whatever isn't fixed;
of these the rarest words are chosen that together are in all of them. Templates hold UTF-8, each byte as the character
of its number: a set of characters has no text in common, but may have first bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from logist_core.observe.text import FOLDED_LETTERS
from logist_core.types.signals import Rule

#: Stands for any text, also none, in a template.
ANY = "\0"
#: More templates than this for one part are not followed: what they have in common is noted, and the rest is `ANY`.
_MAX_TEMPLATES = 64
_MAX_TEMPLATE_CHARS = 160
_MAX_LITERAL_BYTES = 32
#: Choices of literals that are remembered below one node.
_MAX_CHOICES = 4
#: So many needs, of groups of so many texts, are asked of a line before the regex is tried.
_MAX_NEEDS, _MAX_GROUP = 2, 3
#: An optional part with more texts than this is `ANY`.
_MAX_OPTIONAL = 4
#: A set of more characters is known by their first bytes, one of more first bytes is `ANY`.
_MAX_SET, _MAX_SET_PREFIXES, _MAX_SET_LOOKED_AT = 8, 24, 1_024

# What breaks a literal: what cleaning removes, and what decoding replaces. Blanks do in what is searched for, as the
# text has runs of them; not in what a line is asked for once it is cleaned.
_BREAK = "\n"
_BREAKS_IN_TEXT = re.compile(r"[\x00-\x1f\x7f-\xa0\ufffd\ud800-\udfff]|(?! )\s")
_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")
_ONE_BLANK = re.compile("  +")
_BREAKS_AND_BLANKS = re.compile(r"[\x00-\x20\x7f]+")
_WORDS = re.compile(r"[0-9a-z_\x80-\xff]+")

# In what part of the lines of code, logs and prose a text is met, roughly: by its length, and more seldom with rare
# letters. Only the choice between literals rests on it.
_BITS_EACH, _BITS_RARE, _BITS_NON_ASCII = 1.6, 2.6, 3.0
_RARE = frozenset("jkqvwxyz")
#: A literal that is met more often than this is none.
_TOO_COMMON = 0.4
#: Each further literal makes the automaton larger.
_EACH = 2.0**-14
# Punctuation is where agents change colours: a line with an escape sequence inside of a literal is read twice.
_PUNCTUATION_PENALTY = 2.0**-13
#: Words that are all over the output of agents, whatever their length says.
_FREQUENT_WORDS = """
    agent and api assistant available build bytes call class code command content context data debug def default
    error errors event fail failed failure false file files for found from function http https import info input
    invalid json key line lines main message model module must name none not null output passed path python
    request required response result results return run running session should size status str string task test
    tests text the this time token tokens tool true type user uuid valid value warning with you your
"""
_FREQUENT = frozenset(_FREQUENT_WORDS.split())
_FREQUENT_COST = 2.0**-5


@dataclass(frozen=True, slots=True)
class Literals:
    """What every line that a regex matches holds, as UTF-8 in lower case.

    Attributes:
        first: One of these words without blanks; empty where nothing is known.
        needs: And of each of these it holds all texts of one of the groups, runs of blanks counted as one. The most
            telling text of a group is the first.
    """

    first: tuple[bytes, ...] = ()
    needs: tuple[tuple[tuple[bytes, ...], ...], ...] = ()


class _Choice:
    """Literals of which every match holds one, and what looking for them costs."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(words)
        self.cost = sum(_cost(word) + _EACH for word in self.words)

    @property
    def literals(self) -> tuple[bytes, ...]:
        return tuple(sorted(_encoded(self.words)))


#: Groups of texts, of one of which a match holds all.
_Need = frozenset[frozenset[str]]


class _Part:
    """What one node of the parsed regex may match."""

    def __init__(self, templates: Iterable[str], choices: Iterable[_Choice] = (), needs: Iterable[_Need] = ()) -> None:
        self.templates = tuple(dict.fromkeys(templates))
        self.choices = sorted(choices, key=lambda choice: choice.cost)[:_MAX_CHOICES]
        self.needs = sorted(set(needs), key=lambda need: (_need_cost(need), len(need)))[:_MAX_CHOICES]

    def best(self) -> _Choice | None:
        """Return the cheapest choice of literals that is in every match of this part, or None."""
        own = _cover(self.templates)
        return min([*self.choices, *([own] if own else [])], key=lambda choice: choice.cost, default=None)

    def all_needs(self) -> list[_Need]:
        """Return what every match of this part holds, the most telling first."""
        own = _need(self.templates)
        return sorted({*self.needs, *([own] if own else [])}, key=lambda need: (_need_cost(need), len(need)))


_UNKNOWN = _Part((ANY,))
_NOTHING = _Part(("",))


@lru_cache(maxsize=4096)
def literals_of(source: str, *, last_line: bool = False) -> Literals:
    """Return what is in every line that the regex matches; empty where that can't be shown, which is no error.

    Args:
        source: A rule's regex.
        last_line: The regex sees several lines and its match reaches into the last one: the literals have to be in
            that one, so that only what follows the regex's last possible line break counts.
    """
    try:
        parsed = _parsed(source)
    except Exception:  # noqa: BLE001 - a parser that isn't ours: whatever it raises, nothing is known
        return Literals()
    if parsed is None:
        return Literals()
    part = _last_line_part(parsed) if last_line else _part(parsed)
    first = part.best()
    if first is None:
        return Literals()
    needs = part.all_needs()[:_MAX_NEEDS] or [frozenset(frozenset([word]) for word in first.words)]
    return Literals(first.literals, tuple(tuple(sorted(map(_encoded, need))) for need in needs))


def rule_literals(rule: Rule) -> Literals:
    """Return what to look for on behalf of `rule`: derived from its regex, else what it names itself."""
    derived = literals_of(rule.regex, last_line=rule.before > 0)
    if derived.first or not rule.literals:
        return derived
    words = [word_of(literal) for literal in rule.literals]
    if not all(words):
        return derived
    first = tuple(sorted({word for word in words if word}))
    return Literals(first, (tuple((word,) for word in first),))


def word_of(literal: str) -> bytes | None:
    """Return the rarest piece of a hand-written literal that can be looked for, or None."""
    if any(_folds(c) for c in literal):
        return None
    best = _cover(["".join(_character(ord(c), 0) for c in literal)])
    return best.literals[0] if best else None


def _parsed(source: str) -> Any:
    from regex import _regex_core as core  # type: ignore[import-untyped]

    flags = core.VERSION0 | core.MULTILINE
    while True:
        text = core.Source(source)
        info = core.Info(flags, text.char_type, {})
        info.guess_encoding = core.UNICODE
        text.ignore_space = bool(info.flags & core.VERBOSE)
        try:
            parsed = core._parse_pattern(text, info)
        except core._UnscopedFlagSet:
            flags = info.global_flags
            continue
        return parsed if text.at_end() and not info.flags & core.REVERSE else None


def _part(node: Any) -> _Part:
    from regex import _regex_core as core

    kind = type(node)
    if kind is core.Sequence:
        return _sequence(_part(item) for item in node.items)
    if kind is core.Branch:
        return _branch([_part(branch) for branch in node.branches])
    if kind in (core.Group, core.Atomic):
        return _part(node.subpattern)
    if kind in (core.GreedyRepeat, core.LazyRepeat, core.PossessiveRepeat):
        return _repeat(_part(node.subpattern), node.min_count, node.max_count)
    if kind is core.Character:
        text = _character(node.value, node.case_flags) if node.positive and not node.zerowidth else ANY
        return _Part((text,))
    if kind in (core.String, core.Literal):
        return _Part(("".join(_character(value, node.case_flags) for value in node.characters),))
    if kind is core.SetUnion and node.positive and not node.zerowidth:
        return _set(node.items, node.case_flags)
    if kind is core.Range and node.positive and not node.zerowidth:
        return _set((node,), node.case_flags)
    if kind is core.LookAround or isinstance(node, core.ZeroWidthBase):
        return _NOTHING
    return _UNKNOWN


def _sequence(parts: Iterable[_Part]) -> _Part:
    texts: list[str] = [""]
    choices: list[_Choice] = []
    needs: list[_Need] = []
    for part in parts:
        choices += part.choices
        needs += part.needs
        too_many = len(texts) * len(part.templates) > _MAX_TEMPLATES
        if too_many or max(map(len, texts)) > _MAX_TEMPLATE_CHARS:
            if choice := _cover(texts):
                choices.append(choice)
            if need := _need(texts):
                needs.append(need)
            texts = [ANY]
        texts = list(dict.fromkeys(_joined(a, b) for a in texts for b in part.templates))
    return _Part(texts, choices, needs)


def _joined(a: str, b: str) -> str:
    return a + b[1:] if a.endswith(ANY) and b.startswith(ANY) else a + b


def _branch(parts: list[_Part]) -> _Part:
    templates = list(dict.fromkeys(text for part in parts for text in part.templates))
    choices, needs = [], []
    best = [part.best() for part in parts]
    if all(best):
        choices.append(_Choice(word for choice in best if choice for word in choice.words))
    most_telling = [part.all_needs()[:1] for part in parts]
    if all(most_telling):
        need = frozenset(group for (need,) in most_telling for group in need)
        needs += [need] if len(need) <= _MAX_TEMPLATES else []
    return _Part(templates if len(templates) <= _MAX_TEMPLATES else (ANY,), choices, needs)


def _repeat(part: _Part, least: int, most: int | None) -> _Part:
    if least == 0:
        few = most == 1 and len(part.templates) <= _MAX_OPTIONAL and not any(ANY in text for text in part.templates)
        return _Part(("", *part.templates)) if few else _UNKNOWN
    if most == 1:
        return part
    if least == most and least <= _MAX_OPTIONAL:
        return _sequence([part] * least)
    return _sequence([part, _UNKNOWN])


def _set(members: Iterable[Any], case_flags: int) -> _Part:
    from regex import _regex_core as core

    values: list[tuple[int, int]] = []
    for member in members:
        if type(member) is core.Character and member.positive:
            values.append((member.value, member.case_flags))
        elif type(member) is core.Range and member.positive and member.upper - member.lower < _MAX_SET_LOOKED_AT:
            values += [(value, member.case_flags) for value in range(member.lower, member.upper + 1)]
        else:
            return _UNKNOWN
        if len(values) > _MAX_SET_LOOKED_AT:
            return _UNKNOWN
    texts = {_character(value, flags | case_flags) for value, flags in values}
    if len(texts) > _MAX_SET:
        texts = {text[:2] + ANY if len(text) > 2 else text for text in texts}
    return _Part(sorted(texts)) if len(texts) <= _MAX_SET_PREFIXES else _UNKNOWN


@lru_cache(maxsize=8192)
def _character(value: int, case_flags: int) -> str:
    """Return a character as its bytes are in a folded line, `ANY` where that isn't sure."""
    from regex import _regex_core as core

    character = chr(value)
    if case_flags & core.IGNORECASE:
        if case_flags & core.FULLCASE or _folds(character):
            return ANY  # one character may equal two, or one that isn't folded
    elif character in FOLDED_LETTERS:
        return FOLDED_LETTERS[character]
    if _BREAKS_IN_TEXT.match(character):
        return _BREAK
    return character.lower() if character.isascii() else character.encode().decode("latin-1")


def _folds(character: str) -> bool:
    """Whether a character that isn't ASCII may equal others in a regex that ignores case."""
    import unicodedata

    if character.isascii():
        return False
    same = character.lower() == character.upper() == character.casefold() == character
    return not same or unicodedata.category(character)[0] not in "SPN"


def _last_line_part(node: Any) -> _Part:
    """Return the end of the regex in which no line break can be: it is matched in one line, the last."""
    from regex import _regex_core as core

    kind = type(node)
    if not _may_break_lines(node):
        return _part(node)
    if kind is core.Sequence:
        breaks = max(place for place, item in enumerate(node.items) if _may_break_lines(item))
        return _sequence([_last_line_part(node.items[breaks]), *map(_part, node.items[breaks + 1 :])])
    if kind is core.Branch:
        return _branch([_last_line_part(branch) for branch in node.branches])
    if kind in (core.Group, core.Atomic):
        return _last_line_part(node.subpattern)
    return _UNKNOWN


def _may_break_lines(node: Any) -> bool:
    """Whether a node may match a line feed; also where that isn't known."""
    from regex import _regex_core as core

    kind = type(node)
    if kind is core.Sequence:
        return any(_may_break_lines(item) for item in node.items)
    if kind is core.Branch:
        return any(_may_break_lines(branch) for branch in node.branches)
    if kind in (core.Group, core.Atomic, core.GreedyRepeat, core.LazyRepeat, core.PossessiveRepeat):
        return _may_break_lines(node.subpattern)
    if kind is core.LookAround or isinstance(node, core.ZeroWidthBase):
        return False
    if kind in (core.String, core.Literal):
        return 10 in node.characters
    if kind is core.SetUnion and not node.positive:
        return not any(_is_line_feed(member) for member in node.items)
    if kind is core.SetUnion:
        return any(_may_break_lines(member) for member in node.items)
    if kind is core.Character:
        return (node.value == 10) is bool(node.positive)
    if kind is core.Range:
        return (node.lower <= 10 <= node.upper) is bool(node.positive)
    if kind is core.Property:
        return (bool(node.positive), node.value) not in _properties_without_line_feed()
    return kind is not core.Any  # the dot, without (?s)


def _is_line_feed(member: Any) -> bool:
    from regex import _regex_core as core

    if type(member) is core.Property:
        return bool(member.positive) and (False, member.value) in _properties_without_line_feed()  # \s in a set
    return type(member) is core.Character and bool(member.positive) and member.value == 10


@lru_cache(maxsize=1)
def _properties_without_line_feed() -> frozenset[tuple[bool, int]]:
    """Return what the parser makes of `\\d`, `\\w` and `\\S`, as (positive, value)."""
    found = set()
    for escape in (r"\d", r"\w", r"\S"):
        node = _parsed(escape)
        while hasattr(node, "items"):
            (node,) = node.items
        found.add((bool(node.positive), node.value))
    return frozenset(found)


def _encoded(words: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(word.encode("latin-1") for word in sorted(words, key=lambda word: (_cost(word), word)))


def _need(templates: Iterable[str]) -> _Need | None:
    """Return what each of the templates holds, as groups; None: one of them holds nothing that is fixed."""
    groups = {_phrases(text) for text in templates}
    if not all(groups):
        return None
    return frozenset(group for group in groups if not any(other < group for other in groups))


@lru_cache(maxsize=65_536)
def _phrases(template: str) -> frozenset[str]:
    found = (piece.strip(" ") for piece in _BREAKS.split(template))
    phrases = {_ONE_BLANK.sub(" ", piece) for piece in found if len(piece) > 1}
    return frozenset(sorted(phrases, key=lambda phrase: (-len(phrase), phrase))[:_MAX_GROUP])


def _need_cost(need: _Need) -> float:
    return sum(math.prod(_cost(text) for text in group) for group in need)


def _cover(templates: Iterable[str]) -> _Choice | None:
    """Return the cheapest literals that together are in all templates, found greedily; None: one has no literal."""
    left: list[frozenset[str]] = [_words(text) for text in dict.fromkeys(templates)]
    if not all(left):
        return None
    where: dict[str, set[int]] = {}
    for number, words in enumerate(left):
        for word in words:
            where.setdefault(word, set()).add(number)
    for word, numbers in where.items():  # a word is also in what holds it
        numbers.update(*(more for other, more in where.items() if len(other) > len(word) and word in other))
    chosen: list[str] = []
    missing = set(range(len(left)))
    while missing:
        found = [(_cost(word) + _EACH, word) for word, numbers in where.items() if numbers & missing]
        if not found:
            return None
        _, best = min((cost / len(where[word] & missing), word) for cost, word in found)
        chosen.append(best)
        missing -= where[best]
    return _Choice(chosen) if chosen else None


@lru_cache(maxsize=65_536)
def _words(template: str) -> frozenset[str]:
    """Return what of a template can be looked for: its pieces between blanks, and the words in these."""
    pieces = {piece for piece in _BREAKS_AND_BLANKS.split(template) if piece}
    words = pieces.union(*(_WORDS.findall(piece) for piece in pieces)) if pieces else pieces
    return frozenset(word[:_MAX_LITERAL_BYTES] for word in words if _cost(word) <= _TOO_COMMON)


@lru_cache(maxsize=65_536)
def _cost(word: str) -> float:
    bits = -1.0
    for character in word[:12]:
        if not character.isascii():
            bits += _BITS_NON_ASCII
        else:
            bits += _BITS_EACH if character not in _RARE and character.isalpha() else _BITS_RARE
    cost: float = min(1.0, 2.0**-bits)
    if word.strip("_-./:\"',;()[]") in _FREQUENT:
        cost = max(cost, _FREQUENT_COST)
    return cost if _WORDS.fullmatch(word) else cost + _PUNCTUATION_PENALTY
