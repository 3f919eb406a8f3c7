"""Its factory raises."""

from logist_core.api import AgentRecord, hookimpl


def _make(settings):
    raise OSError("the licence server is down")


@hookimpl
def logist_agents():
    return [AgentRecord(name="factory-raises", summary="Can not be made.", factory=_make)]
