from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.config.text import listed, nearest, printable

pytestmark = pytest.mark.fast


@given(st.text(st.characters(exclude_categories=()), max_size=700), st.integers(min_value=1, max_value=300))
def test_whatever_comes_in_one_harmless_line_comes_out(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=100))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert printable(text, 300) == text


def test_what_cannot_be_shown_is_spelt_out() -> None:
    assert printable("a\x1b[31mb\u202ec\nd\te") == "a\\x1b[31mb\\u202ec d e"


def test_what_is_cut_says_so() -> None:
    assert printable("x" * 1000, 10) == "x" * 9 + "…"


def test_an_object_that_cannot_be_shown_is_named_by_its_type() -> None:
    class Evil:
        def __str__(self) -> str:
            raise RuntimeError("never")

    assert printable(Evil()) == "<Evil>"


def test_a_text_with_a_str_of_its_own_is_taken_at_its_value() -> None:
    class Evil(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("never")

    assert printable(Evil("plain")) == "plain"


def test_the_nearest_names_come_best_first() -> None:
    assert nearest("modell", ["seed", "mode", "model"]) == ["model", "mode"]
    assert nearest("zzz", ["model"]) == []


def test_a_long_list_is_cut() -> None:
    assert listed([]) == "none"
    assert listed(["a", "b"]) == "a, b"
    assert listed("abcde", limit=2) == "a, b and 3 more"
