"""One attempt's output, from bytes in its logs to what the agent is doing."""

from __future__ import annotations

import json
import resource
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.observing import Attempt, claims

from logist_core.observe import Observer, streams
from logist_core.observe import observer as module
from logist_core.types.launch import OutputFormat
from logist_core.types.signals import Claim, Signal, Source


def drain(observer: Observer, now: float, max_bytes: int = 1 << 20) -> list[Signal]:
    made = observer.feed(now, max_bytes)
    while not observer.caught_up:
        made += observer.feed(now, max_bytes)
    return made


# Text streams


def test_a_log_that_is_not_there_yet_is_no_trouble(attempt: Attempt) -> None:
    observer = attempt.observer()
    assert observer.feed(1.0) == []
    assert observer.caught_up
    assert observer.activity(1.0).state == "unknown"
    assert (observer.output_bytes, observer.progress, observer.progress_at) == (0, 0, None)


def test_a_line_becomes_a_signal_with_its_place(attempt: Attempt) -> None:
    attempt.out("hello\n\x1b[31mUsage  limit\x1b[0m reached, resets 1783173600\n")
    (signal,) = attempt.observer().feed(50.0)
    assert (signal.claim, signal.source, signal.rule) == (Claim.RATE_LIMITED, Source.TEXT, "test/any/limit")
    assert (signal.stream, signal.offset, signal.at) == ("out", 6, 50.0)
    assert signal.fields == {"resets_at": 1_783_173_600.0}


def test_standard_error_is_read_as_well(attempt: Attempt) -> None:
    attempt.err("usage limit reached\n")
    attempt.out("esc to interrupt\n")
    observer = attempt.observer()
    assert {(s.stream, s.claim) for s in observer.feed(1.0)} == {("err", Claim.RATE_LIMITED), ("out", Claim.WORKING)}
    assert observer.output_bytes == len("usage limit reached\nesc to interrupt\n")


def test_the_activity_waits_for_confirmation_and_then_holds(attempt: Attempt) -> None:
    attempt.out("usage limit reached\n")
    observer = attempt.observer()
    observer.feed(10.0)
    assert observer.activity(10.5).state == "unknown"
    assert observer.next_change(10.5) == 11.0
    assert observer.activity(11.0).state == "rate_limited"
    assert observer.activity(11.0).since == 10.0


def test_a_prompt_without_a_line_end_is_seen_once_it_stands(attempt: Attempt) -> None:
    attempt.out("Overwrite? [y/N] ")
    observer = attempt.observer()
    assert [claims(observer.feed(now)) for now in (1.0, 2.0, 3.0, 4.0)] == [[], [], ["permission_prompt"], []]
    assert observer.activity(4.0).state == "permission_prompt"
    attempt.out("y\n")
    (gone,) = observer.feed(5.0)
    assert gone.fields == {"clears": "test/any/prompt"}
    assert observer.activity(5.0).state == "unknown"


def test_a_line_that_still_grows_is_not_read_early(attempt: Attempt) -> None:
    observer = attempt.observer()
    for second in range(6):
        attempt.out("Overwrite? [y/N]"[second : second + 1])
        assert observer.feed(float(second)) == []


def test_a_claim_that_was_read_early_is_not_told_twice(attempt: Attempt) -> None:
    attempt.out("usage limit reached")
    observer = attempt.observer()
    observer.feed(1.0)
    assert claims(observer.feed(3.0)) == ["rate_limited"]
    attempt.out("\n")
    assert observer.feed(4.0) == []
    assert observer.activity(5.0).state == "rate_limited"


def test_the_end_of_an_attempt_reads_the_last_line(attempt: Attempt) -> None:
    attempt.out("PANIC: out of luck")
    attempt.err("usage limit reached")
    observer = attempt.observer()
    assert observer.feed(1.0) == []
    assert claims(observer.finish(1.1)) == ["crashed", "rate_limited"]
    assert observer.activity(1.1).state == "rate_limited"
    assert observer.next_change(1.1) is None


