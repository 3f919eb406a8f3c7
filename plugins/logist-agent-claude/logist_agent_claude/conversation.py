"""From one line of `--output-format stream-json` to what was said and done. Pure and total, as `events`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logist_core.agentkit import Messages, text, whole
from logist_core.api import Entry, EntryKind

_MESSAGES = Messages(writes=("Edit", "MultiEdit", "NotebookEdit", "Write"))


def _system(event: Mapping[str, Any]) -> Iterator[Entry]:
    subtype = text(event.get("subtype"))
    if subtype == "compact_boundary":
        yield Entry(kind=EntryKind.NOTICE, text="the conversation was compacted")
    elif subtype == "api_retry":
        status, attempt, most = (whole(event.get(key)) for key in ("error_status", "attempt", "max_retries"))
        error = text(event.get("error")) or "error"
        yield Entry(kind=EntryKind.NOTICE, text=f"retry {attempt} of {most}: {error}, status {status or 'none'}")


#: See `logist_core.agentkit.entries_of`.
READERS = {
    "assistant": _MESSAGES.assistant,
    "result": _MESSAGES.result,
    "system": _system,
    "user": _MESSAGES.user,
}
