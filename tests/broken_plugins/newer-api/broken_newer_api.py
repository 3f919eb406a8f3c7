"""Is written for a later plugin API."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="newer-api", summary="From the future.", factory=lambda settings: None, api=99)]
