"""Returns something that is no record at all."""

from logist_core.api import hookimpl


@hookimpl
def logist_agents():
    return [("no-record", "A tuple.")]
