"""The mock agent's text format is read by the default dictionary: both sides of one contract."""

from __future__ import annotations

from typing import Any

import pytest
from logist_agent_mock.program import as_text
from logist_patterns_default.plugin import load

from logist_core.observe import Dictionary, classify, signals_in

pytestmark = pytest.mark.fast

MATCHER = Dictionary([load()]).for_agent("mock")

SESSION = {"type": "session", "version": "0.1.0", "session_id": "3f2a", "turn": 2, "resumed": True, "turns_before": 1}
RESULT = {"type": "result", "turns": 1, "tools": 3, "reason": "nothing worked"}

TEXTS: list[tuple[dict[str, Any], str]] = [
    (SESSION, "working"),
    ({"type": "tool", "state": "open", "name": "shell", "input": "make"}, "working"),
    ({"type": "tool", "state": "closed", "name": "shell", "ok": True}, "working"),
    ({"type": "tool", "state": "closed", "name": "shell", "ok": False, "exit_code": 2}, "tool_error"),
    ({"type": "limit", "resets_at": 1_783_173_600.0, "retry_in_s": 60.0}, "rate_limited"),
    ({"type": "ask", "kind": "permission", "text": "Delete the branch?"}, "permission_prompt"),
    ({"type": "ask", "kind": "question", "text": "Which colour?"}, "waiting_input"),
    ({"type": "answer", "text": "red"}, "working"),
    ({**RESULT, "status": "success"}, "completed"),
    ({**RESULT, "status": "error"}, "failed"),
    ({**RESULT, "status": "interrupted"}, "interrupted"),
    ({"type": "text", "text": "I read the file."}, "unknown"),
    ({"type": "prompt", "text": "Usage limit reached: resets at 2027-01-02T03:04:05Z (in 60 s)"}, "unknown"),
]


@pytest.mark.parametrize(("event", "state"), TEXTS, ids=[f"{event['type']}-{state}" for event, state in TEXTS])
def test_an_event_s_text_is_read_as_the_event(event: dict[str, Any], state: str) -> None:
    text = as_text(event)
    assert classify(MATCHER, text, "text").state == state, text


def test_the_limit_s_reset_time_and_the_session_are_read() -> None:
    (limit,) = signals_in(
        MATCHER, as_text({"type": "limit", "resets_at": 1_783_173_600.0, "retry_in_s": 60.0}), "text", 0.0
    )
    assert limit.fields == {"resets_at": 1_783_173_600.0}
    (session, *_) = signals_in(MATCHER, as_text(SESSION), "text", 0.0)
    assert session.fields == {"session_id": "3f2a", "turns": 2}
