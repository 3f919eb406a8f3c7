"""Returns two records of one name."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="twice", summary=f"Number {n}.", factory=lambda settings: None) for n in (1, 2)]
