"""What an end means, whatever the agent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.agentkit import EndRules, judge_end
from logist_core.api import Claim, ExitStatus, Outcome, Result, Signal, Source

pytestmark = pytest.mark.fast

EVENTS = EndRules(login="log in", final="the last event", codes={41: Claim.AUTH_FAILED})
TEXT = EndRules(login="log in", final="the last line", reads_text=True)
OK = ExitStatus(code=0)


def event(claim: Claim, text: str = "", *, final: bool = False, **fields: Any) -> Signal:
    return Signal(claim=claim, source=Source.EVENT, rule="it:x", text=text, final=final, fields=fields, at=1000.0)


def line(claim: Claim, text: str = "") -> Signal:
    return Signal(claim=claim, source=Source.TEXT, rule="default/it/x", text=text, at=1000.0)


ANSWER = event(Claim.WORKING, answered=True)
DONE = event(Claim.COMPLETED, final=True)


def test_success_needs_a_last_word_an_answer_and_exit_code_0() -> None:
    assert judge_end(OK, [ANSWER, DONE], EVENTS).result is Result.SUCCEEDED
    assert judge_end(OK, [DONE], EVENTS).result is Result.UNVERIFIED
    assert judge_end(OK, [ANSWER], EVENTS).result is Result.UNVERIFIED
    assert judge_end(ExitStatus(code=3), [ANSWER, DONE], EVENTS).result is Result.UNVERIFIED
    assert judge_end(ExitStatus(signal=9), [ANSWER, DONE], EVENTS).result is Result.UNVERIFIED


def test_trouble_just_before_the_last_word_spoils_it() -> None:
    outcome = judge_end(OK, [ANSWER, event(Claim.FAILED, "loop"), DONE], EVENTS)
    assert (outcome.result, outcome.claim) == (Result.UNVERIFIED, Claim.FAILED)


def test_trouble_that_was_followed_by_work_does_not() -> None:
    assert judge_end(OK, [event(Claim.OVERLOADED), ANSWER, DONE], EVENTS).result is Result.SUCCEEDED


def test_a_lost_connection_before_a_success_is_tried_again() -> None:
    outcome = judge_end(OK, [ANSWER, event(Claim.NETWORK_DOWN), DONE], EVENTS)
    assert outcome.then is not None


def test_a_vague_last_word_takes_its_cause_from_the_trouble_before() -> None:
    end = event(Claim.FAILED, "exit code 1", final=True)
    outcome = judge_end(ExitStatus(code=1), [event(Claim.AUTH_FAILED, "401"), end], EVENTS)
    assert (outcome.claim, outcome.hold) == (Claim.AUTH_FAILED, True)


def test_a_cause_is_not_taken_from_trouble_that_had_passed() -> None:
    end = event(Claim.FAILED, "exit code 1", final=True)
    assert judge_end(ExitStatus(code=1), [event(Claim.AUTH_FAILED), ANSWER, end], EVENTS).claim is Claim.FAILED


def test_what_standard_error_said_last_counts_where_there_was_no_last_word() -> None:
    outcome = judge_end(ExitStatus(code=1), [line(Claim.NETWORK_DOWN, "fetch failed")], EVENTS)
    assert (outcome.claim, outcome.then is not None) == (Claim.NETWORK_DOWN, True)


def test_text_never_overrules_a_last_word() -> None:
    assert judge_end(OK, [ANSWER, line(Claim.AUTH_FAILED), DONE], EVENTS).result is Result.SUCCEEDED


def test_an_exit_code_of_its_own_names_the_cause() -> None:
    assert judge_end(ExitStatus(code=41), [], EVENTS).hold


def test_a_crash_is_one() -> None:
    assert judge_end(ExitStatus(signal=11), [ANSWER], EVENTS).claim is Claim.CRASHED
    assert judge_end(ExitStatus(code=134), [ANSWER], EVENTS).claim is Claim.CRASHED
    assert judge_end(ExitStatus(code=1), [ANSWER], EVENTS).claim is None


def test_a_kill_after_trouble_is_no_verdict_on_the_trouble() -> None:
    outcome = judge_end(ExitStatus(signal=9), [event(Claim.RATE_LIMITED, "429")], EVENTS)
    assert (outcome.result, outcome.then) == (Result.FAILED, None)
    assert "429" in outcome.reason


def test_a_limit_is_waited_out_until_its_reset() -> None:
    end = event(Claim.RATE_LIMITED, "429", final=True)
    by_field = judge_end(ExitStatus(code=1), [event(Claim.RATE_LIMITED, resets_at=5000.0), end], EVENTS)
    assert by_field.then is not None and by_field.then.at == 5000.0
    by_words = judge_end(OK, [event(Claim.RATE_LIMITED, "try again in 20 minutes", final=True)], EVENTS)
    assert by_words.then is not None and by_words.then.at == 1000.0 + 1200.0 + 60.0
    unknown = judge_end(OK, [end], EVENTS)
    assert unknown.then is not None and unknown.then.at is None


@pytest.mark.parametrize(
    ("claims", "result", "claim"),
    [
        ([Claim.COMPLETED], Result.SUCCEEDED, Claim.COMPLETED),
        ([Claim.OVERLOADED, Claim.COMPLETED], Result.SUCCEEDED, Claim.COMPLETED),
        ([Claim.COMPLETED, Claim.CONTEXT_EXHAUSTED], Result.UNVERIFIED, Claim.CONTEXT_EXHAUSTED),
        ([Claim.COMPLETED, Claim.AUTH_FAILED], Result.FAILED, Claim.AUTH_FAILED),
        ([Claim.AUTH_FAILED], Result.FAILED, Claim.AUTH_FAILED),
        ([], Result.UNVERIFIED, None),
    ],
)
def test_text_is_judged_by_its_order(claims: list[Claim], result: Result, claim: Claim | None) -> None:
    outcome = judge_end(OK, [line(claim) for claim in claims], TEXT)
    assert (outcome.result, outcome.claim) == (result, claim)


SIGNALS = st.lists(
    st.builds(
        Signal,
        claim=st.none() | st.sampled_from(Claim),
        source=st.sampled_from([Source.EVENT, Source.TEXT]),
        rule=st.just("it:x"),
        final=st.booleans(),
        at=st.none() | st.floats(0, 1e9),
        fields=st.dictionaries(st.sampled_from(["answered", "resets_at", "marred"]), st.booleans() | st.floats()),
    ),
    max_size=6,
)


@given(SIGNALS, st.integers(0, 255), st.sampled_from([EVENTS, TEXT]))
def test_success_is_never_given_away(signals: list[Signal], code: int, rules: EndRules) -> None:
    outcome: Outcome = judge_end(ExitStatus(code=code), signals, rules)
    if outcome.result is Result.SUCCEEDED:
        assert code == 0
        assert any(signal.claim is Claim.COMPLETED for signal in signals)
    assert not (outcome.hold and outcome.then)
