"""Reset times in the words of the CLI."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_agent_claude.resets import reset_time

pytestmark = pytest.mark.fast

#: A Tuesday, 12:00 in UTC.
READ_AT = datetime(2026, 6, 2, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ("You've hit your limit · resets 3:46pm (UTC)", datetime(2026, 6, 2, 15, 46, tzinfo=UTC)),
        ("You've hit your limit · resets 5am (UTC)", datetime(2026, 6, 3, 5, 0, tzinfo=UTC)),
        ("resets 12am (UTC)", datetime(2026, 6, 3, 0, 0, tzinfo=UTC)),
        ("resets 12:30pm (UTC)", datetime(2026, 6, 2, 12, 30, tzinfo=UTC)),
        ("You've hit your weekly limit · resets Mon 12:00am (UTC)", datetime(2026, 6, 8, 0, 0, tzinfo=UTC)),
        ("resets Tue 9am (UTC)", datetime(2026, 6, 9, 9, 0, tzinfo=UTC)),
        ("Your limit will reset at 6pm (UTC)", datetime(2026, 6, 2, 18, 0, tzinfo=UTC)),
        ("Claude AI usage limit reached|1780412400", datetime(2026, 6, 2, 15, 0, tzinfo=UTC)),
    ],
)
def test_a_known_form_names_its_time(words: str, then: datetime) -> None:
    assert reset_time(words, READ_AT) == then.timestamp()


@pytest.mark.parametrize(
    "words",
    ["You've hit your limit", "resets soon", "resets 15pm (UTC)", "resets 3:77pm (UTC)", "API Error: 429", ""],
)
def test_words_without_a_time_name_none(words: str) -> None:
    assert reset_time(words, READ_AT) is None


@pytest.mark.skipif("Europe/Rome" not in available_timezones(), reason="no database of time zones here")
def test_a_zone_that_is_named_counts() -> None:
    then = datetime(2026, 6, 2, 13, 0, tzinfo=UTC)
    assert reset_time("You've hit your limit · resets 3pm (Europe/Rome)", READ_AT) == then.timestamp()


def test_without_a_zone_that_is_known_the_local_one_counts() -> None:
    local = datetime.fromtimestamp(READ_AT).astimezone()
    for words in ("resets 11pm", "resets 11pm (Middle/Earth)"):
        at = reset_time(words, READ_AT)
        assert at is not None
        then = datetime.fromtimestamp(at, local.tzinfo)
        assert (then.hour, then.minute) == (23, 0)


@given(
    hour=st.integers(1, 12),
    half=st.sampled_from(["am", "pm"]),
    day=st.sampled_from(["", "Mon ", "Sun ", "Thursday "]),
    read_at=st.floats(min_value=1e9, max_value=4e9),
)
def test_a_reset_is_ahead_by_a_week_at_most(hour: int, half: str, day: str, read_at: float) -> None:
    at = reset_time(f"resets {day}{hour}{half} (UTC)", read_at)
    assert at is not None
    assert 0 < at - read_at <= (7 if day else 1) * 86400


@given(st.text(max_size=80), st.floats(min_value=0, max_value=4e9))
def test_any_words_are_taken(words: str, read_at: float) -> None:
    at = reset_time(f"resets {words}", read_at)
    assert at is None or at > 0
