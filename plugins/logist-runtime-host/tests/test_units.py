"""The pure parts: frames, the ladder, screens."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_runtime_host import keeper, screen
from logist_runtime_host.plugin import logist_runtimes

pytestmark = pytest.mark.fast

frames = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=8)


@given(frames, st.data())
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(keeper.frame(kind, payload) for kind, payload in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser = keeper.Frames()
    received = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += parser.feed(stream[begin:end])
    assert received == sent


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    parser = keeper.Frames()
    try:
        for kind, payload in parser.feed(data):
            assert 0 <= kind <= 255
            assert len(payload) <= keeper.MAX_FRAME
    except keeper.FrameError:
        pass


@given(st.binary(max_size=200))
def test_any_payload_gives_an_object(data: bytes) -> None:
    assert isinstance(keeper.json_object(data), dict)


@given(st.binary(max_size=2000), st.booleans())
def test_a_restored_screen_never_asks_the_terminal_anything(noise: bytes, cut: bool) -> None:
    questions = b"\x1b[c\x1b[>c\x1b[6n\x1b[?6n\x1b]10;?\x07\x1b]11;?\x1b\\\x1b]52;c;aGk=\x07\x1bP$qm\x1b\\"
    questions += b"\x1b[21t\x1b[?2004$p\x1b[>q\x05\x1b[?u\x1b\x05[c\x1b[\n6n\x1b\x1b[c[c\xc2\x9b6n\x1b\n]52;c;aGk=\x07"
    shown = screen.restore(noise + b"\x18" + questions + b"text", cut=cut)
    bare = bytes(byte for byte in shown if byte >= 0x20 or byte in (0x1B, 0x07))
    assert not screen._UNSAFE.search(bare)
    assert b"\xc2\x9b" not in shown
    assert b"text" in shown


def test_questions_nested_in_one_another_are_all_taken_out() -> None:
    nested = b"\x1b[6n"
    for _ in range(200):
        nested = b"\x1b" + nested + b"[6n"
    assert b"\x1b[6n" not in screen.defuse(nested)


@given(st.binary(max_size=500))
def test_plain_text_holds_no_escape_but_colours(data: bytes) -> None:
    import re

    text = screen.plain(data)
    assert not re.search(rb"\x1b(?!\[[\d;:]*m)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]", text)


@pytest.mark.parametrize(
    ("log", "shown", "hidden"),
    [
        (b"old\x1b[2Jnew", b"new", b"old"),
        (b"shell\x1b[?1049hvim", b"\x1b[?1049hvim", b"shell"),
        (b"shell\x1b[?1049hvim\x1b[?1049lprompt", b"shell\x1b[?1049hvim\x1b[?1049lprompt", b"\0"),
        (b"a\x1b[?1049hx\x1b[2Jy", b"\x1b[?1049h\x1b[H\x1b[2J\x1b[2Jy", b"x"),
        (b"a\x1b[?1049hx\x1b[?1049lb\x1b[2Jc", b"\x1b[2Jc", b"b\x1b"),
        (b"a\x1bcb", b"b", b"a"),
    ],
)
def test_the_replay_begins_where_the_screen_was_last_empty(log: bytes, shown: bytes, hidden: bytes) -> None:
    restored = screen.restore(log, cut=False)
    assert shown in restored
    assert hidden not in restored.replace(screen._RESET, b"")


def test_modes_set_long_ago_are_set_again() -> None:
    restored = screen.restore(b"tail", cut=True, earlier=b"\x1b[?2004h\x1b[?1000h\x1b[?1000l\x1b[?25l\x1b=\x1b[?1049h")
    for mode in (b"\x1b[?2004h", b"\x1b[?1000l", b"\x1b[?25l", b"\x1b=", b"\x1b[?1049h"):
        assert mode in restored


@pytest.mark.parametrize(
    "answer", [b"\x1b[?62;22c", b"\x1b[24;80R", b"\x1b]11;rgb:0/0/0\x07", b"\x1b[I", b"\x1bP1$r0m\x1b\\"]
)
def test_what_terminals_say_by_themselves_is_known(answer: bytes) -> None:
    assert screen.is_answer(answer)
    assert screen.is_answer(answer * 2)
    assert not screen.is_answer(answer + b"x")


def test_a_ladder_is_climbed_step_by_step_and_ends_with_the_kill() -> None:
    ladder = keeper.Ladder()
    assert (ladder.wait_s(), ladder.due()) == (None, None)
    ladder.load(keeper.cancel_record([{"signal": "INT", "grace_s": 0.0}, {"signal": "TERM", "grace_s": 60.0}], "test"))
    assert ladder.due() == {"signal": "INT", "grace_s": 0.0}
    assert ladder.due() == {"signal": "TERM", "grace_s": 60.0}
    assert ladder.due() is None
    assert 59 < ladder.wait_s() <= 60
    ladder.skip_wait()
    assert ladder.due() == {}
    assert ladder.due() == {}


def test_a_ladder_of_another_boot_or_of_no_shape_is_none() -> None:
    ladder = keeper.Ladder()
    for record in (None, {}, {"boot_id": "other", "steps": []}, {"boot_id": keeper.SYSTEM.boot_id(), "steps": 7}):
        ladder.load(record)
        assert not ladder.active


def test_a_successor_does_not_repeat_the_step_it_finds_taken() -> None:
    record = keeper.cancel_record([{"signal": "INT", "grace_s": 100.0}, {"signal": "TERM", "grace_s": 60.0}], "test")
    record["started_boot_s"] -= 50
    ladder = keeper.Ladder()
    ladder.load(record)
    assert ladder.due() is None
    assert 40 < ladder.wait_s() <= 50


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), min_size=1, max_size=5))
def test_a_record_is_read_as_it_was_written_and_the_first_one_stays(value: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as path:
        fd = os.open(path, os.O_DIRECTORY)
        try:
            assert keeper.write_record(fd, "a.json", value, durable=False, replace=False)
            assert not keeper.write_record(fd, "a.json", {"other": 1}, durable=True, replace=False)
            assert keeper.read_record(fd, "a.json") == value
            assert os.listdir(path) == ["a.json"]
        finally:
            os.close(fd)


def test_the_plugin_offers_the_host_runtime() -> None:
    (record,) = logist_runtimes()
    assert record.name == "host"
    runtime = record.factory({"cgroup": "off"})
    assert runtime.caps.pty


alphabet = st.sampled_from('ab-\n"')
secret_words = st.lists(st.text(alphabet, min_size=4, max_size=9), min_size=1, max_size=3)


@given(secret_words, st.lists(st.text(alphabet, max_size=12), max_size=12), st.data())
def test_no_secret_comes_out_however_the_stream_is_cut_and_paused(
    words: list[str], pieces: list[str], data: st.DataObject
) -> None:
    redactor = keeper.Redactor(words)
    text, out = b"", b""
    for piece in [*pieces, data.draw(st.sampled_from(words))]:
        for part in (piece[:3], piece[3:]):
            text += part.encode()
            out += redactor.feed(part.encode())
            if data.draw(st.booleans()):
                out += redactor.pause()
                assert not redactor.holds_back
                assert len(out) == len(text)
    out += redactor.pause()
    assert len(out) == len(text)
    assert not any(word.encode() in out for word in words)
    assert all(b in (a, ord("*")) for a, b in zip(text, out, strict=True))


@given(st.lists(st.binary(max_size=8), max_size=8))
def test_what_is_no_secret_comes_out_as_it_came(pieces: list[bytes]) -> None:
    redactor = keeper.Redactor(["sk-secret", "short", "yes"])
    out = b"".join(redactor.feed(piece) for piece in pieces) + redactor.pause()
    text = b"".join(pieces)
    assert out == text or b"shor" in text or b"sk-s" in text


def test_a_secret_inside_a_json_string_is_masked_as_well() -> None:
    redactor = keeper.Redactor(['quo"ted'])
    assert redactor.feed(b'{"key": "quo\\"ted"}') == b'{"key": "********"}'
