"""News, and what only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.observe.progress import REMEMBERED, News, normalised

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("⠋ Building", "⠹ Building"),
        ("| Thinking (3 s, 152 tokens, esc to interrupt)", "/ Thinking (41 s, 152 tokens, esc to interrupt)"),
        (
            "✻ Pondering… (12s · ↑ 1.2k tokens · esc to interrupt)",
            "✶ Musing… (1m 4s · ↑ 9.9k tokens · esc to interrupt)",
        ),
        ("12:01:07 still waiting", "12:44:59 still waiting"),
        ("[====>     ] 12%", "[========> ] 71%"),
        ("request 3f2a9c11-0000-4000-8000-00000000000a failed", "request 91bc0d47-0000-4000-8000-00000000000b failed"),
        ("elapsed 59s", "elapsed 2m 3s"),
        ("Downloaded 1.2 MB of 9 MB", "Downloaded 4 MB of 9 MB"),
    ],
)
def test_counters_and_spinners_are_no_news(one: str, other: str) -> None:
    news = News()
    assert news.line(one)
    assert not news.line(other)


@pytest.mark.parametrize(("one", "other"), [("compiling a.c", "compiling b.c"), ("test_one passed", "test_two passed")])
def test_other_words_are_news(one: str, other: str) -> None:
    news = News()
    assert [news.line(one), news.line(other)] == [True, True]


def test_blank_lines_and_repetitions_are_no_news() -> None:
    news = News()
    assert [news.line(text) for text in ("a", "", "   ", "a", "b", "a")] == [True, False, False, False, True, False]


def test_an_event_is_news_unless_it_is_repeated_exactly() -> None:
    news = News()
    assert [news.event(text) for text in ('{"n": 1}', '{"n": 2}', '{"n": 1}')] == [True, True, False]


def test_only_the_last_few_hundred_lines_are_remembered() -> None:
    news = News()
    names = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghijklmnopqrstuvwxyz"]
    assert [name for name in names if not news.line(name)] == []
    assert len(news.marks()) == REMEMBERED
    assert news.line(names[0])
    assert not news.line(names[-1])


def test_what_was_seen_survives_a_checkpoint() -> None:
    news = News()
    news.line("a")
    again = News(news.marks())
    assert [again.line("a"), again.line("b")] == [False, True]


@given(st.text(max_size=600))
def test_any_line_has_a_normal_form(text: str) -> None:
    assert len(normalised(text)) <= 400


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_number_never_makes_news(one: int, other: int) -> None:
    assert normalised(f"step {one} of {other} done") == normalised(f"step {other} of {one} done")
