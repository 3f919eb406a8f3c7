"""From one line of `--output-format stream-json` to what was said and done. Pure and total, as `events`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logist_core.agentkit import Messages, object_of, text, whole
from logist_core.api import Entry, EntryKind

_MESSAGES = Messages(writes=("edit", "notebook_edit", "write_file"), error_prefix="[API Error: ")


def _system(event: Mapping[str, Any]) -> Iterator[Entry]:
    if text(event.get("subtype")) == "retry":
        data = object_of(event.get("data"))
        attempt, most = whole(data.get("attempt")), whole(data.get("maxRetries"))
        counted = f" {attempt} of {most}" if attempt is not None and most is not None else ""
        yield Entry(kind=EntryKind.NOTICE, text=f"retry{counted}")


#: See `logist_core.agentkit.entries_of`.
READERS = {
    "assistant": _MESSAGES.assistant,
    "result": _MESSAGES.result,
    "system": _system,
    "user": _MESSAGES.user,
}
