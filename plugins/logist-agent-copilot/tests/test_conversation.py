"""What the program's events tell of its conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_copilot.conversation import READERS

from logist_core.agentkit import entries_of
from logist_core.api import Entry
from logist_core.api import EntryKind as K

pytestmark = pytest.mark.fast

EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "user.message", "data": {"content": "go"}},
    {"type": "assistant.message", "data": {"content": "I look.", "turnId": "0"}},
    {
        "type": "tool.execution_start",
        "data": {"toolCallId": "c1", "toolName": "bash", "arguments": {"command": "make"}},
    },
    {
        "type": "tool.execution_complete",
        "data": {"toolCallId": "c1", "success": True, "shellExecution": {"exitCode": 2}},
    },
    {"type": "model.call_failure", "data": {"errorMessage": "429"}},
    {"type": "session.error", "data": {"message": "gave up"}},
    {"type": "result", "exitCode": 1},
)
ENTRIES = [
    Entry(kind=K.PROMPT, text="go"),
    Entry(kind=K.TEXT, text="I look.", turn="0"),
    Entry(kind=K.TOOL, call="c1", tool="bash", text="make"),
    Entry(kind=K.RESULT, call="c1", ok=False),
    Entry(kind=K.NOTICE, text="429"),
    Entry(kind=K.NOTICE, text="gave up"),
    Entry(kind=K.END, ok=False),
]


def test_events_tell_what_was_said_and_done() -> None:
    told = [entry for event in EVENTS for entry in entries_of(json.dumps(event), READERS)]
    assert told == ENTRIES
