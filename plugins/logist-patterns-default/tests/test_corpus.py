"""How much of what real agents print the dictionary reads right, where the corpus of samples is at hand.

The samples are other people's text and aren't part of the project. Only printed text is judged here; structured lines
are read by the agents' plugins.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from logist_patterns_default.plugin import load

from logist_core.observe import Dictionary, classify

pytestmark = pytest.mark.fast

CORPUS = Path(os.environ.get("LOGIST_CORPUS", Path(__file__).parents[4] / "shared" / "corpus" / "dev.jsonl"))
AGENTS = ("claude", "codex", "gemini", "aider", "any")
CHANNELS = {"tty": "screen", "stderr": "stderr"}


def samples() -> list[dict[str, object]]:
    if not CORPUS.is_file():
        pytest.skip(f"there is no corpus of samples here; set LOGIST_CORPUS to its path (looked for {CORPUS.name})")
    rows = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
    return [row for row in rows if row["stream"] in CHANNELS]


def score(rows: list[dict[str, object]]) -> dict[str, float]:
    """Return strict and lenient F1, and the share of `none` samples that fire."""
    dictionary = Dictionary([load()])
    counts: Counter[str] = Counter()
    for row in rows:
        activity = classify(dictionary.for_agent(str(row["agent"])), str(row["text"]), CHANNELS[str(row["stream"])])
        got = "none" if activity.state == "unknown" else activity.state
        counts["predicted"] += got != "none"
        if row["label"] == "none":
            counts["none"] += 1
            counts["false"] += got != "none"
        else:
            counts["labelled"] += 1
            counts["strict"] += got == row["label"]
            counts["lenient"] += got == row["label"] or got in (row["alt_labels"] or ())  # type: ignore[operator]
    return {
        "strict_f1": 2 * counts["strict"] / (counts["predicted"] + counts["labelled"]),
        "lenient_f1": 2 * counts["lenient"] / (counts["predicted"] + counts["labelled"]),
        "none_false_positive_rate": counts["false"] / counts["none"],
    }


def test_the_corpus_is_read_right(record_property: pytest.FixtureRequest) -> None:
    figures = score([row for row in samples() if row["agent"] in AGENTS])
    for name, value in figures.items():
        record_property(name, round(value, 3))  # type: ignore[operator]
    assert figures["lenient_f1"] >= 0.95, figures
    assert figures["none_false_positive_rate"] <= 0.02, figures


def test_other_agents_are_read_by_the_rules_for_any() -> None:
    figures = score([row for row in samples() if row["agent"] not in AGENTS])
    assert figures["lenient_f1"] >= 0.8, figures


def test_no_example_is_a_copy_of_a_sample() -> None:
    texts = {str(row["text"]).strip() for row in samples()}
    copied = [
        example for rule in load().rules for example in rule.examples if example.strip() in texts and len(example) > 20
    ]
    assert copied == []
