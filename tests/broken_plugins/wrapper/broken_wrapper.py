"""Wraps the hook of every other plugin."""

from logist_core.api import hookimpl


@hookimpl(wrapper=True)
def logist_agents():
    return (yield)
