"""Offers the agent `codex`; owns its settings. Light: the agent itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from logist_core.api import AgentRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Agent

SETTINGS: Mapping[str, Setting] = {
    "executable": Setting(
        type="str", default="codex", help="The program: a name that is looked up in the job's PATH, or a path."
    ),
    "model": Setting(type="str", default=None, help="The model; unset: the CLI's own.", project=True),
    "sandbox": Setting(
        type="str",
        default="workspace-write",
        choices=("read-only", "workspace-write", "danger-full-access"),
        help="What the commands that the model runs may do; the kernel holds them to it.",
    ),
    "bypass_sandbox": Setting(
        type="bool", default=False, help="No sandbox and no approvals; for containers and machines you can lose."
    ),
    "extra_args": Setting(type="list", default=[], help="More arguments for every run, before those after `--`."),
}


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_codex.agent import CodexAgent

    return CodexAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Offer `codex`."""
    return [AgentRecord(name="codex", summary="The OpenAI Codex CLI.", factory=_make, settings=SETTINGS)]
