"""Its hook raises."""

from logist_core.api import hookimpl


@hookimpl
def logist_agents():
    return [{}["nothing"]]
