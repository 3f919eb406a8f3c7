"""What the program's events tell of its conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_qwen.conversation import READERS

from logist_core.agentkit import entries_of
from logist_core.api import Entry
from logist_core.api import EntryKind as K

pytestmark = pytest.mark.fast

EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "assistant", "message": {"id": "m1", "content": [{"type": "text", "text": "I look."}]}},
    {"type": "assistant", "message": {"id": "m2", "content": [{"type": "text", "text": "[API Error: no]"}]}},
    {"type": "system", "subtype": "retry", "data": {"attempt": 1, "maxRetries": 10}},
    {"type": "system", "subtype": "retry"},
    {"type": "result", "subtype": "error_during_execution", "is_error": True, "error": {"message": "no"}},
)
ENTRIES = [
    Entry(kind=K.TEXT, text="I look.", turn="m1"),
    Entry(kind=K.NOTICE, text="[API Error: no]"),
    Entry(kind=K.NOTICE, text="retry 1 of 10"),
    Entry(kind=K.NOTICE, text="retry"),
    Entry(kind=K.END, text="no", ok=False),
]


def test_events_tell_what_was_said_and_done() -> None:
    told = [entry for event in EVENTS for entry in entries_of(json.dumps(event), READERS)]
    assert told == ENTRIES
