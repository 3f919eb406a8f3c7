"""Its factory makes no set of patterns."""

from logist_core.api import PatternsRecord, hookimpl


@hookimpl
def logist_patterns():
    return [PatternsRecord(name="patterns-text", summary="A text.", factory=lambda: "error: .*")]
