"""A terminal that is attached shows no secret, and every cell stays where it was."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logist_core.cli.masking import Mask, MaskedChannel
from logist_core.protocols import AttachEvent

SECRET = "sk-abcäc-sk-ab"

pytestmark = pytest.mark.fast

texts = st.lists(st.sampled_from(["sk", "-", "abc", SECRET, SECRET[:6], "plain ", "\x1b[1m"]), max_size=8).map("".join)


def shown(mask: Mask, data: bytes, cuts: list[int]) -> bytes:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(places)]
    return b"".join([*map(mask.feed, pieces), mask.feed(b"", last=True)])


@given(texts, st.lists(st.integers(0, 60), max_size=6))
@example(SECRET, [1])
@example(SECRET, [3, 7])
def test_however_output_is_cut_no_secret_is_shown_and_no_cell_moves(text: str, cuts: list[int]) -> None:
    out = shown(Mask([SECRET]), text.encode(), cuts)
    assert SECRET.encode() not in out
    assert len(out.decode(errors="ignore")) == len(text)


@given(st.binary(max_size=80), st.lists(st.integers(0, 60), max_size=6))
def test_without_secrets_every_byte_is_shown_at_once(data: bytes, cuts: list[int]) -> None:
    assert Mask(["abc"]).feed(data) == data
    assert shown(Mask([SECRET]), data, cuts) == data


def test_what_is_typed_is_shown_at_once_until_it_looks_like_a_secret() -> None:
    mask = Mask([SECRET])
    assert [mask.feed(SECRET[n : n + 1].encode()) for n in range(5)] == [b"s", b"k", b"-", b"", b""]
    assert mask.feed(b"x") == b"abx"


class Scripted:
    """A channel that says what the test gives it."""

    def __init__(self, *events: AttachEvent) -> None:
        self.events = list(events)
        self.calls: list[object] = []

    def fileno(self) -> int:
        return 7

    def receive(self) -> list[AttachEvent]:
        events, self.events = self.events, []
        return events

    def send(self, data: bytes) -> None:
        self.calls.append(data)

    def resize(self, cols: int, rows: int) -> None:
        self.calls.append((cols, rows))

    def close(self) -> None:
        self.calls.append("close")


def test_what_was_held_back_is_shown_before_the_end() -> None:
    channel = MaskedChannel(Scripted(AttachEvent(kind="output", data=b"a sk-a"), AttachEvent(kind="exit")), [SECRET])
    events = channel.receive()
    assert [event.kind for event in events] == ["output", "output", "exit"]
    assert b"".join(event.data for event in events) == b"a sk-a"


def test_a_screen_that_is_drawn_anew_does_not_continue_the_old_one() -> None:
    screen = AttachEvent(kind="screen", data=f"new {SECRET}".encode())
    channel = MaskedChannel(Scripted(AttachEvent(kind="output", data=b"old sk-ab"), screen), [SECRET])
    assert [event.data for event in channel.receive()] == [b"old ", b"new **************"]


def test_all_else_goes_to_the_channel_behind_it() -> None:
    behind = Scripted()
    channel = MaskedChannel(behind, [SECRET])
    channel.send(b"x")
    channel.resize(80, 24)
    channel.close()
    assert behind.calls == [b"x", (80, 24), "close"]
    assert channel.fileno() == 7
