"""Offers the agent `claude`; owns its settings. Light: the agent itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="claude", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(
        type="str", default=None, help="The model, by alias (`opus`) or full name; unset: the CLI's own.", project=True
    ),
    "permission_mode": Setting(
        type="str",
        default="acceptEdits",
        choices=("default", "acceptEdits", "dontAsk", "plan", "auto"),
        help="What it may do without asking; nobody is there to ask, so everything else is denied.",
    ),
    "allowed_tools": Setting(
        type="list", default=[], help="Permission rules to allow besides, such as `Bash(pytest:*)` or `WebFetch`."
    ),
    "disallowed_tools": Setting(type="list", default=[], help="Permission rules to deny, whatever else allows them."),
    "skip_permissions": Setting(
        type="bool", default=False, help="Allow everything, unasked; for containers and machines you can lose."
    ),
    "max_turns": Setting(type="int", default=None, help="End after so many turns; unset: no limit."),
    "max_budget_usd": Setting(
        type="float", default=None, help="End when so many US dollars are spent; unset: no limit."
    ),
    "partial_messages": Setting(
        type="bool",
        default=True,
        help="Log every piece of an answer as it comes: it shows a slow answer from a hung one, for a longer log.",
        project=True,
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_claude.agent import ClaudeAgent
    from logist_agent_claude.command import Options

    return ClaudeAgent(Options.of(settings))


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `claude`."""
    return [AgentRecord(name="claude", summary="The Claude Code CLI.", factory=_make, settings=SETTINGS)]
