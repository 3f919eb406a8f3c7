"""Its factory returns a class instead of an object."""

from logist_core.api import AgentRecord, hookimpl


class Half: ...


@hookimpl
def logist_agents():
    return [AgentRecord(name="class-product", summary="A class.", factory=lambda settings: Half)]
