"""Offers the agent `copilot`; owns its settings. Light: the agent itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="copilot", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(type="str", default=None, help="The model; unset: the CLI's own.", project=True),
    "allowed_tools": Setting(
        type="list",
        default=["write"],
        help="What it may do without asking, such as `write` or `shell(git:*)`; everything else is denied.",
    ),
    "denied_tools": Setting(type="list", default=[], help="What it may not do, whatever else allows it."),
    "allow_all": Setting(
        type="bool", default=False, help="Allow every tool and every path; for containers and machines you can lose."
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_copilot.agent import CopilotAgent

    return CopilotAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `copilot`."""
    return [AgentRecord(name="copilot", summary="The GitHub Copilot CLI.", factory=_make, settings=SETTINGS)]
