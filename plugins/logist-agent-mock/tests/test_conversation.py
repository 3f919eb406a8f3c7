"""What events tell of the conversation."""

from __future__ import annotations

import json

import pytest
from logist_agent_mock.conversation import entries_of

from logist_core.api import Entry, EntryKind

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("event", "entry"),
    [
        ({"type": "prompt", "text": "go"}, Entry(kind=EntryKind.PROMPT, text="go")),
        ({"type": "answer", "text": "y"}, Entry(kind=EntryKind.PROMPT, text="y")),
        ({"type": "text", "text": "hi\ud800"}, Entry(kind=EntryKind.TEXT, text="hi?")),
        ({"type": "ask", "kind": "question", "text": "which?"}, Entry(kind=EntryKind.TEXT, text="which?")),
        (
            {"type": "tool", "state": "open", "id": "c", "name": "shell", "input": "make"},
            Entry(kind=EntryKind.TOOL, call="c", tool="shell", text="make"),
        ),
        (
            {"type": "tool", "state": "closed", "id": "c", "name": "shell", "ok": False, "exit_code": 2},
            Entry(kind=EntryKind.RESULT, call="c", tool="shell", text="exit 2", ok=False),
        ),
        (
            {"type": "usage", "tokens_in": 5, "tokens_out": -1, "cost_usd": 0.5},
            Entry(kind=EntryKind.USAGE, tokens_in=5, cost_usd=0.5),
        ),
        ({"type": "notice", "claim": "overloaded"}, Entry(kind=EntryKind.NOTICE, text="overloaded")),
        ({"type": "limit", "resets_at": 5}, Entry(kind=EntryKind.NOTICE, text="usage limit reached")),
        (
            {"type": "result", "status": "error", "reason": "no", "turns": 2},
            Entry(kind=EntryKind.END, text="no", ok=False, turns=2),
        ),
    ],
)
def test_an_event_tells(event: dict[str, object], entry: Entry) -> None:
    assert entries_of(json.dumps(event), "out") == (entry,)


@pytest.mark.parametrize(
    "line",
    ["plain", "[]", "{}", '{"type": []}', '{"type": "answer", "text": null}', '{"type": "tool", "state": "ajar"}'],
)
def test_what_is_no_event_of_ours_tells_nothing(line: str) -> None:
    assert entries_of(line, "out") == ()


def test_nothing_is_told_on_standard_error() -> None:
    assert entries_of('{"type": "text", "text": "x"}', "err") == ()
