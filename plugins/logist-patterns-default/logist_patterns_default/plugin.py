"""Offers the default dictionary. The rules are data, in `rules/*.toml`, read when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterable

from logist_core.api import PatternSet, PatternsRecord, hookimpl, pattern_set_from_files


def load() -> PatternSet:
    """Return all rules, those for one agent before those for any."""
    from importlib.resources import files

    folder = files("logist_patterns_default") / "rules"
    texts = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".toml")}
    return pattern_set_from_files("default", dict(sorted(texts.items())))


@hookimpl
def logist_patterns() -> Iterable[PatternsRecord]:
    """Return the one record of this plugin."""
    return [PatternsRecord(name="default", summary="What the common agents print.", factory=load)]
