"""The dictionary finds what trying every rule on every line would find."""

from __future__ import annotations

import os
import platform

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.regexes import RAW_TEXTS, rule_lists

from logist_core.observe import Dictionary, Hit, Matcher
from logist_core.observe import matcher as engine
from logist_core.observe.engines import VARIABLE, FastEngine, works
from logist_core.observe.lines import LineCutter
from logist_core.observe.lint import NO_LITERALS, in_range, literal_is_usable, rule_problems
from logist_core.observe.matcher import best_of_lines
from logist_core.types.signals import Claim, PatternSet, Rule

pytestmark = pytest.mark.fast


def rule(name: str, regex: str, *literals: str, **changes: object) -> Rule:
    return Rule(id=f"any/{name}", claim=Claim.FAILED, regex=regex, literals=literals, **changes)  # type: ignore[arg-type]


def matcher_of(*rules: Rule) -> Matcher:
    return Dictionary([PatternSet(name="t", rules=rules)]).for_agent("x")


def facts(hits: list[Hit]) -> list[tuple[int, str, str, tuple[tuple[str, str], ...]]]:
    return sorted((hit.offset, hit.rule_id, hit.text, tuple(sorted(hit.captured.items()))) for hit in hits)


@pytest.fixture(params=["portable", "fast"])
def each_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with each engine; the fast one where it is built."""
    if request.param == "fast" and not works(FastEngine):
        if os.environ.get("LOGIST_REQUIRE_REAL") and platform.machine() == "x86_64":
            pytest.fail("hyperscan doesn't work here")
        pytest.skip("hyperscan isn't installed")
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


any_fixture = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@any_fixture
@given(rule_lists(), RAW_TEXTS)
def test_scanning_equals_trying_every_rule_on_every_line(each_engine: str, some: list[Rule], data: bytes) -> None:
    matcher = matcher_of(*some)
    assert facts(matcher.scan(data, "text", 7)) == facts(matcher.naive(data, "text", 7))


@any_fixture
@given(rule_lists(), RAW_TEXTS, st.lists(st.integers(0, 100), max_size=6))
def test_matches_do_not_depend_on_the_cuts(each_engine: str, some: list[Rule], data: bytes, places: list[int]) -> None:
    matcher = matcher_of(*some)
    data += b"\n"
    cutter, context, hits = LineCutter(1_000), (), []
    places = sorted(min(place, len(data)) for place in places)
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        for block in cutter.feed(data[start:end]):
            hits += matcher.scan(block.data, "text", block.offset, context)
            context = matcher.context_after(block.data, context)
    assert facts(hits) == facts(matcher.naive(data, "text"))


@settings(max_examples=40)
@given(rule_lists(), RAW_TEXTS)
def test_small_pieces_find_the_same(some: list[Rule], data: bytes) -> None:
    whole = facts(matcher_of(*some).scan(data, "text"))
    old = engine._PIECE_BYTES
    engine._PIECE_BYTES = 4
    try:
        assert facts(matcher_of(*some).scan(data, "text")) == whole
    finally:
        engine._PIECE_BYTES = old


@settings(max_examples=40)
@given(rule_lists(), st.binary(max_size=200))
def test_any_bytes_are_read_as_trying_every_rule_reads_them(some: list[Rule], data: bytes) -> None:
    matcher = matcher_of(*some)
    assert facts(matcher.scan(data, "text")) == facts(matcher.naive(data, "text"))


def test_a_hit_knows_its_line_s_offset_and_its_groups() -> None:
    matcher = matcher_of(rule("code", r"code (?P<code>\d+)(?P<more>!)?", "code"))
    (hit,) = matcher.scan(b"one\r\n\x1b[1mtwo\x1b[0m\nexit CODE 1, code 42\n", "text", base=1_000)
    assert (hit.offset, dict(hit.captured), hit.text) == (1_017, {"code": "42"}, "exit CODE 1, code 42")


def test_a_rule_with_context_sees_lines_of_an_earlier_block() -> None:
    matcher = matcher_of(rule("ask", r"^Sure\?\n(?:[^\n]*\n)*yes$", "yes", before=3))
    context = matcher.context_after(b"noise\nSure?\n\n  \n")
    assert context == ("noise", "Sure?")
    (hit,) = matcher.scan(b"detail\nyes\n", "text", 50, context)
    assert (hit.offset, hit.text) == (57, "noise\nSure?\ndetail\nyes")


def test_a_match_that_does_not_reach_the_last_line_is_none() -> None:
    matcher = matcher_of(rule("ask", r"Sure\?", before=3))
    assert [hit.offset for hit in matcher.scan(b"Sure?\nyes\n", "text")] == [0]


def test_rules_read_only_their_channels() -> None:
    matcher = matcher_of(rule("s", "boom", "boom", channels=("stderr",)))
    assert matcher.scan(b"boom\n", "text") == []
    assert [hit.rule_id for hit in matcher.scan(b"boom\n", "stderr")] == ["t/any/s"]
    assert [hit.rule_id for hit in matcher.match_line("boom", "stderr")] == ["t/any/s"]


def test_a_rule_that_does_not_compile_is_a_problem_and_the_others_work() -> None:
    broken, fine = rule("broken", "a(b", "ab"), rule("fine", "ab", "ab")
    dictionary = Dictionary([PatternSet(name="t", rules=(broken, fine))])
    assert len(dictionary.problems) == 1
    assert "t/any/broken" in dictionary.problems[0]
    matcher = dictionary.for_agent("x")
    assert [hit.rule_id for hit in matcher.scan(b"ab ab\nab\n", "text")] == ["t/any/fine"] * 2
    assert len(matcher.problems) == 1


def test_a_rule_that_takes_too_long_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MATCH_TIMEOUT_S", 0.01)
    matcher = matcher_of(rule("bomb", r"^(a|aa)+$", "aa"), rule("fine", "b$", "b"))
    bomb = b"a" * 64 + b"b\n"
    for _ in range(4):
        assert [hit.rule_id for hit in matcher.scan(bomb, "text")] == ["t/any/fine"]
    assert len(matcher.problems) == 1
    assert "switched off" in matcher.problems[0]


def test_a_rule_without_usable_literals_is_named_and_still_found() -> None:
    matcher = matcher_of(rule("none", "[^a]"), rule("short", "e", "e"), rule("fine", "zed"))
    assert set(matcher.slow_rules) == {"t/any/none", "t/any/short"}
    assert len(matcher.scan(b"xe\nzed\n", "text")) == 5


@pytest.mark.parametrize("literal", ["a b", "\u276f 1.", "rate limit", "[y/n]"])
def test_usable_literals(literal: str) -> None:
    assert literal_is_usable(literal)


@pytest.mark.parametrize(
    "literal", ["", " ", " a", "a ", "a  b", "Upper", "é", "tab\tbed", "line\nfeed", "\x1b[0m", "\ud800"]
)
def test_literals_that_the_prefilter_would_miss(literal: str) -> None:
    assert not literal_is_usable(literal)


def test_a_later_set_replaces_rules_with_the_same_id() -> None:
    package = PatternSet(name="package", rules=(rule("a", "old", "old"), rule("b", "kept", "kept")))
    user = PatternSet(name="user", rules=(rule("a", "new", "new"),))
    dictionary = Dictionary([package, user])
    assert [name for name, _ in dictionary.rules] == ["user/any/a", "package/any/b"]
    assert [hit.rule_id for hit in dictionary.for_agent("x").scan(b"old new kept\n", "text")] == [
        "package/any/b",
        "user/any/a",
    ]


def test_an_agent_gets_its_own_rules_and_those_for_any() -> None:
    dictionary = Dictionary(
        [
            PatternSet(
                name="t",
                rules=(rule("a", "a", "a", agents=("one",)), rule("b", "a", "a"), rule("c", "a", "a", agents=("two",))),
            )
        ]
    )
    assert [r.id for r in dictionary.for_agent("one").rules] == ["any/a", "any/b"]


def test_the_agent_s_own_rule_wins_then_the_surer_one() -> None:
    dictionary = Dictionary(
        [
            PatternSet(
                name="t",
                rules=(
                    rule("any-sure", "a", "a", confidence=1.0),
                    rule("own-unsure", "a", "a", agents=("x",), confidence=0.6),
                    rule("own-sure", "a", "a", agents=("x",), confidence=0.7),
                ),
            )
        ]
    )
    assert [hit.rule.id for hit in best_of_lines(dictionary.for_agent("x").scan(b"a\na\n", "text"))] == [
        "any/own-sure"
    ] * 2


def test_a_version_range_picks_rules() -> None:
    dictionary = Dictionary([PatternSet(name="t", rules=(rule("new", "a", "a", versions=">=2.0, <3"),))])
    assert dictionary.for_agent("x", "2.1.197 (Claude Code)").rules
    assert dictionary.for_agent("x").rules
    assert not dictionary.for_agent("x", "1.9").rules


@pytest.mark.parametrize(
    ("version", "wanted", "holds"),
    [
        ("2.0", ">=2", True),
        ("2.0.1", "<=2.0", False),
        ("1.10", ">1.9", True),
        ("1.2", "==1.2.0", True),
        ("1.2", "!=1.2", False),
        ("3", "<3", False),
        ("no version", "<3", True),
        ("1.0", "nonsense", True),
    ],
)
def test_version_ranges(version: str, wanted: str, holds: bool) -> None:
    assert in_range(version, wanted) is holds


def test_lint_names_what_is_wrong() -> None:
    bad = rule(
        "bad", "(?P<x>abc)", " a", fields={"y": "str", "x": "money"}, channels=("smoke",), before=40, versions="2.x"
    )
    assert len(rule_problems("t/any/bad", bad)) == 6
    assert rule_problems("t/any/slow", rule("slow", "a")) == [f"t/any/slow: {NO_LITERALS}"]


def test_an_empty_dictionary_finds_nothing() -> None:
    matcher = Dictionary([]).for_agent("x")
    assert matcher.scan(b"anything\n", "text") == []
    assert matcher.context_after(b"anything\n") == ()
