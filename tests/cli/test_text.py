from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logist_core.cli.text import MIN_SECRET_CHARS, REDACTED, Display, Redactor, Sanitizer, clean, one_line

pytestmark = pytest.mark.fast

SGR = re.compile(r"\x1b\[[0-9;:]*m")
UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

# Texts made of what escape sequences are made of: pure random text would hardly ever hold one.
pieces = st.sampled_from(
    [
        *"\x1b[]PX^_\\mHJ;:0123456789? (#\n\r\t\x07\x08\x18\x1a\x00\x7f\x85\x90\x98\x9b\x9c\x9d\x9e\x9f",
        *"\u2028\u2029\u202e\u2066\u200f\ud800éß漢😀abc",
        "\x1b[31m",
        "\x1b[0m",
        "\x1b]0;title\x07",
        "\x1b]52;c;ZXZpbA==\x1b\\",
        "\x1bP1;2qdata\x1b\\",
        "\x1b[?1049h",
        "\x1b[6n",
    ]
)
hostile = st.lists(pieces, max_size=40).map("".join)


def in_chunks(text: str, cuts: list[int], *, colour: bool) -> str:
    sanitizer = Sanitizer(colour=colour)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    shown = [sanitizer.feed(text[a:b]) for a, b in pairwise(places)]
    return "".join(shown) + sanitizer.finish()


@given(hostile)
def test_without_colour_no_control_character_but_newline_and_tab_is_left(text: str) -> None:
    assert not UNSAFE.search(clean(text))


@given(hostile)
def test_with_colour_every_escape_is_well_formed_sgr_and_nothing_else_is_left(text: str) -> None:
    assert not UNSAFE.search(SGR.sub("", clean(text, colour=True)))


@given(hostile, st.booleans())
def test_cleaning_twice_is_the_same_as_once(text: str, colour: bool) -> None:
    once = clean(text, colour=colour)
    assert clean(once, colour=colour) == once


@given(hostile, st.lists(st.integers(0, 200), max_size=12), st.booleans())
@example("\x1b]0;t\x1b\\x", [5], True)
@example("a\r\nb", [2], False)
@example("\x1b[31m", [1, 2, 3, 4], True)
def test_where_the_text_is_cut_makes_no_difference(text: str, cuts: list[int], colour: bool) -> None:
    assert in_chunks(text, cuts, colour=colour) == clean(text, colour=colour)


@given(hostile)
def test_a_text_of_one_character_at_a_time_comes_out_the_same(text: str) -> None:
    assert in_chunks(text, list(range(len(text))), colour=True) == clean(text, colour=True)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029")))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert clean(text) == UNSAFE.sub("", text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2J\x1b[Hhello", "hello"),
        ("\x1b]0;owned\x07hello", "hello"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;ZXZpbA==\x07x", "x"),
        ("\x1bP+q544e\x1b\\x", "x"),
        ("\x1b_Gf=100;AAAA\x1b\\x", "x"),
        ("\x1b^private\x1b\\x", "x"),
        ("\x1bXstart of string\x1b\\x", "x"),
        ("\x9b31mx", "x"),
        ("\x9d0;title\x9cx", "x"),
        ("\x1b(0x\x1b(B", "x"),
        ("\x1bcx", "x"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\u2028b", "a b"),
        ("a\0b", "ab"),
        ("bell\x07", "bell"),
        ("tab\tstays", "tab\tstays"),
        ("\udcff", "\ufffd"),
    ],
)
def test_what_a_terminal_would_act_upon_is_taken_out(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_an_unterminated_string_hides_no_more_than_its_own_line() -> None:
    assert clean("a\x1b]0;never closed\nnext line") == "a\nnext line"


def test_a_colour_that_is_left_on_is_reset_at_the_end() -> None:
    assert clean("\x1b[31mred", colour=True) == "\x1b[31mred\x1b[0m"


def test_a_colour_that_was_reset_is_not_reset_again() -> None:
    assert clean("\x1b[31mred\x1b[m.", colour=True) == "\x1b[31mred\x1b[m."


def test_what_is_held_back_stays_small_whatever_comes() -> None:
    for endless in ("\x1b]" + "x" * 100_000, "\r" * 100_000, "\x1b[" + "1" * 100_000, "\x1b" + " " * 100_000):
        sanitizer = Sanitizer(colour=True)
        for start in range(0, len(endless), 1000):
            sanitizer.feed(endless[start : start + 1000])
        assert len(sanitizer._held) < 1000


def test_one_line_collapses_blanks_and_cuts_with_an_ellipsis() -> None:
    assert one_line("  a\n\tb\x1b[31m c ") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"


@given(hostile, st.integers(0, 60))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= max(limit, 1)
    assert "\n" not in line


secrets = st.lists(st.text("abX", min_size=MIN_SECRET_CHARS, max_size=9), min_size=1, max_size=4)


@given(st.text("abX-", max_size=60), secrets)
def test_no_secret_is_left(text: str, values: list[str]) -> None:
    redactor = Redactor(values)
    shown = redactor.feed(text) + redactor.finish()
    for piece in shown.split(REDACTED):
        assert not any(value in piece for value in values)


@given(st.text("abX-", max_size=60), secrets, st.lists(st.integers(0, 60), max_size=8))
def test_where_a_secret_is_cut_makes_no_difference(text: str, values: list[str], cuts: list[int]) -> None:
    whole = Redactor(values)
    expected = whole.feed(text) + whole.finish()
    redactor = Redactor(values)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    shown = [redactor.feed(text[a:b]) for a, b in pairwise(places)]
    assert "".join(shown) + redactor.finish() == expected


def test_a_secret_is_found_as_a_json_agent_prints_it() -> None:
    redactor = Redactor(['pass"word\\1'])
    assert (
        redactor.feed('{"text": "it is pass\\"word\\\\1!"}') + redactor.finish() == f'{{"text": "it is {REDACTED}!"}}'
    )


def test_values_too_short_to_be_secrets_are_not_redacted() -> None:
    redactor = Redactor(["yes", ""])
    assert redactor.feed("yes, yes") + redactor.finish() == "yes, yes"


def test_a_display_shows_bytes_that_are_no_utf8_and_characters_that_are_cut_in_two() -> None:
    display = Display(colour=False)
    assert display.feed(b"caf\xc3") + display.feed(b"\xa9 \xff!") + display.finish() == "café \ufffd!"


def test_a_display_redacts_a_secret_that_is_cut_by_an_escape_and_a_chunk() -> None:
    display = Display(colour=False, secrets=["hunter22"])
    assert display.feed(b"pw hun\x1b[1") + display.feed(b"mter") + display.feed(b"22.") + display.finish() == (
        f"pw {REDACTED}."
    )
