"""Offers the agent `mini` and the rules that read its text; owns its settings. Light: the rest is imported late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, PatternsRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent, PatternSet

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="mini", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(
        type="str", default=None, help="The model, as litellm names it; unset: as its configuration says.", project=True
    ),
    "config": Setting(
        type="list", default=["mini.yaml"], help="Its configurations, each a file or `key=value`, merged in this order."
    ),
    "cost_limit_usd": Setting(
        type="float", default=None, help="End when so many US dollars are spent; unset: as its configuration says."
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_mini.agent import MiniAgent

    return MiniAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `mini`."""
    return [AgentRecord(name="mini", summary="mini-swe-agent.", factory=_make, settings=SETTINGS)]


def load_rules() -> PatternSet:
    """Return the rules that read mini-swe-agent's text."""
    from importlib.resources import files

    from logist_core.api import pattern_set_from_files

    text = (files("logist_agent_mini") / "rules.toml").read_text("utf-8")
    return pattern_set_from_files("mini", {"rules.toml": text})


@hookimpl
def logist_patterns() -> Iterable[PatternsRecord]:
    """Offer the rules of `mini`."""
    return [PatternsRecord(name="mini", summary="What mini-swe-agent prints.", factory=load_rules)]
