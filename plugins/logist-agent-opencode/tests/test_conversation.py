"""What the program's events tell of its conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_opencode.conversation import READERS

from logist_core.agentkit import entries_of
from logist_core.api import Entry
from logist_core.api import EntryKind as K

pytestmark = pytest.mark.fast

STATE = {"status": "error", "input": {"filePath": "a.py"}, "error": "no such text"}
EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "reasoning", "part": {"messageID": "m1", "text": "hm"}},
    {"type": "text", "part": {"messageID": "m1", "text": "I look."}},
    {"type": "tool_use", "part": {"messageID": "m1", "tool": "edit", "callID": "c1", "state": STATE}},
    {
        "type": "step_finish",
        "part": {"messageID": "m1", "reason": "stop", "tokens": {"input": 5, "output": 2}, "cost": 0.5},
    },
    {"type": "error", "error": {"name": "APIError", "data": {"message": "no"}}},
)
ENTRIES = [
    Entry(kind=K.THINKING, text="hm", turn="m1"),
    Entry(kind=K.TEXT, text="I look.", turn="m1"),
    Entry(kind=K.TOOL, call="c1", tool="edit", path="a.py", writes=True, turn="m1"),
    Entry(kind=K.RESULT, call="c1", tool="edit", text="no such text", ok=False),
    Entry(kind=K.USAGE, turn="m1", tokens_in=5, tokens_out=2, cost_usd=0.5),
    Entry(kind=K.END, ok=True),
    Entry(kind=K.END, text="no", ok=False),
]


def test_events_tell_what_was_said_and_done() -> None:
    told = [entry for event in EVENTS for entry in entries_of(json.dumps(event), READERS)]
    assert told == ENTRIES
