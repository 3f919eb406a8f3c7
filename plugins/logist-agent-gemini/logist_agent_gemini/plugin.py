"""Offers the agent `gemini`; owns its settings. Light: the agent itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="gemini", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(type="str", default=None, help="The model; unset: the CLI's own choice.", project=True),
    "approval_mode": Setting(
        type="str",
        default="auto_edit",
        choices=("default", "auto_edit", "yolo", "plan"),
        help="What it may do without asking; nobody is there to ask, so everything else is denied.",
    ),
    "trust_workspace": Setting(
        type="bool", default=True, help="Trust the job's directory for this run; without it the CLI refuses to run."
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_gemini.agent import GeminiAgent

    return GeminiAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `gemini`."""
    return [AgentRecord(name="gemini", summary="The Gemini CLI.", factory=_make, settings=SETTINGS)]
