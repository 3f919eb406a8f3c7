"""Its factory makes an agent without some of the methods."""

from logist_core.api import AgentRecord, hookimpl


class Half:
    def plan(self, job, ctx): ...

    def resume(self, job, ctx, last): ...


@hookimpl
def logist_agents():
    return [AgentRecord(name="incomplete", summary="Half an agent.", factory=lambda settings: Half())]
