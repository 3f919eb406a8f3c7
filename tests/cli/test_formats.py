from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.cli import formats

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-3, "0.0s"),
        (0.04, "0.0s"),
        (12.34, "12.3s"),
        (99.94, "99.9s"),
        (99.96, "1m40s"),
        (245, "4m05s"),
        (7620, "2h07m"),
        (3 * 86400 + 4 * 3600, "3d04h"),
    ],
)
def test_durations_take_the_two_units_that_matter(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (59.9, "59s"), (60, "1m"), (7200, "2h"), (200_000, "2d")])
def test_ages_take_one_unit(seconds: float | None, text: str) -> None:
    assert formats.age(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5120.0 GiB")])
def test_sizes_are_binary(count: int, text: str) -> None:
    assert formats.size(count) == text


def test_a_moment_names_its_day_unless_it_is_today() -> None:
    noon = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))
    assert formats.moment(noon, noon + 60) == "12:00:00"
    assert formats.moment(noon, noon + 86400) == "2026-03-04 12:00:00"
    assert formats.moment(None, noon) == "-"


def test_a_plural_is_formed_unless_there_is_one() -> None:
    assert [formats.plural(count, "job") for count in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.integers(1, 30))
def test_a_fitted_text_takes_exactly_its_cells(text: str, cells: int) -> None:
    assert formats.width(formats.fit(text, cells)) == cells


def test_wide_characters_take_two_cells_and_combining_marks_none() -> None:
    assert formats.width("漢e\u0301") == 3
    assert formats.fit("漢字漢", 5) == "漢字…"
    assert formats.fit("漢字", 3) == "漢…"


def test_columns_are_aligned_and_the_last_one_gives_way() -> None:
    rows = formats.columns([("ID", "TASK"), ("1234", "a long task that does not fit")], total=20)
    assert rows == [["ID  ", "TASK          "], ["1234", "a long task t…"]]


def test_no_rows_are_no_columns() -> None:
    assert formats.columns([]) == []
