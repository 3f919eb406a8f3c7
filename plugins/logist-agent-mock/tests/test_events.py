"""What events mean, and what an end means."""

from __future__ import annotations

import json

import pytest
from logist_agent_mock.events import MAX_LINE_CHARACTERS, outcome_of, signals_of

from logist_core.api import Claim, ExitStatus, Result, Signal, Source

pytestmark = pytest.mark.fast


def read(**event):
    return signals_of(json.dumps(event), "out")


def judged(exit, *signals, json_format=True):
    return outcome_of(exit, signals, json_format=json_format)


@pytest.mark.parametrize(
    ("event", "claim", "fields"),
    [
        ({"type": "session", "session_id": "s", "turn": 2}, Claim.WORKING, {"session_id": "s", "turns": 1}),
        ({"type": "text", "text": "401 Unauthorized"}, Claim.WORKING, {}),
        (
            {"type": "tool", "state": "open", "id": "c", "name": "shell", "budget_s": 9},
            Claim.WORKING,
            {"tool": "shell", "tool_open": "c", "tool_budget_s": 9.0},
        ),
        (
            {"type": "tool", "state": "closed", "id": "c", "name": "shell", "ok": False},
            Claim.TOOL_ERROR,
            {"tool": "shell", "tool_closed": "c"},
        ),
        ({"type": "tool", "state": "closed", "id": "c", "ok": True}, Claim.WORKING, {"tool_closed": "c"}),
        ({"type": "usage", "tokens_in": 1, "cost_usd": 0.5}, None, {"tokens_in": 1, "cost_usd": 0.5}),
        ({"type": "limit", "resets_at": 5, "retry_in_s": "x"}, Claim.RATE_LIMITED, {"resets_at": 5.0}),
        ({"type": "ask", "kind": "permission"}, Claim.PERMISSION_PROMPT, {}),
        ({"type": "ask", "kind": "question"}, Claim.WAITING_INPUT, {}),
        ({"type": "notice", "claim": "network_down", "attempt": 3}, Claim.NETWORK_DOWN, {"attempt": 3}),
        ({"type": "result", "status": "success", "turns": 1}, Claim.COMPLETED, {"turns": 1}),
        ({"type": "result", "status": "interrupted"}, Claim.INTERRUPTED, {}),
    ],
)  # fmt: skip
def test_an_event_claims(event, claim, fields):
    (signal,) = read(**event)
    assert (signal.claim, dict(signal.fields), signal.source) == (claim, fields, Source.EVENT)
    assert signal.rule == f"mock:{event['type']}"
    assert signal.final is (event["type"] == "result")


@pytest.mark.parametrize(
    "line",
    [
        "plain",
        "[]",
        "{}",
        '{"type": "other"}',
        '{"type": ["text"]}',
        '{"type": "tool", "state": "half"}',
        '{"type": "usage"}',
        '{"type": "usage", "tokens_in": -1, "tokens_out": true, "cost_usd": NaN}',
        '{"type": "notice", "claim": "none"}',
        '{"type": "notice", "claim": {"a": 1}}',
        '{"type": "result", "status": "perhaps"}',
        '{"type": "text", "text": "' + "a" * MAX_LINE_CHARACTERS + '"}',
    ],
    ids=lambda line: line[:40],
)
def test_a_line_that_claims_nothing_gives_nothing(line):
    assert signals_of(line, "out") == ()


def test_events_on_standard_error_are_only_text():
    assert signals_of('{"type": "result", "status": "success"}', "err") == ()


def test_work_is_believed_for_a_while_and_a_question_until_it_is_answered():
    (working,) = read(type="text", text="x")
    (long_tool,) = read(type="tool", state="open", budget_s=3600)
    (asking,) = read(type="ask", kind="permission")
    assert (working.lease_s, long_tool.lease_s, asking.lease_s) == (120.0, 3600.0, None)


def test_evidence_is_short_and_printable():
    (signal,) = read(type="text", text="\x1b[31m\u202e" + "a\n" * 1000)
    assert len(signal.text) == 500
    assert signal.text.isprintable()


