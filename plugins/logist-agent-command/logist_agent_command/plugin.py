"""Offers the command agent to Logist. Invariant: importing this module imports nothing of the agent itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from logist_core.api import Agent, AgentRecord, Setting, hookimpl

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "stdin": Setting(
            type="str",
            default="null",
            help="null: end of file at once; open: a pipe for `logist send`. With --pty it is always open.",
            choices=("null", "open"),
            project=True,
        ),
        "chatty": Setting(
            type="bool",
            default=False,
            help="The command is known to print as it works: its silence is then evidence of a hang, as an agent's is.",
            project=True,
        ),
        "stop": Setting(
            type="list",
            default=["TERM:10"],
            help="How to end it: signals with the seconds to wait after each, then everything is killed.",
        ),
    }
)


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_command.agent import CommandAgent

    return CommandAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Return the command agent's record."""
    return [
        AgentRecord(
            name="command",
            summary="Runs any command line given after `--`; its exit code is the outcome.",
            factory=_make,
            settings=SETTINGS,
        )
    ]
