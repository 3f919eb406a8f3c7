"""The dictionary: which rules a text hits. Owns rule selection, the prefilter and the confirming match.

Invariant: `Matcher.scan` returns exactly what trying every rule on every line would return (`Matcher.naive`), for
any text, as long as each rule's literals are sound. The prefilter only decides where it is worth looking.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from logist_core.observe.quoting import quoted_as
from logist_core.observe.text import break_lines, clean_block, haystack, line_text
from logist_core.types.signals import Claim, PatternSet, Rule

if TYPE_CHECKING:
    import ahocorasick_rs

#: Most lines of context that a rule may ask for.
MAX_BEFORE = 12
#: The confirming match of one rule on one line may take so long, seconds. A rule that needs more three times is
#: switched off: a slow rule must not slow every job down.
MATCH_TIMEOUT_S = 0.1
_MAX_TIMEOUTS = 3
#: Pieces of this size stay in the processor's cache through all passes.
_PIECE_BYTES = 128 * 1024

#: `json`: a structured line of which the agent's plugin knows nothing to say.
CHANNELS = ("text", "stderr", "screen", "title", "json")
#: What is only true while it can be seen: a spinner, a prompt, the empty composer.
WHILE_VISIBLE = frozenset({Claim.WORKING, Claim.WAITING_INPUT, Claim.PERMISSION_PROMPT, Claim.UPDATE_PROMPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One rule that matches one line.

    Attributes:
        rule: The rule.
        rule_id: `<pattern set>/<rule id>`.
        offset: Byte offset of the line, on the scale of the `base` that was given.
        text: The part of the output that the rule saw: the line, with its context where the rule has one.
        captured: Named groups that matched, as text.
    """

    rule: Rule
    rule_id: str
    offset: int
    text: str
    captured: Mapping[str, str] = field(default_factory=dict)


class Dictionary:
    """All rules, from several sets; a later set replaces rules of an earlier one that have the same id.

    Args:
        sets: Pattern sets, weakest first: packages, then the user's, the project's, the job's.
    """

    def __init__(self, sets: Iterable[PatternSet]) -> None:
        """Merge the sets."""
        merged: dict[str, tuple[str, Rule]] = {}
        for pattern_set in sets:
            for rule_id in pattern_set.disable:
                merged.pop(rule_id, None)
            for rule in pattern_set.rules:
                merged[rule.id] = (pattern_set.name, rule)
        self._rules = tuple((f"{name}/{rule.id}", rule) for name, rule in merged.values())

    @property
    def rules(self) -> tuple[tuple[str, Rule], ...]:
        """All rules in force with their full ids, `<pattern set>/<rule id>`."""
        return self._rules

    @property
    def problems(self) -> list[str]:
        """What is wrong with single rules, a line each. Compiles all of them, so it isn't free."""
        return [problem for rule_id, rule in self._rules for problem in rule_problems(rule_id, rule)]

    def for_agent(self, agent: str, version: str | None = None) -> Matcher:
        """Return the matcher with the rules that are meant for `agent`.

        Args:
            agent: The agent's name; rules for any agent are always in.
            version: Its version where known; else version ranges are ignored.
        """
        return Matcher(self.rules_for(agent, version))

    def rules_for(self, agent: str, version: str | None = None) -> list[tuple[str, Rule]]:
        """Return the rules that are meant for `agent`, with their full ids. Arguments as for `for_agent`."""
        return [
            (rule_id, rule)
            for rule_id, rule in self._rules
            if ("*" in rule.agents or agent in rule.agents) and in_range(version, rule.versions)
        ]


