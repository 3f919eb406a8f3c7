"""Rules as TOML and JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.api import ConfigError, pattern_set_from_files, rule_from_mapping, rule_to_mapping, rules_from_toml
from logist_core.types.signals import Claim, Rule

pytestmark = pytest.mark.fast

FILE = """
agents = ["acme"]

[fragments]
lead = '^%dots%'
dots = '[.]{0,3}'

[[rule]]
id = "acme/limit"
claim = "rate_limited"
regex = '%lead%limit (?P<resets_at>.+)'
literals = ["limit"]
fields = { resets_at = "time" }
lease_s = 60
before = 2
final = true

[[rule]]
id = "acme/any-agent"
claim = "failed"
regex = '100%'
agents = ["*"]
"""


def test_a_file_of_rules() -> None:
    limit, other = rules_from_toml(FILE)
    assert limit == Rule(
        id="acme/limit",
        claim=Claim.RATE_LIMITED,
        regex="^[.]{0,3}limit (?P<resets_at>.+)",
        agents=("acme",),
        literals=("limit",),
        fields={"resets_at": "time"},
        lease_s=60.0,
        before=2,
        final=True,
    )
    assert (other.regex, other.agents) == ("100%", ("*",))


TEXT = st.text(max_size=20)
RULES = st.builds(
    Rule,
    id=st.from_regex(r"[a-z][a-z0-9-]{0,5}/[a-z0-9-]{1,8}", fullmatch=True).filter(lambda name: "/-" not in name),
    claim=st.sampled_from(list(Claim)),
    regex=TEXT,
    agents=st.lists(TEXT, max_size=3).map(tuple),
    versions=st.one_of(st.none(), TEXT),
    before=st.integers(0, 12),
    literals=st.lists(TEXT, max_size=3).map(tuple),
    fields=st.dictionaries(TEXT, TEXT, max_size=2),
    lease_s=st.one_of(st.none(), st.floats(0, 1e6)),
    final=st.booleans(),
    confidence=st.floats(0, 1),
    examples=st.lists(TEXT, max_size=2).map(tuple),
)


@given(RULES)
def test_a_rule_survives_being_written(rule: Rule) -> None:
    assert rule_from_mapping(json.loads(json.dumps(rule_to_mapping(rule)))) == rule


def test_defaults_are_not_written() -> None:
    rule = Rule(id="a/b", claim=Claim.FAILED, regex="x")
    assert rule_to_mapping(rule) == {"id": "a/b", "claim": "failed", "regex": "x"}


RULE = 'id = "a/b"\nclaim = "failed"\nregex = "x"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[rule", "is not TOML"),
        ('colour = "red"', "unknown key 'colour'"),
        ("rule = 5", "array of tables"),
        ("fragments = 5", "must be a table"),
        ("[[rule]]\n" + RULE + "size = 5", "unknown key 'size'"),
        ('[[rule]]\nid = "a/b"', "'claim' is missing"),
        ("[[rule]]\n" + RULE.replace("failed", "asleep"), "unknown claim 'asleep'"),
        ("[[rule]]\n" + RULE.replace("a/b", "Not An Id"), "an id looks like"),
        ("[[rule]]\n" + RULE.replace('"x"', "5"), "'regex' has the wrong type"),
        ("[[rule]]\n" + RULE + "literals = [5]", "'literals' has the wrong type"),
        ("[[rule]]\n" + RULE + "confidence = true", "'confidence' has the wrong type"),
        ("[[rule]]\n" + RULE + 'before = "2"', "'before' has the wrong type"),
        ("[[rule]]\n" + RULE + "final = 1", "'final' has the wrong type"),
        ("[[rule]]\n" + RULE + "fields = { a = 1 }", "'fields' has the wrong type"),
        ("[[rule]]\n" + RULE.replace('"x"', '"%nope%"'), "no fragment %nope%"),
        ("[fragments]\na = '%a%'\n[[rule]]\n" + RULE.replace('"x"', '"%a%"'), "nested too deep"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=r"acme\.toml") as caught:
        rules_from_toml(text, "acme.toml")
    assert complaint in caught.value.message


def test_two_rules_with_the_same_id_are_refused() -> None:
    with pytest.raises(ConfigError, match="another rule 'a/b'"):
        pattern_set_from_files("s", {"one.toml": "[[rule]]\n" + RULE, "two.toml": "[[rule]]\n" + RULE})


def test_files_make_a_set_in_their_order() -> None:
    made = pattern_set_from_files("s", {"one.toml": "[[rule]]\n" + RULE, "two.toml": FILE})
    assert [rule.id for rule in made.rules] == ["a/b", "acme/limit", "acme/any-agent"]
