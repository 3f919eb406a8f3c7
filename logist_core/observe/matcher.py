"""The dictionary: which rules a text hits. Owns rule selection and the confirming match.

Invariant: `Matcher.scan` returns exactly what trying every rule on every line would return (`Matcher.naive`), for
any text. The prefilter only decides where it is worth looking, by literals that are derived from the regexes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from logist_core.observe.lint import MAX_BEFORE, compile_regex, in_range, rule_problems
from logist_core.observe.literals import Literals, rule_literals
from logist_core.observe.prefilter import Prefilter
from logist_core.observe.quoting import quoted_as
from logist_core.observe.text import break_lines, clean_block, haystack, line_text
from logist_core.types.signals import Claim, PatternSet, Rule

#: The confirming match of one rule on one line may take so long, seconds. A rule that needs more three times is
#: switched off: a slow rule must not slow every job down.
MATCH_TIMEOUT_S = 0.1
_MAX_TIMEOUTS = 3
#: Pieces of this size stay in the processor's cache through all passes.
_PIECE_BYTES = 64 * 1024

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

    def for_agent(self, agent: str, version: str | None = None, program: str | None = None) -> Matcher:
        """Return the matcher with the rules that are meant for `agent`.

        Args:
            agent: The agent's name; rules for any agent are always in.
            version: Its version where known; else version ranges are ignored.
            program: The name of the program that it runs, if that is another one (`goose`, run by the command agent).
        """
        return Matcher(self.rules_for(agent, version, program))

    def rules_for(self, agent: str, version: str | None = None, program: str | None = None) -> list[tuple[str, Rule]]:
        """Return the rules that are meant for `agent`, with their full ids. Arguments as for `for_agent`."""
        return [
            (rule_id, rule)
            for rule_id, rule in self._rules
            if not {"*", agent, program}.isdisjoint(rule.agents) and in_range(version, rule.versions)
        ]


class Matcher:
    """The rules for one agent, ready to read text.

    Attributes:
        problems: What went wrong with rules since the start, a line each; those rules are switched off.
        context_lines: Most lines of context that a rule asks for.
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
        self.context_lines = max((e.before for e in self._entries), default=0)
        self._channels: dict[str, _Channel] = {}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in the order in which they win."""
        return tuple(entry.rule for entry in self._entries)

    def know_version(self, version: str) -> None:
        """Leave out the rules that are for other versions of the agent than `version`, from now on."""
        for entry in self._entries:
            entry.other_version = not in_range(version, entry.rule.versions)

    @property
    def slow_rules(self) -> tuple[str, ...]:
        """Ids of the rules without literals: each line of their channels is tried against them."""
        return tuple(entry.rule_id for entry in self._entries if not entry.literals.first)

    def scan(self, block: bytes, channel: str, base: int = 0, context: Sequence[str] = ()) -> list[Hit]:
        """Return the hits in a block of whole lines, in the order of the lines, the best hit of a line first.

        Args:
            block: Lines; only the last may lack its line feed.
            channel: One of `lint.CHANNELS`, or `scrolled`: lines that have left the screen, which only the rules of
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
            end = size
            if size - start > _PIECE_BYTES:
                limit = start + _PIECE_BYTES
                end = block.rfind(b"\n", start, limit) + 1 or block.find(b"\n", limit) + 1 or size
            piece = block[start:end] if end - start < size else block
            for line_start, line_end in index.lines(piece):
                hits += self._scan_line(block, start + line_start, start + line_end, index, base, context)
            start = end
        return hits

    def context_after(self, block: bytes, context: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the context for the block that follows `block`."""
        if not self.context_lines:
            return ()
        block = break_lines(block)
        return tuple(_lines_before(block, len(block), context, self.context_lines))

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

    def _scan_line(
        self,
        block: bytes,
        start: int,
        end: int,
        index: _Channel,
        base: int,
        context: Sequence[str],
    ) -> list[Hit]:
        cleaned = clean_block(block[start:end])
        entries = index.entries_for(haystack(cleaned))
        if not entries or not (line := line_text(cleaned)):
            return []
        hits: list[Hit] = []
        before: list[str] | None = None
        for entry in entries:
            if entry.before and before is None:
                before = _lines_before(block, start, context, self.context_lines)
            if hit := self._confirm(entry, line, before or (), base + start):
                hits.append(hit)
        return hits

    def _confirm(self, entry: _Entry, line: str, before: Sequence[str], offset: int) -> Hit | None:
        pattern = entry.pattern(self.problems)
        if pattern is None or not line or entry.other_version:
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


class _Entry:
    """A rule with its lazily compiled regex."""

    def __init__(self, rule_id: str, rule: Rule) -> None:
        self.rule_id = rule_id
        self.rule = rule
        self.guarded = rule.guard and rule.claim not in WHILE_VISIBLE
        self.before = min(max(rule.before, 0), MAX_BEFORE)
        self.other_version = False
        self._pattern: Any = None
        self._off = False
        self._timeouts = 0

    @cached_property
    def literals(self) -> Literals:
        """What the prefilter looks for; empty: every line is tried."""
        return rule_literals(self.rule)

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
    """The rules of one channel and the prefilter over their literals."""

    def __init__(self, entries: list[_Entry]) -> None:
        self.entries = entries
        self._slow = tuple(rank for rank, entry in enumerate(entries) if not entry.literals.first)
        self._prefilter = Prefilter((rank, e.literals) for rank, e in enumerate(entries) if e.literals.first)

    def lines(self, piece: bytes) -> Iterable[tuple[int, int]]:
        """Return the lines that a rule may match as (start, end), in order: all of them where one is slow."""
        return _all_lines(piece) if self._slow else self._prefilter.lines(piece)

    def entries_for(self, line: bytes) -> list[_Entry]:
        """Return the rules that may match a line, as `text.haystack` returns it, in the order in which they win."""
        ranks = [*self._prefilter.rules_in(line), *self._slow]
        return [self.entries[rank] for rank in sorted(ranks)] if ranks else []


def _all_lines(piece: bytes) -> Iterator[tuple[int, int]]:
    start, size = 0, len(piece)
    while start < size:
        end = piece.find(b"\n", start)
        end = size if end < 0 else end
        yield start, end
        start = end + 1


def _lines_before(block: bytes, end: int, context: Sequence[str], most: int) -> list[str]:
    """Return the cleaned lines before byte `end` that aren't blank, at most `most`, the last ones, oldest first."""
    before: list[str] = []
    while end > 0 and len(before) < most:
        start = block.rfind(b"\n", 0, end - 1) + 1
        text = line_text(clean_block(block[start:end].rstrip(b"\n")))
        if text.strip():
            before.append(text)
        end = start
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