def test_a_prompt_that_nobody_answered_stands_at_the_end(attempt: Attempt) -> None:
    attempt.out("Overwrite? [y/N] ")
    observer = attempt.observer()
    observer.feed(1.0)
    observer.feed(3.0)
    assert observer.finish(4.0) == []
    assert observer.activity(4.0).state == "permission_prompt"


def test_a_spinner_redrawn_for_ever_is_read_and_is_no_progress(attempt: Attempt) -> None:
    observer = attempt.observer()
    made = []
    for second in range(100):
        attempt.out(f"\r| Working ({second}s, esc to interrupt)")
        made += observer.feed(float(second))
    assert set(claims(made)) == {"working"}
    assert observer.progress == 1
    assert observer.activity(99.0).state == "working"
    assert len(observer.signals()) == 2


def test_progress_counts_news_and_retries_reset_with_it(attempt: Attempt) -> None:
    observer = attempt.observer()
    attempt.out("compiling a.c\ncompiling b.c\n")
    observer.feed(1.0)
    assert (observer.progress, observer.progress_at, observer.retries) == (2, 1.0, 0)
    attempt.out("overloaded; retrying in 4s (attempt 1)\noverloaded; retrying in 8s (attempt 2)\n")
    observer.feed(2.0)
    assert (observer.progress, observer.progress_at, observer.retries) == (2, 1.0, 2)
    attempt.out("compiling c.c\n")
    observer.feed(3.0)
    assert (observer.progress, observer.progress_at, observer.retries) == (3, 3.0, 0)


def test_a_truncated_log_is_reported_and_read_on(attempt: Attempt) -> None:
    attempt.out("a long first line\nhalf a li")
    observer = attempt.observer()
    observer.feed(1.0)
    (attempt.directory / "out.log").write_text("usage limit reached\n")
    assert claims(observer.feed(2.0)) == ["rate_limited"]
    assert len(observer.problems) == 1
    assert "became shorter" in observer.problems[0]


