"""Ends the program when it is made."""

import sys

from logist_core.api import SentinelRecord, hookimpl


@hookimpl
def logist_sentinels():
    return [SentinelRecord(name="sentinel-exits", summary="Gone.", factory=lambda settings: sys.exit(1))]
