"""Job ids sort by age, never repeat, and can't lead a path astray."""

from __future__ import annotations

import os
import string
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.errors import JobNotFound
from logist_core.jobs import ids
from logist_core.jobs.ids import checked, is_id, new_id, shown

pytestmark = pytest.mark.fast

moments = st.floats(0, 4e9, allow_nan=False)


@given(moments, moments)
def test_an_id_of_a_later_millisecond_sorts_later(one: float, other: float) -> None:
    first, second = sorted((one, other))
    if int(first * 1000) < int(second * 1000):
        assert new_id(first) < new_id(second)


@given(moments)
def test_an_id_has_16_characters_that_are_safe_everywhere(moment: float) -> None:
    job_id = new_id(moment)
    assert len(job_id) == 16
    assert set(job_id) <= set(string.digits + string.ascii_lowercase)
    assert is_id(job_id)


def test_ids_made_in_one_process_are_unique_and_ascending_even_within_a_millisecond() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_ids_made_by_threads_at_once_are_unique() -> None:
    made: list[str] = []

    def make() -> None:
        mine = [new_id() for _ in range(2_000)]
        assert mine == sorted(mine)
        made.extend(mine)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


def test_ids_go_on_ascending_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([5_000_000_000_000, 4_000_000_000_000, 4_000_000_000_000])
    monkeypatch.setattr(ids, "_last", (os.getpid(), 0, 0))
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(moments))
    made = [new_id(), new_id(), new_id()]
    assert made == sorted(set(made))


def test_ids_go_on_ascending_when_the_random_part_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_000_000_000)
    monkeypatch.setattr(ids, "_last", (os.getpid(), 1_000, (1 << 30) - 1))
    assert new_id() == ids._encode(1_001, 10) + "000000"


def test_a_forked_process_does_not_count_on_from_its_parents_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_000_000_000)
    monkeypatch.setattr(ids, "_last", (os.getpid() + 1, 1_000, 7))
    monkeypatch.setattr(ids.os, "urandom", lambda count: b"\xff" * count)
    assert new_id() == ids._encode(1_000, 10) + "zzzzzz"


@given(st.text(max_size=40))
def test_no_text_but_an_id_passes_the_check(text: str) -> None:
    if is_id(text):
        assert checked(text) == text
        assert "/" not in text
    else:
        with pytest.raises(JobNotFound):
            checked(text)


@pytest.mark.parametrize(
    "text", ["", "..", "../../../etc/xyz", "A" * 16, "0" * 15, "0" * 17, "0" * 15 + "\n", "\uff10" * 16]
)
def test_texts_that_are_no_ids_are_refused(text: str) -> None:
    assert not is_id(text)


@given(st.text(st.characters(exclude_categories=())))
def test_shown_text_is_one_short_printable_line(text: str) -> None:
    line = shown(text)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 900
