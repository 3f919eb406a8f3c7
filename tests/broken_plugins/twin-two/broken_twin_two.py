"""Offers a name that another distribution offers as well."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="twin", summary="Number two.", factory=lambda settings: None)]
