"""Its factory makes a runtime without capabilities."""

from logist_core.api import RuntimeRecord, hookimpl


class Blind: ...


@hookimpl
def logist_runtimes():
    return [RuntimeRecord(name="no-caps", summary="Says not what it can.", factory=lambda settings: Blind())]
