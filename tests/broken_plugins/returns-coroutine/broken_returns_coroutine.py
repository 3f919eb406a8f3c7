"""Its hook is asynchronous."""

from logist_core.api import hookimpl


@hookimpl
async def logist_agents():
    return []
