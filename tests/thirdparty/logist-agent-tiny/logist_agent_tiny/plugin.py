"""Offers the agent `tiny` to Logist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from logist_core.api import Agent, AgentRecord, Setting, hookimpl

SETTINGS = {
    "greeting": Setting(type="str", default="tiny says:", help="What stands before the answer.", project=True),
    "shell": Setting(type="str", default="sh", help="The shell that runs it."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_tiny.agent import TinyAgent

    return TinyAgent(settings["shell"], settings["greeting"])


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    return [AgentRecord(name="tiny", summary="Says its prompt back.", factory=_make, settings=SETTINGS)]