SUCCESS = read(type="result", status="success")[0]
ERROR = read(type="result", status="error", reason="no")[0]
LIMITED = read(type="result", status="limited")[0]
NO_TIME = "usage limit reached; it doesn't say until when"
CRASHED = Signal(claim=Claim.CRASHED, source=Source.TEXT, rule="x", text="Traceback")


@pytest.mark.parametrize(
    ("exit", "signals", "result", "claim", "reason"),
    [
        ({"code": 0}, [SUCCESS], Result.SUCCEEDED, Claim.COMPLETED, "result event: success"),
        ({"code": 0}, [], Result.UNVERIFIED, None, "exit code 0 without a result event"),
        ({"code": 0}, [ERROR], Result.FAILED, Claim.FAILED, "exit code 0, but: no"),
        ({"code": 1}, [ERROR], Result.FAILED, Claim.FAILED, "no"),
        ({"code": 1}, [SUCCESS], Result.FAILED, None, "reported success, but exit code 1"),
        ({"code": 7}, [], Result.FAILED, None, "exit code 7"),
        ({"code": 2}, [], Result.FAILED, None, "the mock agent could not play its plan (see its standard error)"),
        ({"code": 4}, [], Result.FAILED, Claim.PERMISSION_PROMPT, "a permission or an answer was needed and not given"),
        ({"code": 75}, [], Result.INTERRUPTED, Claim.RATE_LIMITED, NO_TIME),
        ({"code": 0}, [LIMITED], Result.INTERRUPTED, Claim.RATE_LIMITED, NO_TIME),
        ({"code": 130}, [], Result.INTERRUPTED, Claim.INTERRUPTED, "interrupted"),
        ({"signal": 6}, [], Result.FAILED, Claim.CRASHED, "crashed: ended by SIGABRT"),
        ({"signal": 9}, [], Result.FAILED, None, "ended by SIGKILL"),
        ({"signal": 9}, [CRASHED], Result.FAILED, Claim.CRASHED, "crashed: ended by SIGKILL after: Traceback"),
        ({"signal": 15}, [CRASHED], Result.INTERRUPTED, Claim.INTERRUPTED, "ended by SIGTERM"),
        ({"signal": 15}, [SUCCESS], Result.UNVERIFIED, None, "reported success, then ended by SIGTERM"),
        ({"signal": 40}, [], Result.FAILED, None, "ended by signal 40"),
        ({"exec_error": "ENO\nENT"}, [SUCCESS], Result.FAILED, None, "the program could not be executed: ENO ENT"),
    ],
)  # fmt: skip
def test_an_end_means(exit, signals, result, claim, reason):
    outcome = judged(ExitStatus(**exit), *signals)
    assert (outcome.result, outcome.claim, outcome.reason) == (result, claim, reason)


def test_without_events_exit_code_0_is_left_to_the_exit_code():
    assert judged(ExitStatus(code=0), json_format=False) is None


def test_an_end_that_is_not_known_is_not_judged():
    assert judged(ExitStatus()) is None


def test_the_last_limit_that_says_when_counts():
    early, late = (read(type="limit", resets_at=at)[0] for at in (10, 20))
    silent = Signal(claim=Claim.RATE_LIMITED, source=Source.TEXT, rule="x", fields={"resets_at": "soon"})
    assert judged(ExitStatus(code=75), early, late, silent).then.at == 20.0


def test_a_limit_that_only_says_how_long_counts_from_when_it_was_read():
    limit = Signal(claim=Claim.RATE_LIMITED, source=Source.TEXT, rule="x", at=1000.0, fields={"retry_in_s": 60})
    assert judged(ExitStatus(code=75), limit, json_format=False).then.at == 1060.0


def test_a_refused_question_is_told_from_a_refused_permission():
    asked = read(type="ask", kind="question")[0]
    refused = read(type="result", status="refused", reason="question: nobody answered")[0]
    outcome = judged(ExitStatus(code=4), asked, refused)
    assert (outcome.claim, outcome.reason) == (Claim.WAITING_INPUT, "question: nobody answered")
