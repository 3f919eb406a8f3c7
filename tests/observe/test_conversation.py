"""From entries to turns, tools, files and totals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.api import Entry, EntryKind
from logist_core.observe.conversation import MOST_TEXT, Conversation, Reader

pytestmark = pytest.mark.fast

PROMPT, TEXT, TOOL, RESULT = EntryKind.PROMPT, EntryKind.TEXT, EntryKind.TOOL, EntryKind.RESULT


def read(*entries: Entry) -> Conversation:
    reader = Reader()
    reader.take(entries)
    return reader.finish()


def test_a_new_turn_begins_when_the_agent_acts_on_what_came_in() -> None:
    told = read(
        Entry(kind=PROMPT, text="mend it"),
        Entry(kind=TEXT, text="I look first."),
        Entry(kind=TOOL, call="a", tool="Read", path="/w/x.py"),
        Entry(kind=TOOL, call="b", tool="Bash", text="pytest"),
        Entry(kind=RESULT, call="b", ok=False, text="1 failed"),
        Entry(kind=RESULT, call="a", ok=True),
        Entry(kind=TEXT, text="Now I know."),
    )
    assert [(turn.prompts, turn.texts, len(turn.tools)) for turn in told.turns] == [
        (["mend it"], ["I look first."], 2),
        ([], ["Now I know."], 0),
    ]
    reading, testing = told.turns[0].tools
    assert (reading.ok, testing.ok, testing.result) == (True, False, "1 failed")
    assert told.files == {"/w/x.py": False}


def test_blocks_of_one_message_are_one_turn_and_its_last_usage_counts() -> None:
    told = read(
        Entry(kind=TEXT, turn="m1", text="a", tokens_in=100, tokens_out=1),
        Entry(kind=TOOL, turn="m1", call="c", tokens_in=100, tokens_out=7),
        Entry(kind=TEXT, turn="m2", text="b", tokens_in=200, tokens_out=2),
    )
    assert [(turn.tokens_in, turn.tokens_out) for turn in told.turns] == [(100, 7), (200, 2)]
    assert (told.tokens_in, told.tokens_out, told.cost_usd) == (300, 9, None)


def test_the_run_s_own_totals_count_and_a_failed_end_says_why() -> None:
    told = read(
        Entry(kind=TEXT, text="a", tokens_in=5),
        Entry(kind=EntryKind.END, ok=False, text="out of money", tokens_in=50, tokens_out=9, cost_usd=0.25),
    )
    assert (told.ended, told.ok, told.tokens_in, told.tokens_out, told.cost_usd) == (True, False, 50, 9, 0.25)
    assert told.turns[0].notices == ["out of money"]


def test_a_streamed_text_is_one_text() -> None:
    pieces = [Entry(kind=TEXT, text=piece, partial=True) for piece in ("Hel", "lo ", "there")]
    assert read(*pieces).turns[0].texts == ["Hello there"]


def test_a_tool_without_a_result_is_open_and_a_result_without_a_call_is_kept() -> None:
    told = read(
        Entry(kind=RESULT, call="lost", tool="Bash", ok=True, text="ok"), Entry(kind=TOOL, call="x", tool="Read")
    )
    first, second = (tool for turn in told.turns for tool in turn.tools)
    assert (first.name, first.closed, first.ok) == ("Bash", True, True)
    assert (second.name, second.closed, second.ok) == ("Read", False, None)


def test_a_prompt_that_nobody_answered_is_told() -> None:
    assert read(Entry(kind=PROMPT, text="hello?")).turns[0].prompts == ["hello?"]


ENTRIES = st.builds(
    Entry,
    kind=st.sampled_from(EntryKind),
    text=st.text(max_size=8),
    turn=st.sampled_from([None, "a", "b"]),
    call=st.sampled_from([None, "c", "d"]),
    path=st.sampled_from([None, "p", "q"]),
    writes=st.booleans(),
    ok=st.sampled_from([None, True, False]),
    partial=st.booleans(),
    tokens_in=st.sampled_from([None, 0, 3]),
)


@given(st.lists(ENTRIES, max_size=30))
def test_nothing_that_was_told_is_lost(entries: list[Entry]) -> None:
    told = read(*entries)
    said = "".join(text for turn in told.turns for text in turn.texts)
    assert said == "".join(entry.text for entry in entries if entry.kind is TEXT)
    prompts = [text for turn in told.turns for text in turn.prompts]
    assert prompts == [entry.text for entry in entries if entry.kind is PROMPT]
    tools = [tool for turn in told.turns for tool in turn.tools]
    assert sum(tool.closed for tool in tools) == sum(entry.kind is RESULT for entry in entries)
    assert [turn.number for turn in told.turns] == list(range(1, len(told.turns) + 1))
    assert set(told.files) <= {entry.path for entry in entries}


def test_a_text_without_end_is_cut() -> None:
    assert len(read(Entry(kind=TEXT, text="x" * (MOST_TEXT + 5))).turns[0].texts[0]) == MOST_TEXT
