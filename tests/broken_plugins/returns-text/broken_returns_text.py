"""Its hook returns a text."""

from logist_core.api import hookimpl


@hookimpl
def logist_agents():
    return "returns-text"
