"""What the program's events tell of its conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_gemini.conversation import READERS

from logist_core.agentkit import entries_of
from logist_core.api import Entry
from logist_core.api import EntryKind as K

pytestmark = pytest.mark.fast

EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "message", "role": "user", "content": "go"},
    {"type": "message", "role": "assistant", "content": "I lo", "delta": True},
    {"type": "tool_use", "tool_name": "write_file", "tool_id": "t1", "parameters": {"file_path": "a.py"}},
    {"type": "tool_result", "tool_id": "t1", "status": "error", "error": {"message": "no"}},
    {"type": "error", "message": "loop detected"},
    {"type": "result", "status": "success", "stats": {"input_tokens": 5, "output_tokens": 2}},
)
ENTRIES = [
    Entry(kind=K.PROMPT, text="go"),
    Entry(kind=K.TEXT, text="I lo", partial=True),
    Entry(kind=K.TOOL, call="t1", tool="write_file", path="a.py", writes=True),
    Entry(kind=K.RESULT, call="t1", text="no", ok=False),
    Entry(kind=K.NOTICE, text="loop detected"),
    Entry(kind=K.END, ok=True, tokens_in=5, tokens_out=2),
]


def test_events_tell_what_was_said_and_done() -> None:
    told = [entry for event in EVENTS for entry in entries_of(json.dumps(event), READERS)]
    assert told == ENTRIES
