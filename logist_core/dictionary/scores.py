"""Measures a dictionary on labelled samples: precision, recall, F1 by label and agent, and what is read wrongly.

Invariant: figures are counts over the samples alone; what a sample says is decided by `TextReader`, as for a job.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from logist_core.dictionary.reading import STREAMS, TextReader
from logist_core.errors import UsageError
from logist_core.types._json import JSON
from logist_core.types.signals import Claim

NONE = "none"
_LABELS = frozenset({NONE, *Claim})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled text of a corpus (docs/plugins/patterns.md).

    Attributes:
        id: Stable.
        agent: An agent's name, or `any`.
        label: The claim that the text is evidence of, or `none`.
        alt_labels: Other labels that a fair judge accepts.
        stream: `tty`, `json`, `stderr` or `text`.
        text: As printed.
        source: Where it was read.
    """

    id: str
    agent: str
    label: str
    text: str
    stream: str = "tty"
    alt_labels: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in a sample: a claim or `none`, and the rule or event that it rests on."""

    sample: Sample
    got: str
    rule: str | None


@dataclass(slots=True)
class _Counts:
    """Of one label, one agent, or all: right claims make precision, right samples recall, strictly and leniently."""

    samples: int = 0
    claims: int = 0
    right_claims: Counter[str] = field(default_factory=Counter)
    right_samples: Counter[str] = field(default_factory=Counter)

    def add(self, *, sample: bool, claim: bool, strict: bool, lenient: bool) -> None:
        self.samples += sample
        self.claims += claim
        for how, right in (("strict", strict), ("lenient", lenient)):
            self.right_claims[how] += right and claim
            self.right_samples[how] += right and sample

    def to_json(self) -> dict[str, JSON]:
        return {"samples": self.samples, **self.figures()}

    def figures(self) -> dict[str, JSON]:
        return {how: self._f1(how) for how in ("strict", "lenient")}

    def _f1(self, how: str) -> dict[str, JSON]:
        precision = self.right_claims[how] / self.claims if self.claims else 1.0
        recall = self.right_samples[how] / self.samples if self.samples else 1.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def samples_from_jsonl(text: str, where: str = "corpus") -> list[Sample]:
    """Return the samples of a corpus file.

    Raises:
        UsageError: A line isn't a sample; the message says which and why.
    """
    samples = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            samples.append(_sample(json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{where}:{number}: is no sample: {error}"[:300],
                hint='one object a line: {"id", "agent", "label", "stream", "text"}; see docs/plugins/patterns.md',
            ) from None
    return samples


def _sample(row: Any) -> Sample:
    if not isinstance(row, dict):
        raise ValueError("not an object")
    texts: dict[str, str] = {}
    for name in ("id", "agent", "label", "text"):
        if not isinstance(value := row.get(name), str):
            raise ValueError(f"{name!r} is missing or no text")
        texts[name] = value
    alternatives, stream, source = row.get("alt_labels") or [], row.get("stream", "tty"), row.get("source") or ""
    if not isinstance(alternatives, list) or not all(isinstance(item, str) for item in alternatives):
        raise ValueError("'alt_labels' must be a list of labels")
    for label in (texts["label"], *alternatives):
        if label not in _LABELS:
            raise ValueError(f"there is no label {label!r}")
    if stream not in STREAMS or not isinstance(source, str):
        raise ValueError(f"'stream' must be one of {', '.join(STREAMS)}")
    return Sample(**texts, stream=stream, alt_labels=tuple(alternatives), source=source)


def read_samples(reader: TextReader, samples: Iterable[Sample]) -> list[Reading]:
    """Return what is read in each sample."""
    readings = []
    for sample in samples:
        activity = reader.activity(sample.text, agent=sample.agent, stream=sample.stream)
        got = NONE if activity.state == "unknown" else activity.state
        readings.append(Reading(sample, got, activity.rule))
    return readings


def is_right(reading: Reading, *, lenient: bool) -> bool:
    """Whether the reading is the sample's label, or, leniently, one of the others that are accepted."""
    sample = reading.sample
    return reading.got == sample.label or (lenient and reading.got in sample.alt_labels)


def scores(readings: Sequence[Reading]) -> dict[str, JSON]:
    """Return the documented shape of `patterns eval --json`.

    Micro-averaged over claims and labels; a sample labelled `none` counts only where something is claimed of it.
    """
    overall = _Counts()
    per_label: dict[str, _Counts] = defaultdict(_Counts)
    per_agent: dict[str, _Counts] = defaultdict(_Counts)
    silent = fired = 0
    errors: list[JSON] = []
    for reading in readings:
        sample, got = reading.sample, reading.got
        strict, lenient = is_right(reading, lenient=False), is_right(reading, lenient=True)
        if not lenient:
            errors.append({"id": sample.id, "expected": sample.label, "got": got, "rule": reading.rule})
        if sample.label == NONE:
            silent += 1
            fired += got != NONE and not lenient
        facts = {"strict": strict, "lenient": lenient}
        for counts in (overall, per_agent[sample.agent]):
            counts.add(sample=sample.label != NONE, claim=got != NONE, **facts)
        # A claim that is accepted counts for its sample's label, a wrong one for the label that it names.
        if sample.label != NONE:
            per_label[sample.label].add(sample=True, claim=got != NONE and lenient, **facts)
        if got != NONE and not lenient:
            per_label[got].add(sample=False, claim=True, **facts)
    return {
        "overall": overall.figures(),
        "per_label": {name: counts.to_json() for name, counts in sorted(per_label.items())},
        "per_agent": {name: counts.to_json() for name, counts in sorted(per_agent.items())},
        "none_false_positive_rate": round(fired / silent, 4) if silent else 0.0,
        "errors": errors,
    }


def without_each_source(
    reader: TextReader, samples: Sequence[Sample], progress: Callable[[int, int], None] = lambda done, of: None
) -> list[Reading]:
    """Return what is read in each sample without the rules that are only known from the sample's own source.

    Such a rule names that source (`Rule.source`), or all samples of the corpus that it reads come from there. What is
    left is what the dictionary would have said before it knew that source.
    """
    by_source: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_source[sample.source].append(sample)
    seen: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        for signal in reader.signals(sample.text, agent=sample.agent, stream=sample.stream):
            seen[signal.rule].add(sample.source)
    named: Mapping[str, str] = {rule_id: rule.source for rule_id, rule in reader.dictionary.rules}
    readings = []
    for number, (source, own) in enumerate(by_source.items()):
        progress(number, len(by_source))
        gone = {rule for rule, sources in seen.items() if sources == {source}}
        gone |= {rule for rule, text in named.items() if source and source in text.split("; ")}
        readings += read_samples(reader.without(gone), own)
    return readings
