"""Its hook is a generator that fails after the call."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    yield AgentRecord(name="late", summary="Comes too late.", factory=lambda settings: None)
    raise RuntimeError("the second record could not be made")
