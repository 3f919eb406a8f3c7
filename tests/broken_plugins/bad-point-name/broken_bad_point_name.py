"""Its entry point has a name that users could not select."""

from logist_core.api import hookimpl


@hookimpl
def logist_agents():
    return []
