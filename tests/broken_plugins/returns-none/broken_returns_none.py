"""Its hook returns nothing."""

from logist_core.api import hookimpl


@hookimpl
def logist_agents():
    pass
