"""Is written for an earlier plugin API."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="older-api", summary="From the past.", factory=lambda settings: None, api=0)]
