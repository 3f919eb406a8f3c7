"""Implements no hook of its group."""

from logist_core.api import hookimpl


@hookimpl
def logist_runtimes():
    return []