class Matcher:
    """The rules for one agent, ready to read text.

    Attributes:
        slow_rules: Ids of rules without usable literals: each line is tried against them.
        problems: What went wrong with rules since the start, a line each; those rules are switched off.
    """

    def __init__(self, rules: Iterable[tuple[str, Rule]]) -> None:
        """Take `(full id, rule)` pairs; nothing is compiled yet."""
        # Rules for the agent itself come before those for any agent, surer before less sure: the first hit of a
        # line is the best one.
        self._entries = [
            _Entry(rule_id, rule)
            for rule_id, rule in sorted(rules, key=lambda r: ("*" in r[1].agents, -r[1].confidence, r[0]))
        ]
        self.problems: list[str] = []
        self.slow_rules = tuple(e.rule_id for e in self._entries if not e.literals)
        self.context_lines = max((e.before for e in self._entries), default=0)
        self._channels: dict[str, _Channel] = {}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in the order in which they win."""
        return tuple(entry.rule for entry in self._entries)

    def scan(self, block: bytes, channel: str, base: int = 0, context: Sequence[str] = ()) -> list[Hit]:
        """Return the hits in a block of whole lines, in the order of the lines, the best hit of a line first.

        Args:
            block: Lines; only the last may lack its line feed.
            channel: One of `CHANNELS`, or `scrolled`: lines that have left the screen, which only the rules of
                `screen` read that don't claim what is only true while visible.
            base: Offset of the block's first byte.
            context: Cleaned lines before the block, as `context_after` gives them.
        """
        hits: list[Hit] = []
        index = self._channel(channel)
        if not index.entries:
            return hits
        block = break_lines(block)
        start, size = 0, len(block)
        while start < size:
            end = min(start + _PIECE_BYTES, size)
            if end < size:
                cut = block.rfind(b"\n", start, end) + 1 or block.find(b"\n", end) + 1 or size
                end = cut
            piece = block[start:end] if (start, end) != (0, size) else block
            cleaned = clean_block(piece)
            hits += self._scan_piece(piece, cleaned, index, base=base + start, context=context)
            if end < size and self.context_lines:
                context = self._context(cleaned, context)
            start = end
        return hits

    def context_after(self, block: bytes, context: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the context for the block that follows `block`."""
        if not self.context_lines:
            return ()
        return self._context(clean_block(break_lines(block)), context)

    def match_line(self, line: str, channel: str, offset: int = 0, context: Sequence[str] = ()) -> list[Hit]:
        """Return the hits of one line of text, the best first. For screens and single lines; `scan` is for logs."""
        data = line.encode("utf-8", "replace") + b"\n"
        return self.scan(data, channel, offset, context)

    def naive(self, block: bytes, channel: str, base: int = 0, context: Sequence[str] = ()) -> list[Hit]:
        """Return the same as `scan`, by trying every rule on every line: the oracle for tests."""
        hits: list[Hit] = []
        seen = list(context)
        offset = base
        for raw in break_lines(block).split(b"\n"):
            line = line_text(clean_block(raw))
            for entry in self._entries:
                if reads(entry.rule, channel) and (hit := self._confirm(entry, line, seen, offset)):
                    hits.append(hit)
            if line.strip():
                seen.append(line)
            offset += len(raw) + 1
        return hits

    def _channel(self, channel: str) -> _Channel:
        if (found := self._channels.get(channel)) is None:
            entries = [e for e in self._entries if reads(e.rule, channel)]
            found = self._channels[channel] = _Channel(entries)
        return found

    def _scan_piece(
        self, piece: bytes, cleaned: bytes, index: _Channel, *, base: int, context: Sequence[str]
    ) -> list[Hit]:
        hits: list[Hit] = []
        candidates = index.candidates(haystack(cleaned))
        if not candidates and not index.slow:
            return hits
        raw_lines, clean_lines = piece.split(b"\n"), cleaned.split(b"\n")
        offset, at = base, 0
        numbers = range(len(raw_lines)) if index.slow else sorted(candidates)
        for number in numbers:
            while at < number:
                offset += len(raw_lines[at]) + 1
                at += 1
            ranks = sorted({*candidates.get(number, ()), *index.slow})
            line = line_text(clean_lines[number])
            before: list[str] | None = None
            for rank in ranks:
                entry = index.entries[rank]
                if entry.before and before is None:
                    before = _lines_before(clean_lines, number, context, self.context_lines)
                if hit := self._confirm(entry, line, before or (), offset):
                    hits.append(hit)
        return hits

    def _confirm(self, entry: _Entry, line: str, before: Sequence[str], offset: int) -> Hit | None:
        pattern = entry.pattern(self.problems)
        if pattern is None or not line:
            return None
        text, reach = line, 0
        if entry.before:
            text = "\n".join([*before[-entry.before :], line])
            reach = len(text) - len(line)
        try:
            found = pattern.search(text, timeout=MATCH_TIMEOUT_S)
        except TimeoutError:
            entry.timed_out(self.problems)
            return None
        if found is None or found.end() <= reach:
            return None
        if entry.guarded and quoted_as(text, found.start(), found.end()):
            return None
        captured = {name: value for name, value in found.groupdict().items() if value is not None}
        return Hit(rule=entry.rule, rule_id=entry.rule_id, offset=offset, text=text, captured=captured)

    def _context(self, cleaned: bytes, context: Sequence[str]) -> tuple[str, ...]:
        lines: list[str] = []
        rest = cleaned.rstrip()
        while rest and len(lines) < self.context_lines:
            cut = rest.rfind(b"\n") + 1
            if text := line_text(rest[cut:]):
                lines.append(text)
            rest = rest[:cut].rstrip()
        missing = self.context_lines - len(lines)
        older = list(context)[-missing:] if missing else []
        return (*older, *reversed(lines))


