"""What the program's events tell of its conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_codex.conversation import READERS

from logist_core.agentkit import entries_of
from logist_core.api import Entry
from logist_core.api import EntryKind as K

pytestmark = pytest.mark.fast

EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "item.completed", "item": {"id": "i0", "type": "error", "message": "a warning"}},
    {"type": "item.completed", "item": {"id": "i1", "type": "agent_message", "text": "I look."}},
    {"type": "item.completed", "item": {"id": "i2", "type": "reasoning", "text": "hm"}},
    {"type": "item.started", "item": {"id": "i3", "type": "command_execution", "command": "make"}},
    {
        "type": "item.completed",
        "item": {"id": "i3", "type": "command_execution", "aggregated_output": "x", "exit_code": 2},
    },
    {
        "type": "item.started",
        "item": {"id": "i4", "type": "mcp_tool_call", "tool": "find", "arguments": {"query": "q"}},
    },
    {
        "type": "item.completed",
        "item": {"id": "i5", "type": "file_change", "changes": [{"path": "a.py", "kind": "add"}]},
    },
    {"type": "error", "message": "Reconnecting... 1/5"},
    {"type": "turn.failed", "error": {"message": "gone"}},
    {"type": "turn.completed", "usage": {"input_tokens": 5, "output_tokens": 2}},
)
ENTRIES = [
    Entry(kind=K.NOTICE, text="a warning"),
    Entry(kind=K.TEXT, text="I look."),
    Entry(kind=K.THINKING, text="hm"),
    Entry(kind=K.TOOL, call="i3", tool="command_execution", text="make"),
    Entry(kind=K.RESULT, call="i3", tool="command_execution", text="x", ok=False),
    Entry(kind=K.TOOL, call="i4", tool="find", text="q"),
    Entry(kind=K.TOOL, call="i5/0", tool="file_change", text="add", path="a.py", writes=True),
    Entry(kind=K.RESULT, call="i5/0", tool="file_change", ok=True),
    Entry(kind=K.NOTICE, text="Reconnecting... 1/5"),
    Entry(kind=K.END, text="gone", ok=False),
    Entry(kind=K.END, ok=True, tokens_in=5, tokens_out=2),
]


def test_events_tell_what_was_said_and_done() -> None:
    told = [entry for event in EVENTS for entry in entries_of(json.dumps(event), READERS)]
    assert told == ENTRIES
