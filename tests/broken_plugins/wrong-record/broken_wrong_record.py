"""Returns the record of a runtime as an agent."""

from logist_core.api import RuntimeRecord, hookimpl


@hookimpl
def logist_agents():
    return [RuntimeRecord(name="wrong-record", summary="A runtime.", factory=lambda settings: None)]
