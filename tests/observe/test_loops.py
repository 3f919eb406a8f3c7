"""An agent's steps, and what of them repeats itself."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.observing import Attempt

from logist_core.api import Loop, step_key
from logist_core.observe.loops import LONGEST_ROUND, Echoes, Repeats
from logist_core.observe.progress import normalised

pytestmark = pytest.mark.fast


def repeated(steps: Iterable[str], *, failing: bool = False) -> Loop | None:
    repeats = Repeats()
    for step in steps:
        repeats.add(step, failing=failing)
    return repeats.loop()


def echoed(lines: Iterable[str]) -> Loop | None:
    echoes = Echoes()
    for line in lines:
        echoes.add(line, normalised(line))
    return echoes.loop()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("curl http://localhost:8080/x", "curl http://localhost:9090/x"),
        ("Error at 12:00:01: refused", "Error at 13:44:59: refused"),
        ("rm -rf /tmp/pytest-11/a.txt", "rm -rf /var/tmp/pytest-12/a.txt"),
        ("commit 1f2e3d4c5b6a7988", "commit 99aabbccddee0011"),
        ("id 2f1c2a4e-7b7e-4a0e-9d59-4b7f1f3f6a10", "id 00000000-7b7e-4a0e-9d59-4b7f1f3f6a11"),
        ("took 900ms", "took 2s"),
        ("read  a\n b", "read a b"),
        ("x" * 20_000, "x" * 20_000),
    ],
)
def test_a_step_in_another_second_place_and_number_is_the_same(one: str, other: str) -> None:
    assert step_key(one) == step_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Read src/a.py", "Read src/b.py"),
        ("Edit {'old': 'x', 'new': 'y'}", "Edit {'old': 'y', 'new': 'x'}"),
        ("npm test", "npm run build"),
        ("x" * 20_000 + "a", "x" * 20_000 + "b"),
    ],
)
def test_a_step_with_another_word_is_another_one(one: str, other: str) -> None:
    assert step_key(one) != step_key(other)


@given(text=st.text(st.characters(exclude_categories=())))
def test_any_text_has_a_short_key_of_one_line(text: str) -> None:
    key = step_key(text)
    assert len(key) <= 112
    assert "\n" not in key


def test_steps_that_differ_are_no_loop() -> None:
    assert repeated("abcdefg") is None
    assert repeated("abacadae") is None


def test_the_same_step_is_counted() -> None:
    assert repeated("xyaaaa", failing=True) == Loop(steps=("a",), times=4, failing=True)


def test_steps_that_take_turns_are_counted_by_rounds() -> None:
    assert repeated("xababab") == Loop(steps=("a", "b"), times=3)


def test_one_other_step_ends_a_loop() -> None:
    assert repeated("aaaaaab") is None


@given(
    round_=st.lists(st.sampled_from("abcd"), min_size=1, max_size=LONGEST_ROUND, unique=True), times=st.integers(2, 30)
)
def test_every_round_is_found_with_its_times(round_: list[str], times: int) -> None:
    assert repeated(["x", *round_ * times]) == Loop(steps=tuple(round_), times=times)


@given(steps=st.lists(st.sampled_from("ab"), max_size=40), cut=st.integers(0, 40))
def test_a_count_goes_on_from_its_json(steps: list[str], cut: int) -> None:
    first = Repeats()
    for step in steps[:cut]:
        first.add(step, failing=step == "b")
    second = Repeats(json.loads(json.dumps(first.plain())))
    whole = Repeats()
    for step in steps[cut:]:
        second.add(step, failing=step == "b")
    for step in steps:
        whole.add(step, failing=step == "b")
    assert second.loop() == whole.loop()


def test_an_error_that_comes_again_and_again_is_a_loop_whatever_its_time_says() -> None:
    loop = echoed(f"12:00:{n:02} Error: connect ECONNREFUSED 127.0.0.1:{5000 + n}" for n in range(9))
    assert loop is not None
    assert (loop.times, loop.failing, loop.source) == (9, True, "output")


def test_an_error_with_its_stack_trace_is_one() -> None:
    trace = ["TypeError: x is not a function", "    at run (a.js:1:2)", "    at main (b.js:3:4)"]
    assert echoed(trace * 5) == Loop(steps=("TypeError: x is not a function",), times=5, failing=True, source="output")


def test_two_lines_that_take_turns_are_a_loop_only_word_for_word() -> None:
    assert echoed(["Reading a.txt", "Reading b.txt"] * 3) == Loop(
        steps=("Reading a.txt", "Reading b.txt"), times=3, source="output"
    )
    assert echoed(f"{word} {n}%" for n in range(20) for word in ("got", "left")) is None


@pytest.mark.parametrize(
    "lines",
    [
        ["........"] * 50,
        ["still working ..."] * 50,
        [f"elapsed {n} s" for n in range(50)],
        [f"{n} passed, 0 failed" for n in range(50)],
        [f"[{'#' * n:<50}] {2 * n}%" for n in range(50)],
        [],
    ],
)
def test_dots_bars_and_heartbeats_are_no_loop(lines: list[str]) -> None:
    assert echoed(lines) is None


def test_news_between_errors_means_that_it_goes_on() -> None:
    echoes = Echoes()
    for _ in range(20):
        echoes.add("Error: refused", "Error: refused")
    echoes.forget()
    assert echoes.loop() is None


def told(attempt: Attempt, *events: dict[str, str], claim: str = "working") -> Loop | None:
    """Return the loop that an observer sees in events with these fields, cut in two by a restart."""
    observer = attempt.json_observer()
    for number, fields in enumerate(events):
        said = "tool_error" if "error" in fields else claim
        attempt.out(json.dumps({"say": said, "fields": fields, "n": number}) + "\n")
        if number == len(events) // 2:
            observer.feed(1.0)
            observer = attempt.json_observer(checkpoint=json.loads(json.dumps(observer.checkpoint())))
    observer.feed(2.0)
    return observer.loop


def calls(action: str, **came: str) -> list[dict[str, str]]:
    return [{"tool_open": action, "action": action}, {"tool_closed": action, **came}]


ERROR = step_key("Connection to the database was refused")


def test_an_action_with_the_same_result_is_a_step_that_repeats(attempt: Attempt) -> None:
    loop = told(attempt, *calls("ls", result="a b") * 4)
    assert loop == Loop(steps=("ls -> a b",), times=4)


def test_an_action_with_new_results_repeats_nothing(attempt: Attempt) -> None:
    assert told(attempt, *calls("ls", result="a"), *calls("ls", result="b"), *calls("ls", result="c")) is None


def test_the_same_error_is_the_same_step_whatever_led_to_it(attempt: Attempt) -> None:
    steps = [step for action in ("npm test", "yarn test", "node t.js") for step in calls(action, error=ERROR)]
    assert told(attempt, *steps) == Loop(steps=(ERROR,), times=3, failing=True)


def test_an_error_that_says_nothing_is_told_apart_by_its_action(attempt: Attempt) -> None:
    nothing = step_key("Exit code 1")
    steps = [step for word in ("cat", "dog", "cow", "owl") for step in calls(f"grep {word}", error=nothing)]
    assert told(attempt, *steps) is None


def test_an_action_told_in_one_event_is_a_step(attempt: Attempt) -> None:
    assert told(attempt, *[{"action": "make", "result": "ok"}] * 3) == Loop(steps=("make -> ok",), times=3)


def test_lines_of_text_are_counted_where_no_actions_are_known(attempt: Attempt) -> None:
    observer = attempt.observer()
    attempt.out("begin\n" + "error: connection refused\n" * 5)
    observer.feed(1.0)
    assert observer.loop == Loop(steps=("error: connection refused",), times=4, failing=True, source="output")
    attempt.out("something else\n")
    observer.feed(2.0)
    assert observer.loop is None


def test_a_screen_that_shows_an_error_all_the_time_is_no_loop(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True)
    attempt.out("error: connection refused\r\n")
    for second in range(20):
        attempt.out(f"\rworking {second} s")
        observer.feed(float(second))
    assert observer.loop is None
