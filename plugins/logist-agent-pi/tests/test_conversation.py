"""What the program's events tell of its conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logist_agent_pi.conversation import READERS

from logist_core.agentkit import entries_of
from logist_core.api import Entry
from logist_core.api import EntryKind as K

pytestmark = pytest.mark.fast

USAGE = {"input": 5, "output": 2, "cost": {"total": 0.5}}
SAID = [
    {"type": "thinking", "thinking": "hm"},
    {"type": "text", "text": "I look."},
    {"type": "toolCall", "id": "c1", "name": "bash", "arguments": {"command": "make"}},
]
RESULT = [{"type": "text", "text": "boom"}]
EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "message_end", "message": {"role": "user", "content": [{"type": "text", "text": "go"}]}},
    {"type": "message_end", "message": {"role": "assistant", "content": SAID, "usage": USAGE, "stopReason": "toolUse"}},
    {
        "type": "tool_execution_end",
        "toolCallId": "c1",
        "toolName": "bash",
        "result": {"content": RESULT},
        "isError": True,
    },
    {"type": "message_end", "message": {"role": "assistant", "stopReason": "error", "errorMessage": "429"}},
    {"type": "auto_retry_start", "attempt": 1, "maxAttempts": 3, "errorMessage": "429"},
    {"type": "agent_end", "messages": [{"stopReason": "error", "errorMessage": "429"}]},
)
ENTRIES = [
    Entry(kind=K.PROMPT, text="go"),
    Entry(kind=K.THINKING, text="hm"),
    Entry(kind=K.TEXT, text="I look."),
    Entry(kind=K.TOOL, call="c1", tool="bash", text="make"),
    Entry(kind=K.USAGE, tokens_in=5, tokens_out=2, cost_usd=0.5),
    Entry(kind=K.RESULT, call="c1", tool="bash", text="boom", ok=False),
    Entry(kind=K.NOTICE, text="429"),
    Entry(kind=K.NOTICE, text="retry 1 of 3: 429"),
    Entry(kind=K.END, text="429", ok=False),
]


def test_events_tell_what_was_said_and_done() -> None:
    told = [entry for event in EVENTS for entry in entries_of(json.dumps(event), READERS)]
    assert told == ENTRIES
