"""The pattern kit finds what is wrong with a set of rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logist_core.observe.matcher import Matcher
from logist_core.testing.pattern_contract import PatternContract
from logist_core.types.signals import Claim, PatternSet, Rule

pytestmark = pytest.mark.fast

GOOD = Rule(
    id="acme/limit",
    claim=Claim.RATE_LIMITED,
    regex=r"^Limit reached(?:$|[.:])",
    agents=("acme",),
    literals=("limit reached",),
    examples=("Limit reached", "Limit reached: wait"),
    counter_examples=('"Limit reached"', "- Limit reached"),
    source="the program",
)
OTHER = replace(
    GOOD, id="acme/wait", claim=Claim.OVERLOADED, regex=r"[:.] wait$", literals=("wait",), examples=("Busy: wait",),
    confidence=0.7,
)  # fmt: skip


class TestAGoodSet(PatternContract):
    @pytest.fixture
    def patterns(self) -> PatternSet:
        return PatternSet(name="good", rules=(GOOD,))


class TestARuleWithoutLiteralsOnPurpose(PatternContract):
    slow_rules = frozenset({"acme/limit"})

    @pytest.fixture
    def patterns(self) -> PatternSet:
        return PatternSet(name="slow", rules=(replace(GOOD, regex=r"^\w+ \w+(?:$|: wait)", literals=()),))


KIT = PatternContract()


def check(name: str, *rules: Rule) -> None:
    patterns = PatternSet(name="bad", rules=rules)
    test = getattr(KIT, name)
    arguments = {"patterns": patterns, "matcher": Matcher((rule.id, rule) for rule in rules)}
    test(
        **{
            key: value
            for key, value in arguments.items()
            if key in test.__code__.co_varnames[: test.__code__.co_argcount]
        }
    )


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("test_every_rule_compiles_and_is_complete", (replace(GOOD, regex="a(b"),)),
        ("test_every_rule_compiles_and_is_complete", (replace(GOOD, regex=r"^\w+", literals=()),)),
        ("test_every_rule_compiles_and_is_complete", (replace(GOOD, literals=("Upper",)),)),
        ("test_every_id_is_there_once", (GOOD, GOOD)),
        ("test_lint_finds_nothing_wrong", (replace(GOOD, examples=()),)),
        ("test_lint_finds_nothing_wrong", (replace(GOOD, counter_examples=("one",)),)),
        ("test_lint_finds_nothing_wrong", (replace(GOOD, source=" "),)),
        ("test_lint_finds_nothing_wrong", (replace(GOOD, examples=("Limit not reached",)),)),
        ("test_lint_finds_nothing_wrong", (replace(GOOD, counter_examples=("Limit reached", "x")),)),
        ("test_every_example_contains_a_literal", (replace(GOOD, literals=("quota",)),)),
        ("test_lint_finds_nothing_wrong", (GOOD, OTHER)),
        (
            "test_overlaps_name_rules_of_the_same_claim_or_are_ranked",
            (GOOD, replace(OTHER, overlaps=("acme/limit",), confidence=GOOD.confidence)),
        ),
    ],
)
def test_what_is_wrong_fails(name: str, rules: tuple[Rule, ...]) -> None:
    with pytest.raises(AssertionError):
        check(name, *rules)


def test_a_declared_overlap_passes() -> None:
    declared = replace(OTHER, overlaps=("acme/limit",))
    check("test_lint_finds_nothing_wrong", GOOD, declared)
    check("test_overlaps_name_rules_of_the_same_claim_or_are_ranked", GOOD, declared)


def test_rules_of_different_agents_do_not_overlap() -> None:
    check("test_lint_finds_nothing_wrong", GOOD, replace(OTHER, agents=("other",)))


def test_a_regex_that_explodes_fails() -> None:
    bomb = replace(GOOD, regex=r"^(?:a|aa)+$", literals=("aa",), examples=("aaaa",))
    with pytest.raises(AssertionError, match="takes too long"):
        check("test_lint_finds_nothing_wrong", bomb)


def test_rules_that_claim_the_same_need_not_know_of_one_another() -> None:
    check("test_lint_finds_nothing_wrong", GOOD, replace(OTHER, claim=GOOD.claim))


def test_wrong_literals_hide_no_match_where_the_regex_has_some() -> None:
    wrong = replace(GOOD, regex=r"(?i)limit reached|quota gone", examples=("Limit reached", "Quota gone"))
    check("test_lint_finds_nothing_wrong", wrong)
    with pytest.raises(AssertionError):
        check("test_every_example_contains_a_literal", wrong)
