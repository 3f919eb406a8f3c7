"""Cleaning: the same line whatever it was dressed in, and nothing that could reach a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.observe.text import (
    MAX_LINE_CHARS,
    break_lines,
    clean_block,
    clean_line,
    haystack,
    last_title,
    line_text,
    sanitise,
)

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"\x1b[1;31mred\x1b[0m text", "red text"),
        (b"\x1b]0;a title\x07shown", "shown"),
        (b"\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP1$r0m\x1b\\after", "after"),
        (b"\x1b(Bplain", "plain"),
        (b"\x1b]0;never ends", ""),
        (b"bell\x07 and back\x08space\x7f", "bell and backspace"),
        (b"tab\tand\xc2\xa0no-break", "tab and no-break"),
        (b"  indented   words  ", "  indented words"),
        (b"C1 \xc2\x9b gone", "C1 gone"),
        (b"bad \xff\xfe bytes", "bad \ufffd\ufffd bytes"),
        (b"first\rsecond\n", "first"),
    ],
)
def test_a_line_is_cleaned(raw: bytes, clean: str) -> None:
    assert clean_line(raw) == clean


def test_a_text_line_can_be_cleaned_as_well() -> None:
    assert clean_line("\x1b[2Jhello\n") == "hello"


def test_a_very_long_line_is_cut() -> None:
    assert len(clean_line("x" * 100_000)) == MAX_LINE_CHARS


@given(st.binary(max_size=500))
def test_cleaning_keeps_every_line_break(raw: bytes) -> None:
    lines = break_lines(raw)
    assert len(lines) == len(raw)
    assert clean_block(lines).count(b"\n") == lines.count(b"\n")
    assert haystack(clean_block(lines)).count(b"\n") == lines.count(b"\n")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_lines_are_cleaned_independently_of_one_another(one: bytes, other: bytes) -> None:
    one, other = break_lines(one), break_lines(other)
    assert clean_block(one + b"\n" + other) == clean_block(one) + b"\n" + clean_block(other)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean_line(text)
    if "\x1b" not in text:  # an escape sequence may be put together from the rest of two others
        assert clean_line(once) == once


@given(st.text(max_size=700))
def test_what_is_sanitised_is_one_short_printable_line(text: str) -> None:
    safe = sanitise(text)
    assert len(safe) <= 500
    assert not [
        c for c in safe if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in "\u202e\u2066\u200b\ufeff"
    ]
    assert safe == sanitise(safe)


def test_reordering_and_hidden_characters_are_taken_out() -> None:
    assert sanitise("user\u202ecod.exe \u2067x\u2069 z\u200bw\U000e0041") == "user cod.exe x z w"


def test_a_cut_text_says_so() -> None:
    assert sanitise("x" * 600) == "x" * 499 + "…"
    assert sanitise("x " * 5_000, 10).endswith("…")


def test_the_last_title_counts() -> None:
    assert last_title(b"\x1b]0;one\x07 text \x1b]2;two \x1b\\ \x1b]9;4;1;50\x07") == "two"
    assert last_title(b"no title \x1b]0;unfinished") is None


def test_an_indented_line_keeps_its_indentation_for_the_guards() -> None:
    assert line_text(b'        raise Error("x")') == '        raise Error("x")'