def test_a_hundred_megabyte_line_costs_bounded_memory(attempt: Attempt) -> None:
    observer = attempt.observer()
    observer.feed(0.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(attempt.directory / "out.log", "wb") as log:
        log.truncate(100 << 20)
        log.seek(0, 2)
        log.write(b"\nusage limit reached\n")
    assert claims(drain(observer, 1.0)) == ["rate_limited"]
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 40 * 1024


def test_a_log_full_of_hits_makes_a_bounded_number_of_signals(attempt: Attempt) -> None:
    attempt.out("usage limit reached\nPANIC: x\n" * 3_000)
    observer = attempt.observer()
    made = observer.feed(1.0)
    assert len(made) == streams.HITS_A_READ
    attempt.out("usage limit reached\nPANIC: x\n" * 3_000)
    for _ in range(10):
        attempt.out("PANIC: x\n" * 500)
        observer.feed(2.0)
    assert len(observer.signals()) == module.MAX_SIGNALS


def test_what_matters_outlives_what_only_goes_on(attempt: Attempt) -> None:
    attempt.out("PANIC: the first thing\n")
    observer = attempt.json_observer()
    observer.feed(0.5)
    for second in range(3_000):
        attempt.out(json.dumps({"say": "working", "fields": {"tokens_in": second}}) + "\n")
    drain(observer, 1.0)
    assert len(observer.signals()) == module.MAX_SIGNALS
    assert observer.signals()[0].claim is Claim.CRASHED


# Structured streams


def test_events_go_to_the_plugin_and_are_never_matched(attempt: Attempt) -> None:
    attempt.out(json.dumps({"say": "working", "note": "usage limit reached"}) + "\n")
    attempt.out(json.dumps({"tool": "usage limit reached"}) + "\n")
    attempt.out("plain text: PANIC\nusage limit reached\n")
    made = attempt.json_observer().feed(1.0)
    assert [(s.claim, s.source) for s in made] == [
        (Claim.WORKING, Source.EVENT),
        (Claim.RATE_LIMITED, Source.TEXT),
    ]


def test_signals_of_a_mixed_stream_keep_its_order_and_offsets(attempt: Attempt) -> None:
    lines = ["usage limit reached", '{"say": "working"}', "{no json}", "[y/N]", '["say"]', '{"say": "failed"}']
    attempt.out("".join(line + "\n" for line in lines))
    made = attempt.json_observer().feed(1.0)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    assert [(s.offset, s.claim.value) for s in made if s.claim] == [
        (offsets[0], "rate_limited"),
        (offsets[1], "working"),
        (offsets[3], "permission_prompt"),
        (offsets[5], "failed"),
    ]


def test_structured_lines_of_standard_error_are_parsed_or_else_matched(attempt: Attempt) -> None:
    attempt.err('{"say": "auth_failed"}\n{"message": "esc to interrupt"}\n')
    made = attempt.json_observer().feed(1.0)
    assert [(s.claim, s.source, s.stream) for s in made] == [
        (Claim.AUTH_FAILED, Source.EVENT, "err"),
        (Claim.WORKING, Source.TEXT, "err"),
    ]


def test_a_broken_plugin_is_reported_once_and_the_job_goes_on(attempt: Attempt) -> None:
    class Broken:
        def parse(self, line: str, stream: str) -> list[Signal]:
            raise RuntimeError("oops")

    attempt.out('{"a": 1}\nusage limit reached\n{"b": 2}\n')
    observer = attempt.json_observer(Broken())
    assert claims(observer.feed(1.0)) == ["rate_limited"]
    assert observer.problems == ["agent plugin test: parse raised RuntimeError: oops (line at byte 0)"]
    assert observer.progress == 3


def test_half_an_event_is_not_read_as_text(attempt: Attempt) -> None:
    attempt.out('{"text": "usage limit reached')
    observer = attempt.json_observer()
    assert [observer.feed(now) for now in (1.0, 3.0, 5.0)] == [[], [], []]


def test_an_event_that_is_too_long_is_left_out_and_counts_as_news(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_JSON_LINE", 1_000)
    attempt.out('{"text": "' + "usage limit reached " * 100 + '"}\n{"say": "working"}\n')
    observer = attempt.json_observer()
    assert claims(observer.feed(1.0)) == ["working"]
    assert observer.progress == 2


def test_events_are_progress_unless_they_retry_or_repeat(attempt: Attempt) -> None:
    observer = attempt.json_observer()
    attempt.out('{"n": 1}\n{"n": 2}\n{"n": 2}\n{"say": "overloaded", "fields": {"attempt": 1}}\n')
    observer.feed(1.0)
    assert (observer.progress, observer.retries) == (2, 1)


def test_tool_calls_are_open_until_they_are_closed(attempt: Attempt) -> None:
    observer = attempt.json_observer()
    attempt.out('{"say": "working", "fields": {"tool_open": "a", "tool": "shell", "tool_budget_s": 60}}\n')
    attempt.out('{"say": "working", "fields": {"tool_open": "b"}}\n')
    observer.feed(1.0)
    first = observer.open_tools(5.0)
    assert [(t.id, t.name, t.since_s, t.budget_s) for t in first] == [("a", "shell", 5.0, 60.0), ("b", None, 5.0, None)]
    assert observer.open_tools(9.0) == first
    attempt.out('{"say": null, "fields": {"tool_closed": "a"}}\n')
    observer.feed(2.0)
    assert [tool.id for tool in observer.open_tools(10.0)] == ["b"]
    attempt.out('{"say": "completed", "final": true}\n')
    observer.feed(3.0)
    assert observer.open_tools(11.0) == ()


def test_the_session_is_remembered(attempt: Attempt) -> None:
    observer = attempt.json_observer()
    attempt.out('{"say": null, "fields": {"session_id": "s-1"}}\n{"say": null, "fields": {"session_id": "s-2"}}\n')
    observer.feed(1.0)
    assert observer.session_id == "s-2"
    assert observer.activity(1.0).state == "unknown"


# Terminals


def show(attempt: Attempt, text: str) -> None:
    attempt.out(text.replace("\n", "\r\n"))


def test_what_the_screen_shows_is_what_counts(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True)
    show(attempt, "esc to interrupt\n")
    assert [(s.claim, s.source) for s in observer.feed(1.0)] == [(Claim.WORKING, Source.SCREEN)]
    show(attempt, "\x1b[H\x1b[2JDo you want to run this?\n\n\u276f 1. Yes\n  2. No\n")
    made = observer.feed(2.0)
    assert claims(made) == [None, "permission_prompt"]
    assert made[0].fields == {"clears": "test/any/busy"}
    assert observer.activity(2.0).state == "permission_prompt"
    show(attempt, "\x1b[H\x1b[2Jfine\n")
    assert claims(observer.feed(3.0)) == [None]
    assert observer.activity(3.0).state == "unknown"


def test_a_message_on_the_screen_is_told_once(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True)
    show(attempt, "usage limit reached\n")
    assert claims(observer.feed(1.0)) == ["rate_limited"]
    show(attempt, "more\n")
    assert observer.feed(2.0) == []
    show(attempt, "\n".join(f"line {word}" for word in "abcdefghijklmnopqrstuvwxyzABCDEF") + "\n")
    assert observer.feed(3.0) == []
    assert observer.activity(4.0).state == "rate_limited"


def test_a_message_that_rushed_by_is_found_but_not_a_spinner(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True)
    lines = "\n".join(f"line {number}" for number in range(100))
    show(attempt, f"esc to interrupt\nusage limit reached\n{lines}\n")
    assert [(s.claim, s.source) for s in observer.feed(1.0)] == [(Claim.RATE_LIMITED, Source.TEXT)]


def test_a_composer_below_a_spinner_does_not_mean_idle(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True)
    show(attempt, "working (1s, esc to interrupt)\n\n? for help\n")
    observer.feed(1.0)
    assert observer.activity(1.0).state == "working"
    show(attempt, "\x1b[H\x1b[2J? for help\n")
    observer.feed(2.0)
    assert observer.activity(2.0).state == "waiting_input"


def test_work_in_sight_keeps_its_lease_while_the_screen_changes(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True)
    for second in range(0, 600, 5):
        show(attempt, f"\x1b[H\x1b[2Jesc to interrupt {second}")
        observer.feed(float(second))
        assert observer.activity(float(second)).state == "working"
    assert observer.activity(600.0).since == 0.0
    assert observer.progress == 1


def test_a_wrapped_line_is_read_whole(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True, cols=12)
    show(attempt, "usage limit reached, resets 1783173600\n")
    (signal,) = observer.feed(1.0)
    assert signal.fields == {"resets_at": 1_783_173_600.0}


def test_the_terminal_s_title_is_read_even_in_two_pieces(attempt: Attempt) -> None:
    observer = attempt.observer(pty=True)
    attempt.out("\x1b]0;* busy")
    assert observer.feed(1.0) == []
    attempt.out("\x07text")
    assert [(s.claim, s.source) for s in observer.feed(2.0)] == [(Claim.WORKING, Source.TITLE)]


def test_a_terminal_with_structured_output_is_read_by_lines(attempt: Attempt) -> None:
    attempt.out('{"say": "working"}\r\n')
    assert claims(attempt.json_observer(pty=True).feed(1.0)) == ["working"]


def test_a_terminal_far_behind_is_joined_near_its_end(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SKIP_BEHIND", 10_000)
    monkeypatch.setattr(streams, "REPLAY_BYTES", 1_000)
    show(attempt, "usage limit reached\n" + "x\n" * 10_000 + "esc to interrupt\n")
    observer = attempt.observer(pty=True)
    assert claims(drain(observer, 1.0)) == ["working"]
    assert "left out" in observer.problems[0]


def test_a_truncated_terminal_log_and_a_failing_emulator_are_reported(attempt: Attempt) -> None:
    class Broken:
        def feed_str(self, _text: str) -> object:
            raise RuntimeError

    show(attempt, "first screen\n")
    observer = attempt.observer(pty=True)
    observer.feed(1.0)
    (attempt.directory / "out.log").write_text("new")
    observer.feed(2.0)
    observer._out._screen()._collector = Broken()  # type: ignore[union-attr]
    show(attempt, "boom")
    observer.feed(3.0)
    assert ["shorter" in observer.problems[0], "emulator" in observer.problems[1]] == [True, True]
    assert observer.finish(4.0) == []


# Going on after a restart


def restarted(attempt: Attempt, observer: Observer, **changes: object) -> Observer:
    saved = json.loads(json.dumps(observer.checkpoint(), allow_nan=False))
    return attempt.observer(checkpoint=saved, **changes)


def test_a_prompt_that_was_read_early_is_known_after_a_restart(attempt: Attempt) -> None:
    attempt.out("Overwrite? [y/N] ")
    observer = attempt.observer()
    observer.feed(1.0)
    observer.feed(3.0)
    again = restarted(attempt, observer)
    assert [again.feed(now) for now in (4.0, 6.0, 8.0)] == [[], [], []]
    attempt.out("y\n")
    assert claims(again.feed(9.0)) == [None]


def test_a_cut_line_goes_on_being_cut_after_a_restart(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_TEXT_LINE", 100)
    attempt.out("x" * 500)
    observer = attempt.observer()
    observer.feed(1.0)
    again = restarted(attempt, observer)
    attempt.out("usage limit reached\nusage limit reached\n")
    assert claims(again.feed(2.0)) == ["rate_limited"]


def test_a_screen_is_known_after_a_restart(attempt: Attempt) -> None:
    show(attempt, "usage limit reached\nesc to interrupt\n")
    observer = attempt.observer(pty=True)
    observer.feed(1.0)
    again = restarted(attempt, observer, pty=True)
    show(attempt, "more\n")
    assert again.feed(2.0) == []
    assert again.activity(2.0) == observer.activity(2.0)


def test_a_checkpoint_of_another_version_is_not_used(attempt: Attempt) -> None:
    attempt.out("usage limit reached\n")
    assert claims(attempt.observer(checkpoint={"version": 99, "streams": 5}).feed(1.0)) == ["rate_limited"]


LINES = st.lists(
    st.sampled_from(
        [
            "hello",
            "usage limit reached",
            "esc to interrupt",
            "overloaded; retrying in 4s (attempt 1)",
            "Do you want to go?",
            "\u276f 1. Yes",
            '{"say": "working"}',
            '{"say": "failed", "fields": {"session_id": "s"}}',
            "[y/N]",
            "",
            "\x1b[1mPANIC: x",
        ]
    ),
    max_size=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(lines=LINES, places=st.lists(st.integers(0, 300), max_size=5), structured=st.booleans())
def test_cuts_and_restarts_change_nothing(
    attempt: Attempt, lines: list[str], places: list[int], structured: bool
) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    log = attempt.directory / "out.log"
    form = OutputFormat.JSON_LINES if structured else OutputFormat.TEXT
    agent = attempt.json_observer()._parser._agent if structured else None
    log.write_bytes(data)
    whole = attempt.observer(output=form, agent=agent)
    expected = drain(whole, 5.0)
    log.write_bytes(b"")
    pieces, observer, made = [], attempt.observer(output=form, agent=agent), []
    for start, end in pairwise(sorted({0, len(data), *(min(place, len(data)) for place in places)})):
        pieces.append(data[start:end])
        attempt.out(data[start:end])
        made += drain(observer, 5.0)
        observer = restarted(attempt, observer, output=form, agent=agent)
    assert [(s.rule, s.offset, s.fields) for s in made] == [(s.rule, s.offset, s.fields) for s in expected]
    assert (observer.progress, observer.retries, observer.session_id) == (
        whole.progress,
        whole.retries,
        whole.session_id,
    )
    assert observer.activity(9.0) == whole.activity(9.0)
    assert observer.output_bytes == whole.output_bytes


def test_reads_are_bounded_and_share_between_the_streams(attempt: Attempt) -> None:
    attempt.out("x" * 10_000)
    attempt.err("y" * 10_000)
    observer = attempt.observer()
    observer.feed(1.0, 1_000)
    assert (observer._out.last_read, observer._err.last_read) == (500, 500)
    assert not observer.caught_up
