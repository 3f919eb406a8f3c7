"""Its record has another name than its entry point."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="renamed", summary="Was renamed.", factory=lambda settings: None)]
