"""Figures of a corpus are what they are called."""

from __future__ import annotations

import json

import pytest

from logist_core.dictionary.reading import TextReader
from logist_core.dictionary.scores import Reading, Sample, read_samples, samples_from_jsonl, scores, without_each_source
from logist_core.errors import UsageError
from logist_core.observe.matcher import Dictionary
from logist_core.types.signals import Claim, PatternSet, Rule

pytestmark = pytest.mark.fast

RULES = (
    Rule(id="any/limit", claim=Claim.RATE_LIMITED, regex="^Limit reached", source="here"),
    Rule(id="any/login", claim=Claim.AUTH_FAILED, regex="^(?:Log in|Sign in)", source="elsewhere"),
)


def reader() -> TextReader:
    return TextReader(Dictionary([PatternSet(name="t", rules=RULES)]), None)


def sample(label: str, text: str, *alternatives: str, source: str = "s") -> Sample:
    return Sample(id=text, agent="any", label=label, text=text, alt_labels=alternatives, source=source)


def readings(*rows: tuple[str, str, tuple[str, ...]]) -> list[Reading]:
    return [Reading(sample(label, f"{number}", *more), got, None) for number, (label, got, more) in enumerate(rows)]


def test_all_right_is_one() -> None:
    made = scores(readings(("failed", "failed", ()), ("none", "none", ())))
    assert made["overall"]["strict"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert made["none_false_positive_rate"] == 0.0
    assert made["errors"] == []


def test_a_false_alarm_costs_precision_and_a_silence_recall() -> None:
    made = scores(
        readings(("failed", "failed", ()), ("failed", "none", ()), ("none", "crashed", ()), ("none", "none", ()))
    )
    assert made["overall"]["lenient"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert made["none_false_positive_rate"] == 0.5
    assert [error["got"] for error in made["errors"]] == ["none", "crashed"]
    assert made["per_label"]["crashed"]["lenient"]["precision"] == 0.0


def test_an_accepted_label_is_right_leniently_alone() -> None:
    made = scores(readings(("failed", "crashed", ("crashed",)), ("failed", "none", ("none",))))
    assert made["overall"]["strict"]["f1"] == 0.0
    assert made["overall"]["lenient"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}


@pytest.mark.parametrize(
    "row",
    ["5", "{}", '{"id":"a","agent":"any","label":"nope","text":"x"}', '{"id":"a","agent":"any","label":"none"}', "{"],
)
def test_a_line_that_is_no_sample_is_named(row: str) -> None:
    with pytest.raises(UsageError, match="corpus:2"):
        samples_from_jsonl('{"id":"a","agent":"any","label":"none","text":"x"}\n' + row)


def test_what_a_corpus_says_is_read() -> None:
    row = {"id": "a", "agent": "any", "label": "none", "alt_labels": None, "stream": "stderr", "text": "x", "more": 1}
    (read,) = samples_from_jsonl(json.dumps(row) + "\n\n")
    assert (read.stream, read.alt_labels, read.source) == ("stderr", (), "")


def test_without_its_source_a_rule_that_is_known_from_nowhere_else_is_gone() -> None:
    samples = [
        sample("rate_limited", "Limit reached", source="one"),
        sample("auth_failed", "Log in", source="one"),
        sample("auth_failed", "Sign in", source="two"),
        sample("rate_limited", "Limit reached again", source="here"),
    ]
    assert [r.got for r in read_samples(reader(), samples)] == [
        "rate_limited",
        "auth_failed",
        "auth_failed",
        "rate_limited",
    ]
    got = {r.sample.text: r.got for r in without_each_source(reader(), samples)}
    assert got == {
        "Limit reached": "rate_limited",
        "Log in": "auth_failed",
        "Sign in": "auth_failed",
        "Limit reached again": "none",
    }
