"""The screen shows what a terminal shows."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.observe import screen as screens
from logist_core.observe.screen import EmulatedScreen, PlainScreen, open_screen

pytestmark = pytest.mark.fast

COLS, ROWS = 20, 6


def pyte_lines(data: str) -> list[str]:
    screen = pyte.Screen(COLS, ROWS)
    pyte.Stream(screen).feed(data)
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return lines


# What full-screen agents send: text, colours, cursor movement, erasing. Lines are kept short of the right edge, where
# emulators differ in when they wrap. No CSI M: pyte doesn't delete a line that has nothing below it.
PIECES = st.one_of(
    st.text(alphabet="abcXYZ 019.?>", min_size=1, max_size=6),
    st.sampled_from(
        (
            "\r\n",
            "\r\n",
            "\r",
            "\x1b[1;32m",
            "\x1b[0m",
            "\x1b[H",
            "\x1b[2J\x1b[H",
            "\x1b[K",
            "\x1b[1K\r",
            "\x1b[2K\r",
            "\x1b[A",
            "\x1b[B",
            "\x1b[3;2H",
            "\x1b[5;1H",
            "\x1b[2P",
            "\x1b[2X",
            "\x1b[L\r",
            "\x1b7\x1b8",
            "\x08",
        )
    ),
)


@given(st.lists(PIECES, max_size=25))
def test_it_shows_what_pyte_shows(pieces: list[str]) -> None:
    column, data = 0, ""
    for piece in pieces:
        if piece.startswith(("\r", "\x1b[H", "\x1b[2J")) or piece.endswith("\r"):
            column = 0
        elif not piece.startswith(("\x1b", "\x08")):
            column += len(piece)
        elif piece in ("\x1b[3;2H", "\x1b[5;1H"):
            column = 2
        if column >= COLS - 1:
            column = 0
            data += "\r\n"
        data += piece
        if column == 0 and not piece.startswith(("\x1b", "\r", "\x08")):
            column = len(piece)
    screen = EmulatedScreen(COLS, ROWS)
    screen.feed(data.encode())
    assert screen.lines() == pyte_lines(data)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_can_be_shown(pieces: list[bytes]) -> None:
    for screen in (EmulatedScreen(COLS, ROWS), PlainScreen(COLS, ROWS)):
        for piece in pieces:
            screen.feed(piece)
        assert len(screen.lines()) <= ROWS
        assert screen.failures == 0


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[99999999999;99999999H",
        "\x1b[999999999@",
        "\x1b[8;99999;99999t",
        "\x1b[999999999L",
        "\x1b[99999999b",
        "\x1bP" + "q" * 9_999,
    ],
)
def test_a_hostile_sequence_neither_grows_nor_breaks_the_screen(hostile: str) -> None:
    screen = EmulatedScreen(COLS, ROWS)
    screen.feed(hostile.encode() + b"\x1b\\\x1b[1;1Hok")
    assert screen.lines()[0].startswith("ok")
    assert len(screen.lines()) <= ROWS


def test_lines_that_scroll_off_are_handed_out_with_their_wraps_joined() -> None:
    screen = EmulatedScreen(10, 3)
    assert screen.feed(b"short\r\n") == []
    assert screen.feed(b"x" * 25 + b"\r\n1\r\n2\r\n3") == ["short", "x" * 25]
    assert screen.lines() == ["1", "2", "3"]


def test_the_alternate_screen_is_shown_while_it_is_on() -> None:
    screen = EmulatedScreen(20, 3)
    screen.feed(b"shell\x1b[?1049h\x1b[Hfull screen")
    assert screen.lines() == ["full screen"]
    screen.feed(b"\x1b[?1049l")
    assert screen.lines() == ["shell"]


def test_a_character_cut_in_two_is_shown_whole() -> None:
    screen = EmulatedScreen(20, 3)
    data = "\u276f 1. Yes".encode()
    screen.feed(data[:1])
    screen.feed(data[1:])
    assert screen.lines() == ["\u276f 1. Yes"]


def test_a_panic_of_the_emulator_costs_the_screen_only() -> None:
    class Panic(BaseException):
        pass

    class Broken:
        def feed_str(self, _text: str) -> object:
            raise Panic

    screen = EmulatedScreen(20, 3)
    screen.feed(b"before")
    screen._collector = Broken()
    assert screen.feed(b"boom") == []
    assert (screen.failures, screen.lines()) == (1, [])
    screen.feed(b"after")
    assert screen.lines() == ["after"]


def test_an_interrupt_is_not_swallowed() -> None:
    class Interrupted:
        def feed_str(self, _text: str) -> object:
            raise KeyboardInterrupt

    screen = EmulatedScreen(20, 3)
    screen._collector = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        screen.feed(b"x")


def test_without_an_emulator_the_last_lines_of_the_text_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> object:
        raise ImportError

    monkeypatch.setattr(screens, "import_module", missing)
    screen = open_screen(20, 3)
    assert isinstance(screen, PlainScreen)
    assert screen.feed(b"\x1b[31mone\x1b[0m\r\ntwo\r\nthree\r\nfour\r\nGo on? [y/N] ") == ["one", "two"]
    assert screen.lines() == ["three", "four", "Go on? [y/N]"]
    screen.reset()
    assert screen.lines() == []


def test_the_size_is_bounded() -> None:
    screen = open_screen(10**6, 10**6)
    assert isinstance(screen, EmulatedScreen)
    assert (screen.cols, screen.rows) == (screens.MAX_COLS, screens.MAX_ROWS)
