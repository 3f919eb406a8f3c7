"""The pure parts of `attach`: what counts as a detach key, and what has to be switched off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.supervise.terminal import DetachKeys, ScreenModes

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("typed", "sent", "detached"),
    [
        (b"abc", b"abc", False),
        (b"ab\x11cd", b"ab", True),
        (b"ab\x02d", b"ab", True),
        (b"\x02\x02", b"\x02", False),
        (b"\x02x", b"\x02x", False),
        (b"\x02\x11", b"", True),
        (b"\x1b[113;5u", b"", True),
        (b"\x1b[98;5ud", b"", True),
        (b"\x1b[27;5;113~", b"", True),
        (b"\x1b[A", b"\x1b[A", False),
        (b"\x1b[200~a\x11b\x02d\x1b[201~c", b"\x1b[200~a\x11b\x02d\x1b[201~c", False),
        (b"\x1b[200~a\x1b[201~\x11", b"\x1b[200~a\x1b[201~", True),
    ],
)
def test_the_keys(typed: bytes, sent: bytes, detached: bool) -> None:
    assert DetachKeys().feed(typed) == (sent, detached)


def test_a_prefix_is_remembered_between_two_reads() -> None:
    keys = DetachKeys()
    assert keys.feed(b"x\x02") == (b"x", False)
    assert keys.feed(b"d") == (b"", True)


def test_a_paste_may_come_in_pieces() -> None:
    keys = DetachKeys()
    assert keys.feed(b"\x1b[200~a") == (b"\x1b[200~a", False)
    assert keys.feed(b"\x11") == (b"\x11", False)
    assert keys.feed(b"\x1b[201~") == (b"\x1b[201~", False)
    assert keys.feed(b"\x11") == (b"", True)


@given(st.binary(max_size=200).filter(lambda data: not set(data) & {0x02, 0x11, 0x1B}))
def test_everything_else_is_sent_unchanged(data: bytes) -> None:
    assert DetachKeys().feed(data) == (data, False)


@given(st.lists(st.binary(max_size=30), max_size=10), st.integers(1, 8))
def test_modes_are_the_same_however_the_output_is_cut(pieces: list[bytes], size: int) -> None:
    output = b"\x1b[?1049h".join(pieces)
    whole, cut = ScreenModes(), ScreenModes()
    whole.feed(output)
    for at in range(0, len(output), size):
        cut.feed(output[at : at + size])
    assert whole.undo() == cut.undo()


def test_the_alternate_screen_is_left_only_if_it_was_entered() -> None:
    modes = ScreenModes()
    assert b"1049l" not in modes.undo()
    modes.feed(b"\x1b[?1049h")
    assert b"\x1b[?1049l" in modes.undo()
    modes.feed(b"\x1b[?1049l")
    assert b"1049l" not in modes.undo()
    modes.feed(b"\x1b[>1u")
    assert b"\x1b[<u" in modes.undo()
    modes.feed(b"\x1bc")
    assert b"\x1b[<u" not in modes.undo()
