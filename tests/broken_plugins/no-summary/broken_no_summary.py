"""Its record says nothing of itself."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="no-summary", summary="", factory=lambda settings: None)]
