"""Its hook takes an argument that nobody passes."""

from logist_core.api import hookimpl


@hookimpl
def logist_agents(config):
    return []
