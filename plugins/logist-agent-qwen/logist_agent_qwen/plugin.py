"""Offers the agent `qwen` and rules for its standard error; owns its settings. Light: the rest is imported late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, PatternsRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent, PatternSet

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="qwen", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(type="str", default=None, help="The model; unset: the CLI's own.", project=True),
    "auth_type": Setting(
        type="str",
        default=None,
        help="How it logs in (`openai`, `anthropic`, `gemini`, `qwen-oauth` ...); unset: as its own settings say.",
    ),
    "approval_mode": Setting(
        type="str",
        default="auto-edit",
        choices=("plan", "default", "auto-edit", "auto", "yolo"),
        help="What it may do without asking; nobody is there to ask, so everything else is denied.",
    ),
    "max_turns": Setting(type="int", default=None, help="End after so many turns; unset: no limit."),
    "partial_messages": Setting(
        type="bool",
        default=True,
        help="Log every piece of an answer as it comes: it shows a slow answer from a hung one, for a longer log.",
        project=True,
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_qwen.agent import QwenAgent

    return QwenAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `qwen`."""
    return [AgentRecord(name="qwen", summary="Qwen Code.", factory=_make, settings=SETTINGS)]


def load_rules() -> PatternSet:
    """Return the rules that read Qwen Code's standard error."""
    from importlib.resources import files

    from logist_core.api import pattern_set_from_files

    text = (files("logist_agent_qwen") / "rules.toml").read_text("utf-8")
    return pattern_set_from_files("qwen", {"rules.toml": text})


@hookimpl
def logist_patterns() -> Iterable[PatternsRecord]:
    """Offer the rules of `qwen`."""
    return [PatternsRecord(name="qwen", summary="Why Qwen Code tries again.", factory=load_rules)]
