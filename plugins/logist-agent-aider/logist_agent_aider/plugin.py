"""Offers the agent `aider` and rules that read its text; owns its settings. Light: the rest is imported late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, PatternsRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent, PatternSet

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="aider", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(
        type="str", default=None, help="The model, as litellm names it; unset: aider's own choice.", project=True
    ),
    "auto_commits": Setting(
        type="bool", default=None, help="Whether it commits its edits; unset: as its own configuration says."
    ),
    "files": Setting(type="list", default=[], help="Files that it may edit from the start."),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_aider.agent import AiderAgent

    return AiderAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `aider`."""
    return [AgentRecord(name="aider", summary="aider.", factory=_make, settings=SETTINGS)]


def load_rules() -> PatternSet:
    """Return the rules that read aider's text."""
    from importlib.resources import files

    from logist_core.api import pattern_set_from_files

    text = (files("logist_agent_aider") / "rules.toml").read_text("utf-8")
    return pattern_set_from_files("aider", {"rules.toml": text})


@hookimpl
def logist_patterns() -> Iterable[PatternsRecord]:
    """Offer the rules of `aider`."""
    return [PatternsRecord(name="aider", summary="What aider prints alike, told apart.", factory=load_rules)]
