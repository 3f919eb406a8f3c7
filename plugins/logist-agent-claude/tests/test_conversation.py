"""What the program's events tell of its conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_claude.conversation import READERS

from logist_core.agentkit import entries_of
from logist_core.api import Entry
from logist_core.api import EntryKind as K

pytestmark = pytest.mark.fast

USAGE = {"input_tokens": 4, "cache_read_input_tokens": 3, "output_tokens": 2}
TOOL = {"type": "tool_use", "id": "t1", "name": "Edit", "input": {"file_path": "/w/a.py"}}
EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "assistant", "message": {"id": "m1", "content": [{"type": "text", "text": "I look."}], "usage": USAGE}},
    {"type": "assistant", "message": {"id": "m1", "content": [TOOL], "usage": USAGE}},
    {
        "type": "user",
        "message": {"content": [{"type": "tool_result", "tool_use_id": "t1", "content": "3", "is_error": True}]},
    },
    {
        "type": "assistant",
        "parent_tool_use_id": "t0",
        "message": {"id": "m9", "content": [{"type": "text", "text": "sub"}]},
    },
    {"type": "assistant", "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "API Error"}]}},
    {
        "type": "system",
        "subtype": "api_retry",
        "attempt": 1,
        "max_retries": 10,
        "error": "overloaded",
        "error_status": 529,
    },
    {"type": "system", "subtype": "compact_boundary"},
    {"type": "user", "message": {"content": "go on"}},
    {"type": "result", "subtype": "success", "result": "done", "usage": USAGE, "total_cost_usd": 0.5, "num_turns": 2},
)
ENTRIES = [
    Entry(kind=K.TEXT, text="I look.", turn="m1", tokens_in=7, tokens_out=2),
    Entry(kind=K.TOOL, call="t1", tool="Edit", path="/w/a.py", writes=True, turn="m1", tokens_in=7, tokens_out=2),
    Entry(kind=K.RESULT, call="t1", text="3", ok=False),
    Entry(kind=K.NOTICE, text="API Error"),
    Entry(kind=K.NOTICE, text="retry 1 of 10: overloaded, status 529"),
    Entry(kind=K.NOTICE, text="the conversation was compacted"),
    Entry(kind=K.PROMPT, text="go on"),
    Entry(kind=K.END, text="done", ok=True, tokens_in=7, tokens_out=2, cost_usd=0.5, turns=2),
]


def test_events_tell_what_was_said_and_done() -> None:
    told = [entry for event in EVENTS for entry in entries_of(json.dumps(event), READERS)]
    assert told == ENTRIES
