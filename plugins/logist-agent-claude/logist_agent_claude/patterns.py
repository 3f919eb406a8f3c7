"""Offers the pattern set `claude`: what the CLI prints as text. The rules are data, in `rules.toml`.

Invariant: nothing here knows of the agent itself, so that its texts can be read where only they are at hand.
"""

from __future__ import annotations

from collections.abc import Iterable

from logist_core.api import PatternSet, PatternsRecord, hookimpl, pattern_set_from_files


def load() -> PatternSet:
    """Return the rules."""
    from importlib.resources import files

    text = (files("logist_agent_claude") / "rules.toml").read_text("utf-8")
    return pattern_set_from_files("claude", {"rules.toml": text})


@hookimpl
def logist_patterns() -> Iterable[PatternsRecord]:
    """Return the one record of this plugin."""
    return [PatternsRecord(name="claude", summary="What the Claude Code CLI prints.", factory=load)]