class _Entry:
    """A rule with its lazily compiled regex."""

    def __init__(self, rule_id: str, rule: Rule) -> None:
        self.rule_id = rule_id
        self.rule = rule
        self.guarded = rule.guard and rule.claim not in WHILE_VISIBLE
        self.before = min(max(rule.before, 0), MAX_BEFORE)
        sound = bool(rule.literals) and all(literal_is_usable(x) for x in rule.literals)
        self.literals = rule.literals if sound else ()
        self._pattern: Any = None
        self._off = False
        self._timeouts = 0

    def pattern(self, problems: list[str]) -> Any:
        """Return the compiled regex, or None for a rule that is switched off."""
        if self._pattern is None and not self._off:
            try:
                self._pattern = compile_regex(self.rule.regex)
            except ValueError as error:
                self._off = True
                problems.append(f"{self.rule_id}: {error}")
        return None if self._off else self._pattern

    def timed_out(self, problems: list[str]) -> None:
        """Note that the regex ran out of time; the third time switches it off."""
        self._timeouts += 1
        if self._timeouts == _MAX_TIMEOUTS:
            self._off = True
            problems.append(
                f"{self.rule_id}: needed more than {MATCH_TIMEOUT_S} s on {_MAX_TIMEOUTS} lines; switched off"
            )


class _Channel:
    """The rules of one channel and the automaton over their literals."""

    def __init__(self, entries: list[_Entry]) -> None:
        self.entries = entries
        self.slow = tuple(rank for rank, entry in enumerate(entries) if not entry.literals)
        by_literal: dict[bytes, list[int]] = {}
        for rank, entry in enumerate(entries):
            for literal in entry.literals:
                by_literal.setdefault(literal.encode(), []).append(rank)
        self._ranks = [tuple(ranks) for ranks in by_literal.values()]
        self._automaton: ahocorasick_rs.BytesAhoCorasick | None = None
        if by_literal:
            from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

            self._automaton = BytesAhoCorasick(
                list(by_literal), matchkind=MatchKind.Standard, implementation=Implementation.DFA
            )

    def candidates(self, hay: bytes) -> dict[int, set[int]]:
        """Return line number -> ranks of the rules that have a literal in that line."""
        found: dict[int, set[int]] = {}
        if self._automaton is None:
            return found
        number, counted = 0, 0
        # Overlapping: a literal inside of another one must be found as well.
        for literal, start, _end in self._automaton.find_matches_as_indexes(hay, overlapping=True):
            if start >= counted:
                number += hay.count(b"\n", counted, start)
                line = number
                counted = start
            else:  # matches come in the order of their ends: a longer literal may begin earlier, on the same line
                line = number - hay.count(b"\n", start, counted)
            found.setdefault(line, set()).update(self._ranks[literal])
        return found


def _lines_before(lines: Sequence[bytes], number: int, context: Sequence[str], most: int) -> list[str]:
    before: list[str] = []
    at = number - 1
    while at >= 0 and len(before) < most:
        text = line_text(lines[at])
        if text.strip():
            before.append(text)
        at -= 1
    missing = most - len(before)
    older = list(context)[-missing:] if missing else []
    return [*older, *reversed(before)]


