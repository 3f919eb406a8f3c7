"""Times and durations as agents print them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.types.when import parse_seconds, parse_time

pytestmark = pytest.mark.fast

#: A Wednesday, 10:30 in UTC.
NOW = datetime(2026, 3, 4, 10, 30, tzinfo=UTC).timestamp()


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2 days 17 hours 14 minutes", 2 * 86_400 + 17 * 3_600 + 14 * 60),
        ("1h 5m", 3_900),
        ("0.2 seconds", 0.2),
        ("600ms", 0.6),
        ("33", 33),
        ("2 wks", None),
        ("1 week, 3 hrs", 604_800 + 10_800),
        ("soon", None),
        ("-4", None),
        ("1e300", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_seconds(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("3:45pm UTC", utc(2026, 3, 4, 15, 45)),
        ("9am UTC", utc(2026, 3, 5, 9)),
        ("12am (UTC)", utc(2026, 3, 5)),
        ("12pm GMT", utc(2026, 3, 4, 12)),
        ("23:15 UTC", utc(2026, 3, 4, 23, 15)),
        ("Mon 12:00am UTC", utc(2026, 3, 9)),
        ("Wednesday 9am UTC", utc(2026, 3, 11, 9)),
        ("tomorrow at 11:00 AM UTC", utc(2026, 3, 5, 11)),
        ("2:00 PM PDT", utc(2026, 3, 4, 21)),
        ("12:50am (America/Los_Angeles)", utc(2026, 3, 5, 8, 50)),
        ("7pm (Europe/Berlin)", utc(2026, 3, 4, 18)),
        ("Oct 4th, 2026 9:12 AM UTC", utc(2026, 10, 4, 9, 12)),
        ("July 3, 2026 at 2:45 PM UTC", utc(2026, 7, 3, 14, 45)),
        ("Jan 2, 5am UTC", utc(2027, 1, 2, 5)),
        ("11/17/2026 UTC", utc(2026, 11, 17)),
        ("2026-03-04T12:00:00Z", utc(2026, 3, 4, 12)),
        ("2026-03-04 12:00:00.123+02:00", utc(2026, 3, 4, 10)),
        ("2026-03-04T12:00 UTC", utc(2026, 3, 4, 12)),
        ("1783173600", 1_783_173_600.0),
        ("1783173600000", 1_783_173_600.0),
        ("2 hours 5 minutes", NOW + 7_500),
        ("in 3 days", NOW + 259_200),
    ],
)
def test_reset_times(text: str, at: float) -> None:
    assert parse_time(text, NOW) == at


@pytest.mark.parametrize("text", ["", "later", "25:99 UTC", "13pm UTC", "Feb 31 5am UTC", "13/45/2026", "7 o'clock"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text, NOW) is None


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime.fromtimestamp(parse_time("3:45pm", NOW) or 0.0)
    assert (local.hour, local.minute) == (15, 45)
    assert NOW < local.timestamp() <= NOW + 86_400


def test_a_zone_that_nobody_knows_is_taken_as_local() -> None:
    assert parse_time("3:45pm (Mars/Olympus_Mons)", NOW) == parse_time("3:45pm", NOW)


@given(st.text(max_size=80))
def test_any_text_is_a_time_or_none(text: str) -> None:
    for value in (parse_time(text, NOW), parse_seconds(text)):
        assert value is None or value == value


@given(st.integers(0, 23), st.integers(0, 59), st.floats(0, 4e9))
def test_a_time_of_day_is_its_next_occurrence(hour: int, minute: int, now: float) -> None:
    at = parse_time(f"{hour:02}:{minute:02} UTC", now)
    assert at is not None
    assert now < at <= now + 86_400
