"""What every pattern plugin must hold: subclass `PatternContract` in your tests, and pytest runs all of it.

    from logist_core.testing.pattern_contract import PatternContract

    class TestAcmePatterns(PatternContract):
        @pytest.fixture
        def patterns(self):
            return load()          # a PatternSet

Needs the extra `logist-core[testing]`. Invariant: the kit knows rules only as data; whatever it demands, it can show
on a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logist_core.dictionary.lint import lint
from logist_core.observe.lines import LineCutter
from logist_core.observe.lint import NO_LITERALS, rule_problems
from logist_core.observe.literals import rule_literals
from logist_core.observe.matcher import Dictionary, Hit, Matcher
from logist_core.observe.text import clean_line, haystack
from logist_core.types._json import plain
from logist_core.types.dictionary import rule_from_mapping, rule_to_mapping, rules_from_toml
from logist_core.types.signals import PatternSet, Rule

# A pattern set is data, so that one of them serves all examples of a property.
_property = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)


class PatternContract:
    """Properties of a pattern set. Give a `patterns` fixture.

    Attributes:
        slow_rules: Ids of rules from whose regex no literal can be derived, on purpose: every line of every job is
            tried against them.
    """

    slow_rules: frozenset[str] = frozenset()

    @pytest.fixture
    def patterns(self) -> PatternSet:
        """Return the set under test."""
        raise NotImplementedError

    @pytest.fixture
    def matcher(self, patterns: PatternSet) -> Matcher:
        """Return all rules of the set as one matcher, whatever agent they are for."""
        return Matcher((rule.id, rule) for rule in patterns.rules)

    def test_every_rule_compiles_and_is_complete(self, patterns: PatternSet) -> None:
        """Regex, literals, channels, fields and version range are well-formed."""
        problems = [text for rule in patterns.rules for text in rule_problems(rule.id, rule)]
        _assert_none([text for text in problems if NO_LITERALS not in text])
        slow = {rule.id for rule in patterns.rules if not rule_literals(rule).first}
        assert slow == self.slow_rules, "rules without literals must be named in `slow_rules`"

    def test_lint_finds_nothing_wrong(self, patterns: PatternSet) -> None:
        """What `logist patterns lint` says: examples, counter-examples, sources, hostile lines, undeclared overlaps."""
        rules = [(rule.id, rule) for rule in patterns.rules]
        _assert_none([finding for finding in lint(rules) if finding.severity == "error"])

    def test_every_id_is_there_once(self, patterns: PatternSet) -> None:
        """An id names one rule."""
        ids = [rule.id for rule in patterns.rules]
        assert sorted(ids) == sorted(set(ids))

    def test_every_example_contains_a_literal(self, patterns: PatternSet) -> None:
        """In its matching line; else the prefilter would never show the rule that line."""
        without = [
            (rule.id, example)
            for rule in patterns.rules
            if rule.literals
            for example in rule.examples
            if not any(
                literal.encode() in haystack(clean_line(line).encode())
                for line in example.split("\n")
                for literal in rule.literals
            )
        ]
        _assert_none(without)

    def test_overlaps_name_rules_of_the_same_claim_or_are_ranked(self, patterns: PatternSet) -> None:
        """Where overlapping rules claim different things, one of them must win by its agent or its confidence."""
        rules = {rule.id: rule for rule in patterns.rules}
        unranked = [
            (rule.id, other.id)
            for rule in patterns.rules
            for other in (rules[name] for name in rule.overlaps if name in rules)
            if rule.claim is not other.claim
            and rule.confidence == other.confidence
            and ("*" in rule.agents) == ("*" in other.agents)
            and _meet(rule, other)
        ]
        _assert_none(unranked)

    @_property
    @given(data=st.data())
    def test_the_prefilter_hides_nothing(self, patterns: PatternSet, matcher: Matcher, data: st.DataObject) -> None:
        """Chunk-level matching finds what trying every rule on every line finds."""
        text = data.draw(_texts(patterns)).encode("utf-8", "replace")
        channel = data.draw(st.sampled_from(("text", "stderr", "screen", "title")))
        assert _facts(matcher.scan(text, channel)) == _facts(matcher.naive(text, channel))

    @_property
    @given(data=st.data())
    def test_matches_do_not_depend_on_how_the_stream_was_cut(
        self, patterns: PatternSet, matcher: Matcher, data: st.DataObject
    ) -> None:
        """Any cut, also in the middle of a character or an escape sequence."""
        text = data.draw(_texts(patterns)).encode("utf-8", "replace") + b"\n"
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        cutter = LineCutter(1 << 20)
        context: tuple[str, ...] = ()
        hits: list[Hit] = []
        for piece in pieces:
            for block in cutter.feed(piece):
                hits += matcher.scan(block.data, "screen", block.offset, context)
                context = matcher.context_after(block.data, context)
        assert _facts(hits) == _facts(matcher.scan(text, "screen"))

    @_property
    @given(data=st.data())
    def test_matches_do_not_depend_on_colour_or_line_ends(
        self, patterns: PatternSet, matcher: Matcher, data: st.DataObject
    ) -> None:
        """Escape sequences anywhere, and carriage returns before the line feeds, change no match."""
        text = data.draw(_texts(patterns))
        plain_hits = matcher.scan(text.encode("utf-8", "replace"), "screen")
        places = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
        coloured = ""
        for start, end in zip([0, *places], [*places, len(text)], strict=True):
            coloured += text[start:end] + data.draw(
                st.sampled_from(("\x1b[1;31m", "\x1b[0m", "\x1b[38;5;12m", "\x1b(B", ""))
            )
        hits = matcher.scan(coloured.replace("\n", "\r\n").encode("utf-8", "replace"), "screen")
        assert [(hit.rule_id, hit.text) for hit in hits] == [(hit.rule_id, hit.text) for hit in plain_hits]

    @_property
    @given(data=st.data())
    def test_matches_do_not_depend_on_runs_of_blanks(
        self, patterns: PatternSet, matcher: Matcher, data: st.DataObject
    ) -> None:
        """A terminal that wraps a line, and whoever joins it again, leaves runs of blanks inside of it."""
        text = data.draw(_texts(patterns))
        widened = re.sub(r"(?<=\S) (?=\S)", " " * data.draw(st.integers(2, 12)), text)
        hits = [[(hit.rule_id, hit.text) for hit in _scan(matcher, read)] for read in (text, widened)]
        assert hits[0] == hits[1]

    @_property
    @given(data=st.data())
    def test_a_last_line_without_its_end_is_read_as_if_it_had_one(
        self, patterns: PatternSet, matcher: Matcher, data: st.DataObject
    ) -> None:
        """A prompt waits on such a line."""
        text = data.draw(_texts(patterns))
        assert _facts(_scan(matcher, text)) == _facts(_scan(matcher, text + "\n"))

    @_property
    @given(raw=st.binary(max_size=2_000))
    def test_any_bytes_can_be_read(self, matcher: Matcher, raw: bytes) -> None:
        """Nothing raises."""
        for channel in ("text", "stderr", "screen", "title"):
            matcher.scan(raw, channel)
        assert matcher.problems == []

    def test_rules_survive_json_and_toml(self, patterns: PatternSet) -> None:
        """What is written can be read back, the same."""
        import tomlkit

        tables = [rule_to_mapping(rule) for rule in patterns.rules]
        assert [rule_from_mapping(table) for table in json.loads(json.dumps(tables))] == list(patterns.rules)
        document = tomlkit.dumps({"rule": tables})
        assert [plain(rule) for rule in rules_from_toml(document)] == [plain(rule) for rule in patterns.rules]

    def test_the_dictionary_takes_the_set(self, patterns: PatternSet) -> None:
        """For each agent that it names, and for an agent that it doesn't know."""
        dictionary = Dictionary([patterns])
        for agent in {name for rule in patterns.rules for name in rule.agents} | {"unheard-of"}:
            dictionary.for_agent(agent).scan(b"hello\n", "text")