def reads(rule: Rule, channel: str) -> bool:
    """Whether `rule` reads the texts of `channel`."""
    if channel == "scrolled":
        return "screen" in rule.channels and rule.claim not in WHILE_VISIBLE
    return channel in rule.channels


def best_of_lines(hits: Sequence[Hit]) -> list[Hit]:
    """Return the first, that is the best, hit of each line."""
    best: dict[tuple[int, str], Hit] = {}
    for hit in hits:
        best.setdefault((hit.offset, hit.text.rpartition("\n")[2]), hit)
    return list(best.values())


def compile_regex(source: str) -> Any:
    """Return the compiled regex of a rule.

    Raises:
        ValueError: It isn't valid; the message says where.
    """
    import regex  # type: ignore[import-untyped]

    try:
        return regex.compile(source, regex.VERSION0 | regex.MULTILINE)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"the regex does not compile: {error}") from error


def literal_is_usable(literal: str) -> bool:
    """Whether the prefilter can look for `literal`: lower case as the prefilter lowers, blanks as it leaves them."""
    try:
        data = literal.encode()
    except UnicodeEncodeError:
        return False
    clean = literal == literal.strip() != "" and "\n" not in literal and haystack(clean_block(data)) == data
    return clean and not any(_has_case(character) for character in literal)


def _has_case(character: str) -> bool:
    return not character.isascii() and character.lower() != character.upper()


def rule_problems(rule_id: str, rule: Rule) -> list[str]:
    """Return what is wrong with a rule, a line each, without trying its examples."""
    problems: list[str] = []
    try:
        groups = set(compile_regex(rule.regex).groupindex)
    except ValueError as error:
        return [f"{rule_id}: {error}"]
    if not rule.literals:
        problems.append(f"{rule_id}: has no literals: every line is tried against it")
    problems += [
        f"{rule_id}: literal {literal!r} can't be looked for: write it in lower case, with single blanks, none outside"
        for literal in rule.literals
        if not literal_is_usable(literal)
    ]
    problems += [
        f"{rule_id}: unknown channel {channel!r}; there are {', '.join(CHANNELS)}"
        for channel in rule.channels
        if channel not in CHANNELS
    ]
    problems += [f"{rule_id}: field {name!r} is no group of the regex" for name in rule.fields if name not in groups]
    problems += [
        f"{rule_id}: field {name!r} has the unknown kind {kind!r}"
        for name, kind in rule.fields.items()
        if kind not in ("str", "int", "float", "seconds", "time")
    ]
    if not 0 <= rule.before <= MAX_BEFORE:
        problems.append(f"{rule_id}: before must be 0 to {MAX_BEFORE}")
    if rule.versions is not None and not _RANGE.fullmatch(rule.versions.replace(" ", "")):
        problems.append(f"{rule_id}: version range {rule.versions!r} is not of the form '>=2.0,<3'")
    return problems


_CONDITION = r"(?:>=|<=|==|!=|<|>)\d+(?:\.\d+)*"
_RANGE = re.compile(rf"{_CONDITION}(?:,{_CONDITION})*")


def in_range(version: str | None, wanted: str | None) -> bool:
    """Whether `version` lies in a range such as `>=2.0,<3`; an unknown version or an unreadable range does."""
    if version is None or wanted is None:
        return True
    numbers = re.search(r"\d+(?:\.\d+)*", version)
    wanted = wanted.replace(" ", "")
    if numbers is None or not _RANGE.fullmatch(wanted):
        return True
    have = _release(numbers[0])
    return all(_holds(have, condition) for condition in wanted.split(","))


def _release(text: str) -> tuple[int, ...]:
    numbers = [int(part[:9]) for part in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _holds(have: tuple[int, ...], condition: str) -> bool:
    operator = condition[:2] if condition[1] == "=" else condition[0]
    than = _release(condition[len(operator) :])
    return {
        ">=": have >= than,
        "<=": have <= than,
        "==": have == than,
        "!=": have != than,
        ">": have > than,
        "<": have < than,
    }[operator]
