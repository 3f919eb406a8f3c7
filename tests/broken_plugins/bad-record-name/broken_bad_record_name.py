"""Its record has a name that nobody could type."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="bad\x1b[2Jname", summary="Clears the screen.", factory=lambda settings: None)]
