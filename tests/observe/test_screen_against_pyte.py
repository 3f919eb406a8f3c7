"""The screen shows what another emulator, pyte, shows, for what both implement."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from logist_core.observe.screen import EmulatedScreen

pytestmark = pytest.mark.fast

COLS, ROWS = 12, 5
_number = st.integers(1, 13)
# What agents' interfaces are made of: text, colours, the cursor's moves, erasing, inserting and deleting.
_pieces = st.one_of(
    st.text("abc XYZ_│⏺", min_size=1, max_size=9),
    st.sampled_from(
        ("\r\n", "\r", "\n", "\b", "\x1b[m", "\x1b[1;31m", "\x1b[38;5;12m", "\x1b[?25l", "\x1b]0;title\x07")
    ),
    st.sampled_from(
        ("\x1b[H", "\x1b[J", "\x1b[1J", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1bM", "\x1b7", "\x1b8")
    ),
    st.builds(lambda row, col: f"\x1b[{row};{col}H", _number, _number),
    st.builds(lambda count, move: f"\x1b[{count}{move}", _number, st.sampled_from("ABCDEFGPXd@")),
)


@settings(max_examples=150)
@given(st.lists(_pieces, max_size=30))
def test_both_emulators_show_the_same(pieces: list[str]) -> None:
    ours, theirs = EmulatedScreen(COLS, ROWS), pyte.Screen(COLS, ROWS)
    stream = pyte.Stream(theirs)
    for piece in pieces:
        # With the cursor behind the last column they differ in what a move does; xterm does as ours.
        assume(theirs.cursor.x < COLS or piece.isprintable())
        ours.feed(piece.encode())
        stream.feed(piece)
    assert [line.text.rstrip() for line in ours._vt.view()] == [line.rstrip() for line in theirs.display], pieces


@given(st.lists(_pieces, max_size=30), st.lists(st.integers(0, 200), max_size=5))
def test_a_screen_does_not_depend_on_how_its_bytes_were_cut(pieces: list[str], places: list[int]) -> None:
    data = "".join(pieces).encode()
    whole, cut = EmulatedScreen(COLS, ROWS), EmulatedScreen(COLS, ROWS)
    off = whole.feed(data)
    edges = sorted(min(place, len(data)) for place in places)
    parts = [cut.feed(data[a:b]) for a, b in zip([0, *edges], [*edges, len(data)], strict=True)]
    assert cut.lines() == whole.lines()
    assert [line for part in parts for line in part] == off
