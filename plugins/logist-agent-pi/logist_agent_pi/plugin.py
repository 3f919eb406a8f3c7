"""Offers the agent `pi`; owns its settings. Light: the agent itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="pi", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "provider": Setting(type="str", default=None, help="The provider (`anthropic`, `openai` ...); unset: pi's own."),
    "model": Setting(type="str", default=None, help="A model, or a pattern for one; unset: pi's own.", project=True),
    "tools": Setting(
        type="list", default=[], help="The only tools it may use (`read`, `grep` ...); empty: all. It never asks."
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_pi.agent import PiAgent

    return PiAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `pi`."""
    return [AgentRecord(name="pi", summary="The pi coding agent.", factory=_make, settings=SETTINGS)]