def _assert_none(found: Sequence[object]) -> None:
    assert not found, "\n".join(str(item) for item in found)


def _scan(matcher: Matcher, text: str) -> list[Hit]:
    return matcher.scan(text.encode("utf-8", "replace"), "screen")


def _facts(hits: Sequence[Hit]) -> list[tuple[int, str, str, dict[str, str]]]:
    return sorted((hit.offset, hit.rule_id, hit.text, dict(hit.captured)) for hit in hits)


def _meet(one: Rule, other: Rule) -> bool:
    return "*" in one.agents or "*" in other.agents or bool(set(one.agents) & set(other.agents))


def _texts(patterns: PatternSet) -> st.SearchStrategy[str]:
    """Return texts around the rules: their examples, mangled, among other lines."""
    examples = [text for rule in patterns.rules for text in (*rule.examples, *rule.counter_examples)] or [""]
    words = [word for text in examples for word in text.split()] or ["x"]
    mangled = st.builds(
        lambda text, at, put, upper: (text[:at] + put + text[at:]).upper() if upper else text[:at] + put + text[at:],
        st.sampled_from(examples),
        st.integers(0, 60),
        st.sampled_from(("", " ", "   ", "\t", "x", "\u00a0", "\n", "é", "│")),
        st.booleans(),
    )
    lines = st.one_of(
        st.sampled_from(examples),
        mangled,
        st.lists(st.sampled_from(words), max_size=8).map(" ".join),
        st.text(max_size=40).map(lambda text: "".join(c for c in text if c not in "\x1b\x9b")),
    )
    return st.lists(lines, max_size=8).map("\n".join)
