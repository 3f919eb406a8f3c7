"""The time at which a limit resets, read from agents' words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.agentkit import reset_time
from logist_core.agentkit.resets import MOST_AHEAD_S

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()  # a Sunday
HOUR = 3600.0


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("You've hit your limit · resets 3:30pm (UTC)", 5.5),
        ("Your limit will reset at 9am UTC", 23.0),
        ("You've hit your usage limit. Try again in 2 days 3 hours.", 51.0),
        ("Please try again in 20s.", 20 / 3600),
        ("resets Mon 12:00am UTC", 14.0),
        (f"Claude AI usage limit reached|{int(NOW + HOUR)}", 1.0),
    ],
)
def test_words(words: str, hours: float) -> None:
    at = reset_time(words, NOW)
    assert at is not None
    assert at - NOW == pytest.approx(hours * HOUR)


@pytest.mark.parametrize("words", ["", "try again later", "resets soon", "please retry", "resets in a while"])
def test_no_time(words: str) -> None:
    assert reset_time(words, NOW) is None


@given(st.text(max_size=80), st.sampled_from(["resets ", "try again in ", "try again at ", "resets at "]))
def test_a_reset_is_near_or_none(text: str, lead: str) -> None:
    at = reset_time(lead + text, NOW)
    assert at is None or "|" in text or NOW - 60 <= at <= NOW + MOST_AHEAD_S
