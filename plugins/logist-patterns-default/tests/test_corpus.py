"""How much of what agents print the whole dictionary reads right: on texts of our own, and on a corpus where one is.

The samples in `held_out.jsonl` are in our own words, after what agents print. They were first read by rules that had
never seen them; the rules have learnt from them since, so they guard what is known and measure nothing new. Another
corpus (`LOGIST_CORPUS`) is other people's text and isn't part of the project.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from logist_core.dictionary.reading import TextReader
from logist_core.dictionary.scores import Sample, read_samples, samples_from_jsonl, scores
from logist_core.observe import Dictionary
from logist_core.registry import Registry
from logist_core.types._json import JSON

pytestmark = pytest.mark.fast

HELD_OUT = Path(__file__).with_name("held_out.jsonl")
CORPUS = Path(os.environ.get("LOGIST_CORPUS", Path(__file__).parents[4] / "shared" / "corpus" / "dev.jsonl"))


@cache
def reader() -> TextReader:
    registry = Registry.discover()
    return TextReader(Dictionary(registry.patterns()), registry)


def corpus() -> list[Sample]:
    if not CORPUS.is_file():
        pytest.skip(f"there is no corpus of samples here; set LOGIST_CORPUS to its path (looked for {CORPUS.name})")
    return samples_from_jsonl(CORPUS.read_text("utf-8"))


def measured(samples: list[Sample]) -> dict[str, JSON]:
    return scores(read_samples(reader(), samples))


def test_our_own_words_are_read_right() -> None:
    made = measured(samples_from_jsonl(HELD_OUT.read_text("utf-8")))
    assert made["overall"]["lenient"]["f1"] >= 0.96, made["errors"]
    assert made["none_false_positive_rate"] <= 0.02, made["errors"]


def test_the_corpus_is_read_right() -> None:
    made = measured(corpus())
    assert made["overall"]["lenient"]["f1"] >= 0.96, made["errors"]
    assert made["none_false_positive_rate"] <= 0.01, made["errors"]


def test_no_example_is_a_copy_of_a_sample() -> None:
    texts = {sample.text.strip() for sample in corpus()}
    examples = [example for _, rule in reader().dictionary.rules for example in rule.examples]
    assert [example for example in examples if example.strip() in texts and len(example) > 20] == []
