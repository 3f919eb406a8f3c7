"""Prints while it is imported."""

from logist_core.api import hookimpl

print("{\"schema\": 1}")


@hookimpl
def logist_agents():
    return []
