"""Its hook never runs out of records."""

import itertools

from logist_core.api import hookimpl


@hookimpl
def logist_agents():
    return itertools.count()
