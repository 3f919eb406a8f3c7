"""Cutting a stream into whole lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.observe.lines import Block, LineCutter

pytestmark = pytest.mark.fast


def lines_of(blocks: list[Block]) -> list[tuple[int, bytes]]:
    found = []
    for block in blocks:
        at = block.offset
        for line in block.data.split(b"\n")[:-1]:
            found.append((at, line))
            at += len(line) + 1
    return found


def cut_up(data: bytes, places: list[int]) -> list[bytes]:
    places = sorted(min(place, len(data)) for place in places)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_lines_and_offsets_do_not_depend_on_the_cuts(data: bytes, places: list[int]) -> None:
    cutter = LineCutter(1_000)
    blocks = [block for piece in cut_up(data, places) for block in cutter.feed(piece)]
    blocks += cutter.finish()
    whole = data.replace(b"\r", b"\n")
    expected, at = [], 0
    for line in whole.split(b"\n"):
        if at + len(line) < len(whole) or line:
            expected.append((at, line))
        at += len(line) + 1
    assert lines_of(blocks) == expected


@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(0, 500), max_size=10))
def test_a_long_line_keeps_its_beginning_and_the_rest_is_unharmed(lines: list[bytes], places: list[int]) -> None:
    lines = [line.replace(b"\r", b"x").replace(b"\n", b"y") for line in lines]
    data = b"".join(line + b"\n" for line in lines)
    cutter = LineCutter(20)
    blocks = [block for piece in cut_up(data, places) for block in cutter.feed(piece)]
    assert len(cutter.partial) <= 20
    found = [line for _, line in lines_of(blocks)]
    assert [line[:20] for line in found] == [line[:20] for line in lines]


def test_a_hundred_megabyte_line_stays_within_the_limit() -> None:
    cutter = LineCutter(1_000)
    for _ in range(100):
        assert cutter.feed(b"x" * (1 << 20)) == []
    assert len(cutter.partial) == 1_000
    assert cutter.cut
    (block, after) = cutter.feed(b"end\nnext\n")
    assert (block.cut, len(block.data)) == (True, 1_001)
    assert after == Block(100 * (1 << 20) + 4, b"next\n")


def test_a_carriage_return_ends_a_line() -> None:
    (block,) = LineCutter(100).feed(b"10%\r20%\r")
    assert block.data == b"10%\n20%\n"


def test_after_a_restart_the_rest_of_a_cut_line_is_thrown_away() -> None:
    cutter = LineCutter(100, offset=500, cut=True)
    assert cutter.feed(b"rest of it") == []
    assert cutter.finish() == []
    assert cutter.feed(b" still\nnext\n") == [Block(517, b"next\n")]


def test_the_partial_line_can_be_dropped() -> None:
    cutter = LineCutter(100)
    cutter.feed(b"half a li")
    cutter.restart(0)
    assert cutter.partial == b""
    assert cutter.feed(b"new\n") == [Block(0, b"new\n")]
    assert cutter.feed(b"") == []
