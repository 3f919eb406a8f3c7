"""The policy's truth table: what is concluded from which evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.observe.arbitrate import CONFIRM_S, arbitrate, expiry, next_change
from logist_core.types.signals import UNKNOWN_ACTIVITY, Claim, Signal, Source

pytestmark = pytest.mark.fast

NOW = 1_000.0


def said(claim: str | None, source: str = "text", ago: float = 10.0, **changes: object) -> Signal:
    rule = changes.pop("rule", f"test/{source}-{claim}")
    return Signal(
        claim=None if claim is None else Claim(claim),
        source=Source(source),
        rule=rule,
        at=NOW - ago,
        fields=changes.pop("fields", {}),
        **changes,
    )  # type: ignore[arg-type]


# (what was claimed, oldest first; what is concluded; why)
TABLE = [
    ([], "unknown", "no evidence is unknown, never idle"),
    ([said(None, fields={"session_id": "s"})], "unknown", "a signal without a claim says nothing about the state"),
    ([said("working")], "working", "one claim"),
    ([said("working", ago=121)], "unknown", "its lease has ended"),
    ([said("working", ago=200, lease_s=300.0)], "working", "its own lease is longer"),
    ([said("working", ago=20, lease_s=10.0)], "unknown", "its own lease is shorter"),
    ([said("permission_prompt", "screen", ago=86_400)], "permission_prompt", "a prompt is sticky"),
    ([said("permission_prompt", "screen"), said("working", "screen", ago=5)], "working", "newer work withdraws it"),
    ([said("permission_prompt", "screen"), said("working", "event", ago=5)], "working", "so does a stronger source"),
    (
        [said("permission_prompt", "screen"), said("working", "text", ago=5)],
        "permission_prompt",
        "a weaker one doesn't",
    ),
    ([said("working", "screen"), said("permission_prompt", "screen", ago=5)], "permission_prompt", "the newest speaks"),
    (
        [said("permission_prompt", "screen", ago=500), said("working", "screen", ago=400)],
        "unknown",
        "what work withdrew doesn't come back when the work's lease ends",
    ),
    (
        [said("permission_prompt", rule="r"), said(None, fields={"clears": "r"}, ago=5)],
        "unknown",
        "a prompt is withdrawn by its own end",
    ),
    (
        [
            said("permission_prompt", rule="r"),
            said(None, fields={"clears": "r"}, ago=5),
            said("permission_prompt", rule="r", ago=1),
        ],
        "permission_prompt",
        "a later prompt of the same rule stands",
    ),
    ([said("completed", ago=0.5)], "unknown", "a terminal claim that was read isn't believed at once"),
    ([said("completed", ago=CONFIRM_S)], "completed", "it stood for a second"),
    ([said("rate_limited", "screen", ago=0.5)], "unknown", "nor a limit"),
    ([said("auth_failed", ago=2)], "auth_failed", "it stood"),
    ([said("auth_failed", ago=2), said("working", ago=0.2)], "working", "work disproves it"),
    ([said("working", ago=5), said("completed", ago=0.5)], "working", "until then what was before holds"),
    ([said("completed", "event", ago=0.0)], "completed", "an event needs no confirmation"),
    ([said("crashed", ago=60)], "unknown", "a stack in a log is no crash while the agent lives"),
    ([said("crashed", "event", ago=60)], "crashed", "an event may say so"),
    ([said("working", "event"), said("rate_limited", ago=5)], "rate_limited", "mere work yields to newer evidence"),
    ([said("rate_limited", ago=20), said("working", "event", ago=5)], "working", "the event is newer and stronger"),
    ([said("rate_limited", "event"), said("overloaded", ago=5)], "rate_limited", "events before text"),
    (
        [said("waiting_input", "text"), said("permission_prompt", "screen", ago=20)],
        "permission_prompt",
        "screen before text",
    ),
    (
        [said("working", "screen", ago=5), said("waiting_input", "title", ago=20)],
        "waiting_input",
        "title before screen",
    ),
    (
        [said("completed", "event", final=True), said("working", "screen", ago=5), said("auth_failed", ago=5)],
        "completed",
        "after the final event only events count",
    ),
    (
        [said("completed", "event", final=True), said("working", "event", ago=5)],
        "working",
        "a new turn begins with an event",
    ),
    (
        [said("failed", "event", final=True, ago=20), said("completed", "event", final=True, ago=5)],
        "completed",
        "the last final event counts",
    ),
    ([said("completed", "process")], "unknown", "process facts never say done"),
    ([said("crashed", "workspace")], "unknown", "nor workspace facts"),
    ([said("working", "process")], "working", "they may acquit"),
    ([said("auth_failed", ago=20), said("waiting_input", ago=5, confidence=0.5)], "auth_failed", "weak after sure"),
    (
        [said("working", ago=20), said("waiting_input", ago=5, confidence=0.5)],
        "waiting_input",
        "but work is only a lease",
    ),
    ([said("auth_failed", ago=20), said("working", ago=5, confidence=0.5)], "auth_failed", "weak work clears nothing"),
    ([said("rate_limited", ago=5_000)], "unknown", "a limit without a reset time is believed for an hour"),
    ([said("rate_limited", ago=5_000, fields={"resets_at": NOW + 60})], "rate_limited", "or until its reset"),
    ([said("rate_limited", ago=5, fields={"resets_at": NOW - 1})], "unknown", "and not longer"),
    ([said("rate_limited", ago=5, fields={"resets_at": "soon"})], "rate_limited", "a time that is no number is none"),
    ([said("tool_error", "event", ago=31)], "unknown", "the agent goes on after a tool's error"),
    ([said("working", "event", ago=500, fields={"tool_open": "t"})], "working", "a tool call is under way"),
    ([said("working", "event", ago=700, fields={"tool_open": "t"})], "unknown", "but not for ever"),
    (
        [said("working", "event", ago=700, fields={"tool_open": "t", "tool_budget_s": 600})],
        "working",
        "unless it declared so",
    ),
    (
        [
            said("working", "event", ago=500, fields={"tool_open": "t"}),
            said(None, "event", fields={"tool_closed": "t"}, ago=400),
        ],
        "unknown",
        "a closed call has the ordinary lease",
    ),
    ([Signal(claim=Claim.WORKING, source=Source.TEXT, rule="r")], "working", "a signal without a time was read now"),
]


@pytest.mark.parametrize(("signals", "state", "why"), TABLE, ids=[row[2] for row in TABLE])
def test_the_table(signals: list[Signal], state: str, why: str) -> None:
    assert arbitrate(signals, NOW).state == state, why


ENDED = [
    ([said("completed", ago=0.1)], "completed", "nothing is awaited any more"),
    ([said("crashed", ago=0.1)], "crashed", "a crash is believed at the end"),
    ([said("crashed", ago=9), said("working", ago=5)], "working", "unless the agent went on"),
    ([said("working", ago=5_000), said("overloaded", ago=4_000)], "overloaded", "leases no longer run out"),
]


@pytest.mark.parametrize(("signals", "state", "why"), ENDED, ids=[row[2] for row in ENDED])
def test_the_table_after_the_end(signals: list[Signal], state: str, why: str) -> None:
    assert arbitrate(signals, NOW, ended=True).state == state, why


def test_the_activity_carries_its_evidence() -> None:
    signal = said("overloaded", "event", ago=20, offset=17, text="busy", confidence=0.9, stream="err")
    activity = arbitrate([said("working", "event", ago=50), said("overloaded", "event", ago=30), signal], NOW)
    assert (activity.state, activity.source, activity.rule) == ("overloaded", "event", "test/event-overloaded")
    assert (activity.offset, activity.text, activity.confidence, activity.stream) == (17, "busy", 0.9, "err")
    assert (activity.since, activity.expires) == (NOW - 30, NOW + 280)


def test_one_look_at_a_screen_does_not_break_a_state_s_run() -> None:
    looks = [said(claim, "screen", ago=ago) for ago in (60, 40, 20) for claim in ("waiting_input", "working")]
    assert arbitrate(looks, NOW).since == NOW - 60


CLAIMS = st.one_of(st.none(), st.sampled_from([claim.value for claim in Claim]))
SIGNALS = st.lists(
    st.builds(
        lambda claim, source, ago, lease, final, confidence, fields: said(
            claim, source, ago, lease_s=lease, final=final, confidence=confidence, fields=fields
        ),
        CLAIMS,
        st.sampled_from([source.value for source in Source]),
        st.floats(0, 10_000),
        st.one_of(st.none(), st.floats(0.1, 1_000)),
        st.booleans(),
        st.floats(0, 1),
        st.sampled_from(
            ({}, {"clears": "test/text-working"}, {"tool_open": "a"}, {"tool_closed": "a"}, {"resets_at": NOW + 50})
        ),
    ),
    max_size=12,
).map(lambda signals: sorted(signals, key=lambda signal: signal.at))


@given(SIGNALS, st.booleans())
def test_the_state_is_always_one_that_was_claimed(signals: list[Signal], ended: bool) -> None:
    activity = arbitrate(signals, NOW, ended=ended)
    claimed = {signal.claim.value for signal in signals if signal.claim}
    assert activity == UNKNOWN_ACTIVITY or activity.state in claimed
    assert activity.since is None or activity.since <= NOW


@given(SIGNALS)
def test_nothing_changes_before_the_next_change(signals: list[Signal]) -> None:
    state = arbitrate(signals, NOW).state
    change = next_change(signals, NOW)
    later = NOW + 1e6 if change is None else NOW + (change - NOW) / 2
    assert arbitrate(signals, later).state == state
    assert change is None or change > NOW


@given(SIGNALS)
def test_in_the_end_only_claims_without_a_lease_are_left(signals: list[Signal]) -> None:
    activity = arbitrate(signals, NOW + 1e9)
    assert activity.expires is None


@given(SIGNALS)
def test_a_fresh_work_event_is_believed_unless_the_run_is_over(signals: list[Signal]) -> None:
    assert arbitrate([*signals, said("working", "event", ago=0.0, rule="fresh")], NOW).state == "working"


def test_a_final_claim_has_no_lease() -> None:
    assert expiry(said("working", "event", final=True)) is None
    assert expiry(Signal(claim=None, source=Source.EVENT, rule="r")) is None
