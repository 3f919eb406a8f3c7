from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.config import format_duration, parse_duration
from logist_core.config.durations import MAX_DURATION_S
from logist_core.errors import UsageError

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("5m", 300.0),
        ("2h30m", 9000.0),
        ("1d", 86400.0),
        ("1.5h", 5400.0),
        ("1h0.5s", 3600.5),
        ("250ms", 0.25),
        ("1m30s250ms", 90.25),
        (" 10S ", 10.0),
    ],
)
def test_reads_what_people_write(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "m", "-5", "5x", "30m2h", "1h1h", "2h30", "1.5h30m", "1e3", "inf", "nan", "1_000", "٣", "5 m", "0x10"],
)
def test_refuses_what_is_ambiguous_or_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration") as caught:
        parse_duration(text)
    assert "2h30m" in str(caught.value.hint)


def test_refuses_more_than_a_century() -> None:
    with pytest.raises(UsageError, match="longer than 100 years"):
        parse_duration("36501d")


def test_an_escape_in_a_wrong_duration_does_not_reach_the_message() -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration("\x1b[2J5m\n")
    assert caught.value.message.isprintable()


@given(st.integers(min_value=0, max_value=int(MAX_DURATION_S * 1000)))
def test_what_is_written_is_read_back_exactly(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.floats(min_value=0, max_value=MAX_DURATION_S))
def test_writing_rounds_to_milliseconds(seconds: float) -> None:
    assert math.isclose(parse_duration(format_duration(seconds)), seconds, abs_tol=0.0006)


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_a_usage_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except UsageError as error:
        assert error.message.isprintable()
    else:
        assert 0 <= seconds <= MAX_DURATION_S
