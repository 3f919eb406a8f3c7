"""Offers the agent `opencode`; owns its settings. Light: the agent itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="opencode", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(
        type="str", default=None, help="`provider/model`; unset: as its configuration says.", project=True
    ),
    "agent": Setting(type="str", default=None, help="Which of its own agents works (`build`, `plan` ...)."),
    "approve_all": Setting(
        type="bool",
        default=False,
        help="Approve what its configuration doesn't deny; otherwise what it would have asked about is refused.",
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_opencode.agent import OpencodeAgent

    return OpencodeAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `opencode`."""
    return [AgentRecord(name="opencode", summary="opencode.", factory=_make, settings=SETTINGS)]
