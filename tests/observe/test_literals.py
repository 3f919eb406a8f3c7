"""Every line that a regex matches holds one of the literals that were derived from it."""

from __future__ import annotations

import re

import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st
from support.regexes import RAW_TEXTS, regexes

from logist_core.observe.lint import compile_regex
from logist_core.observe.literals import Literals, literals_of, rule_literals, word_of
from logist_core.observe.text import break_lines, clean_block, folded, haystack, line_text
from logist_core.types.signals import Claim, Rule

pytestmark = pytest.mark.fast


def derived(source: str, **options: bool) -> set[str]:
    return {literal.decode("utf-8", "replace") for literal in literals_of(source, **options).first}


def holds(literals: Literals, line: bytes) -> bool:
    if not any(word in folded(line) for word in literals.first):
        return False
    hay = haystack(line)
    return all(any(all(text in hay for text in group) for group in need) for need in literals.needs)


def compiled(source: str) -> regex.Pattern[str]:
    try:
        return compile_regex(source)
    except ValueError:
        assume(False)
        raise AssertionError from None


@given(regexes(), RAW_TEXTS)
def test_a_line_that_matches_holds_a_derived_literal(source: str, raw: bytes) -> None:
    literals = literals_of(source)
    assume(literals.first)
    pattern = compiled(source)
    for line in break_lines(raw).split(b"\n"):
        cleaned = clean_block(line)
        if pattern.search(line_text(cleaned)):
            assert holds(literals, cleaned), (source, literals, cleaned)


# What Python's own `re` reads as well, so that hypothesis can make texts that match for certain.
COMMON = st.recursive(
    st.sampled_from(
        ("abc", "limit", "reached", "x?", "[ab]+", "(?:quota|limit)", r"\d{2}", " ", "é", ".", "[^a]", "z*")
    ),
    lambda parts: (
        st.lists(parts, min_size=1, max_size=4).map(lambda some: f"(?:{'|'.join(some)})")
        | st.lists(parts, min_size=1, max_size=4).map("".join)
    ),
    max_leaves=8,
)


@given(COMMON, st.booleans(), st.data())
def test_any_text_made_from_a_regex_holds_a_derived_literal(
    source: str, ignore_case: bool, data: st.DataObject
) -> None:
    literals = literals_of(f"(?i){source}" if ignore_case else source)
    assume(literals.first)
    text = data.draw(st.from_regex(re.compile(source, re.IGNORECASE if ignore_case else 0), fullmatch=True))
    line = text.encode("utf-8", "replace").split(b"\n")[0] if "\n" not in text else b""
    assume(line and compiled(f"(?i){source}" if ignore_case else source).search(line_text(clean_block(line))))
    assert holds(literals, clean_block(line))


@given(regexes(lines=True), RAW_TEXTS)
def test_with_lines_before_it_the_last_line_holds_the_literal(source: str, raw: bytes) -> None:
    literals = literals_of(source, last_line=True)
    assume(literals.first)
    text = line_text(clean_block(b"")) + "\n".join(
        line for part in break_lines(raw).split(b"\n") if (line := line_text(clean_block(part)))
    )
    found = compiled(source).search(text)
    reach = text.rfind("\n") + 1
    if found and found.end() > reach:
        assert holds(literals, folded(text[reach:].encode())), (source, literals, text)


@pytest.mark.parametrize(
    ("source", "literals"),
    [
        ("Usage limit reached", {"reached"}),
        ("(?i)(?:rate|usage)[- ]limit", {"limit", "rate-limit", "usage-limit"}),
        ("(?i)quota exceeded|out of credits", {"exceeded", "credits"}),
        (r"(?i)^\W{0,9}(?:error: )?overloaded", {"overloaded"}),
        ("colou?r", {"color", "colour"}),
        ("(?:abc)+", {"abc"}),
        ("(?:ab){2}", {"abab"}),
        ("x(?:foo|bar)? ylophone", {"ylophone"}),
        ("retry(?# a comment)ing", {"retrying"}),
        ("(?x) retry ing  # loose", {"retrying"}),
        ("\u276f 1", {"\u276f"}),
        (r"\[y/N\]$", {"[y/n]"}),
        ("(?i)ABC\u276fÉ\u276f", {"abc\u276f"}),  # É equals é there, which isn't folded
        ("ABCÉ", {"abcÉ"}),
    ],
)
def test_literals_of_common_forms(source: str, literals: set[str]) -> None:
    assert derived(source) == literals


@pytest.mark.parametrize(
    "source",
    [
        "", ".*", r"\d+", "[a-z]+", "(?:limit)?", "limit|.", "e", r"(?i)\w+ \w+", "(?:limit){e<=1}", "(?r)limit",
        "a(b", "(?!limit)", r"(\w)\1",
    ],
)  # fmt: skip
def test_where_nothing_is_certain_there_are_no_literals(source: str) -> None:
    assert literals_of(source) == Literals()


def test_a_set_of_many_characters_is_known_by_their_first_bytes() -> None:
    assert literals_of("^[⠀-⣿✻] ").first == (b"\xe2\x9c", b"\xe2\xa0", b"\xe2\xa1", b"\xe2\xa2", b"\xe2\xa3")


def test_the_other_words_are_demanded_as_well() -> None:
    literals = literals_of("(?i)weekly  limit (?:was )?hit.* (?:resets|at)")
    assert literals.first == (b"weekly",)
    assert holds(literals, b"the weekly limit was hit, at 3")
    assert not holds(literals, b"the weekly limit resets at 3, or was hit")


def test_only_what_follows_the_last_line_break_counts_in_the_last_line() -> None:
    assert derived(r"Proceed\?\n(?:[^\n]*\n)*\u276f Approve", last_line=True) == {"approve"}
    assert derived(r"(?:First\nsecond|Third\nfourth)", last_line=True) == {"second", "fourth"}
    assert literals_of(r"Proceed\s*", last_line=True) == Literals()


def test_a_rule_s_own_literals_are_for_where_none_can_be_derived() -> None:
    rule = Rule(id="any/x", claim=Claim.FAILED, regex="limit", literals=("wrong",))
    assert rule_literals(rule).first == (b"limit",)
    rule = Rule(id="any/x", claim=Claim.FAILED, regex=r"\d+ \w+", literals=("a b", "0 of the items"))
    assert rule_literals(rule) == Literals()  # `a b` has no word that can be looked for
    rule = Rule(id="any/x", claim=Claim.FAILED, regex=r"\d+ \w+", literals=("items left", "items"))
    assert set(rule_literals(rule).first) == {b"items"}


def test_words_of_hand_written_literals() -> None:
    assert word_of("[y/n]") == b"[y/n]"
    assert word_of("do you want") == b"want"
    assert word_of("é") is None
