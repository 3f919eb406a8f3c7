"""Its record has an object where the factory should be."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="no-factory", summary="Has no factory.", factory=object())]
