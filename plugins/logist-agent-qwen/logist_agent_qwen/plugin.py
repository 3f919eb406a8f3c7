"""Offers the agent `qwen`; owns its settings. Light: the agent itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent

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
