"""The journal keeps what was acknowledged, whatever is cut off, and says so when it is damaged."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logist_core.errors import CorruptRecord, LogistError, NewerVersion
from logist_core.jobs import journal
from logist_core.jobs.checksum import seal, unseal
from logist_core.jobs.journal import append, clean, encode, encode_group, read, scan
from logist_core.testing.histories import texts
from logist_core.types.job import JobEvent, Lifecycle
from logist_core.types.signals import Activity

pytestmark = pytest.mark.fast

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
data_objects = st.dictionaries(texts, json_values, max_size=4)


def event(seq: int, data: dict[str, Any] | None = None, kind: str = "input.sent") -> JobEvent:
    return JobEvent(seq=seq, at=1.5, boot_s=2.5, boot_id="b", writer="cli:1", kind=kind, data=data or {})


def three_events() -> list[JobEvent]:
    return [event(1), event(2, {"text": "a\nb"}), event(3)]


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@given(st.lists(st.tuples(data_objects, texts, texts), max_size=5))
@example([({"t": '\ud800\0\u2028\x85\r\n"}'}, "\udfff", ',"crc":"00000000"}')])
def test_every_event_comes_back_as_it_was_written(content: list[tuple[dict[str, Any], str, str]]) -> None:
    events = [
        JobEvent(seq=n, at=0.1, boot_s=1e9, boot_id="b", writer=writer, kind=kind, data=data)
        for n, (data, writer, kind) in enumerate(content, start=1)
    ]
    data = b"".join(encode(one) for one in events)
    found = scan(data, "events.log")
    assert (found.events, found.good_bytes, found.problem) == (events, len(data), None)
    assert data.count(b"\n") == len(events)
    assert data.isascii()


def test_a_line_is_a_json_object_for_any_other_program() -> None:
    record = json.loads(encode(event(1, {"a": [1, None]}), more=2))
    assert record["v"] == 1
    assert (record["seq"], record["kind"], record["data"], record["more"]) == (1, "input.sent", {"a": [1, None]}, 2)


@given(st.integers(0, 2_000))
def test_a_torn_tail_at_any_byte_hides_only_what_it_tears(cut: int) -> None:
    lines = [encode(one) for one in three_events()]
    data = b"".join(lines)[:cut]
    whole = sum(1 for n in (1, 2, 3) if len(b"".join(lines[:n])) <= len(data))
    found = scan(data, "events.log")
    assert found.problem is None
    assert found.events == three_events()[:whole]
    assert found.good_bytes == len(b"".join(lines[:whole]))
    assert found.size == len(data)


@given(st.integers(0, 2_000))
def test_a_group_of_events_counts_as_a_whole_or_not_at_all(cut: int) -> None:
    first, group = encode(event(1)), encode_group([event(2), event(3), event(4)])
    data = (first + group)[: len(first) + cut]
    found = scan(data, "events.log")
    assert found.problem is None
    assert [one.seq for one in found.events] == ([1, 2, 3, 4] if cut >= len(group) else [1])


@settings(max_examples=60)
@given(cut=st.integers(1, 400), tail=st.binary(max_size=30))
def test_the_next_append_cuts_a_torn_tail_off_and_joins_nothing_to_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "events.log"
    good = encode(event(1))
    torn = encode(event(2, {"x": "y" * 100}))[:cut]
    name = write(path, good + (torn if not torn.endswith(b"\n") else torn[:-1]) + tail.replace(b"\n", b""))
    before = read(name)
    size = append(name, [event(before.events[-1].seq + 1, {"new": True})], good_bytes=before.good_bytes)
    after = read(name)
    assert after.problem is None
    assert after.good_bytes == after.size == size == path.stat().st_size
    assert after.events == [*before.events, event(before.events[-1].seq + 1, {"new": True})]


def test_whole_lines_in_a_torn_tail_are_kept_beside_the_journal(tmp_path: Path) -> None:
    bad = encode(event(2)).replace(b"input", b"imput")
    name = write(tmp_path / "events.log", encode(event(1)) + bad)
    append(name, [event(2)], good_bytes=read(name).good_bytes)
    assert (tmp_path / "events.log.torn").read_bytes() == bad
    assert stat.S_IMODE((tmp_path / "events.log.torn").stat().st_mode) == 0o600


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_before_a_good_line_is_a_corrupt_record_that_names_file_and_line(where: int, flip: int) -> None:
    lines = [encode(one) for one in three_events()]
    data = bytearray(b"".join(lines))
    where %= len(lines[0]) + len(lines[1]) - 1
    data[where] ^= flip
    found = scan(bytes(data), "jobs/x/events.log")
    number = 1 if where < len(lines[0]) else 2
    # A flip can make the version digit a greater one; what it must never do is go unnoticed.
    if not isinstance(found.problem, NewerVersion):
        assert isinstance(found.problem, CorruptRecord)
        assert f"jobs/x/events.log, line {number}" in found.problem.message
    assert found.events == three_events()[: number - 1]
    assert found.good_bytes == len(b"".join(lines[: number - 1]))


def test_a_corrupt_line_in_the_middle_is_left_alone_by_reading(tmp_path: Path) -> None:
    data = encode(event(1)) + b"garbage\n" + encode(event(3))
    name = write(tmp_path / "events.log", data)
    found = read(name)
    assert found.events == [event(1)]
    assert "line 2: its checksum is wrong" in str(found.problem)
    assert (tmp_path / "events.log").read_bytes() == data


@pytest.mark.parametrize(
    "lines",
    [
        [event(1), event(3)],
        [event(2)],
        [event(1), event(1)],
    ],
    ids=["gap", "late start", "twice"],
)
def test_events_that_are_out_of_sequence_are_corrupt(lines: list[JobEvent]) -> None:
    found = scan(b"".join(encode(one) for one in lines), "events.log")
    assert isinstance(found.problem, CorruptRecord)
    assert "should" in found.problem.message


def test_a_group_that_is_broken_off_in_the_middle_of_the_file_is_corrupt() -> None:
    found = scan(encode(event(1), more=1) + encode(event(2), more=3), "events.log")
    assert isinstance(found.problem, CorruptRecord)
    assert found.events == []


@pytest.mark.parametrize(
    "change",
    [
        {"seq": "1"},
        {"seq": True},
        {"at": "now"},
        {"boot_s": None},
        {"boot_id": 1},
        {"writer": None},
        {"kind": 7},
        {"data": []},
        {"more": -1},
        {"more": "2"},
    ],
    ids=str,
)
def test_a_line_of_the_wrong_shape_is_bad_even_with_a_good_checksum(change: dict[str, Any]) -> None:
    record = {**json.loads(encode(event(1))), **change}
    del record["crc"]
    line = seal(json.dumps(record).encode())
    found = scan(line + encode(event(2)), "events.log")
    assert isinstance(found.problem, CorruptRecord)


@pytest.mark.parametrize(
    "body",
    [b"[1]", b"{}", b'{"v":1}', b'{"v":1,"seq":}', b'"text"', b'{"v":1,"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}"],
    ids=range(6),
)
def test_a_sealed_line_that_is_no_event_is_bad(body: bytes) -> None:
    found = scan(seal(body) + encode(event(2)), "events.log")
    assert isinstance(found.problem, CorruptRecord)


@pytest.mark.parametrize(
    "tail", [b'{"v":2,"seq":2,"x":1}\n', b'{"v":2,', b'{"v":17,"anything', b'{"v":2,"a":1}\n{"v":1']
)
def test_a_line_of_a_newer_version_is_refused_and_never_taken_for_a_torn_one(tail: bytes) -> None:
    found = scan(encode(event(1)) + tail, "events.log")
    assert isinstance(found.problem, NewerVersion)
    assert "newer version" in found.problem.message
    assert found.events == [event(1)]


def test_a_newer_line_behind_a_bad_one_is_not_cut_off_either() -> None:
    found = scan(encode(event(1)) + b'bad\n{"v":2,"seq":3}\n', "events.log")
    assert isinstance(found.problem, NewerVersion)


def test_a_cut_version_number_is_only_a_torn_tail() -> None:
    assert scan(encode(event(1)) + b'{"v":', "events.log").problem is None


def test_a_follower_reads_on_from_an_offset() -> None:
    first = encode(event(1))
    found = scan(encode(event(2)), "events.log", after_seq=1, offset=len(first))
    assert found.events == [event(2)]
    assert found.good_bytes == len(first) + len(encode(event(2)))


def test_a_missing_journal_is_a_corrupt_record(tmp_path: Path) -> None:
    with pytest.raises(CorruptRecord, match="missing"):
        read(str(tmp_path / "events.log"))


def test_a_journal_that_has_lost_its_end_is_not_written_to(tmp_path: Path) -> None:
    name = write(tmp_path / "events.log", encode(event(1)))
    with pytest.raises(CorruptRecord, match="lost its end"):
        append(name, [event(2)], good_bytes=10_000)
    assert read(name).events == [event(1)]


def test_appending_to_a_missing_journal_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(LogistError, match=r"events\.log: No such file"):
        append(str(tmp_path / "events.log"), [event(1)], good_bytes=0)


def test_appending_waits_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(tmp_path / "events.log", b"")
    synced: list[int] = []
    monkeypatch.setattr(journal, "sync_data", lambda fd: synced.append(os.fstat(fd).st_size))
    size = append(name, three_events(), good_bytes=0)
    assert synced == [size]


@given(data_objects)
def test_cleaning_changes_nothing_that_json_can_say(data: dict[str, Any]) -> None:
    assert clean(data) == data
    assert scan(encode(event(1, clean(data))), "x").events[0].data == data


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_become_unknown(number: float) -> None:
    assert clean({"a": number, "b": [{"c": number}, 1.5], "d": 2}) == {"a": None, "b": [{"c": None}, 1.5], "d": 2}


def test_records_become_plain_json() -> None:
    data = clean(
        {"activity": Activity(state="working"), "lifecycle": Lifecycle.LOST, "pids": (1, 2), "set": {"b", "a"}}
    )
    assert data["activity"]["state"] == "working"
    assert (data["lifecycle"], data["pids"], data["set"]) == ("lost", [1, 2], ["a", "b"])


@given(st.binary(min_size=1, max_size=50).filter(lambda body: b"\n" not in body))
def test_a_sealed_object_comes_back_and_any_cut_is_noticed(body: bytes) -> None:
    body = b'{"a":' + body + b"}"
    line = seal(body)
    assert line.endswith(b"\n")
    assert unseal(line[:-1]) == body
    assert all(unseal(line[:cut]) is None for cut in range(len(line) - 1))
