"""Recordings: played with their bytes, times and end; refused by line where they are wrong."""

from __future__ import annotations

import base64
import json
import signal
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_agent_mock.replay import MAX_LINE_CHARACTERS, check_replay

from logist_core.api import UsageError


@pytest.fixture
def recording(mock):
    """Return what writes a recording into the job's directory and gives the settings that play it."""

    def write(*records, **settings):
        (mock.cwd / "it.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return {"replay": "it.jsonl", **settings}

    return write


def test_a_recording_is_played_byte_by_byte(mock, recording):
    raw = bytes(range(256))
    run = mock.run(
        recording(
            {"t": 0, "stream": "out", "data": "w\u00f6rk\x1b[1m"},
            {"t": 0.01, "stream": "err", "data": "oops\n"},
            {"t": 0.02, "stream": "out", "base64": base64.b64encode(raw).decode()},
        )
    )
    assert (run.out, run.err, run.code) == ("w\u00f6rk\x1b[1m".encode() + raw, b"oops\n", 0)


def test_a_recording_ends_as_it_says(mock, recording):
    assert mock.run(recording({"t": 0, "exit": 41})).code == 41
    assert mock.run(recording({"t": 0, "signal": "KILL"})).signal == signal.SIGKILL


def test_a_recording_keeps_its_times_divided_by_the_speed(mock, recording):
    records = [{"t": 0, "stream": "out", "data": "a"}, {"t": 4, "stream": "out", "data": "b"}]
    started = time.monotonic()
    mock.run(recording(*records, speed=8.0))
    assert time.monotonic() - started >= 0.5
    started = time.monotonic()
    mock.run(recording(*records, speed=0.0))
    assert time.monotonic() - started < 3.5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
        ('{"stream": "out", "data": "a"}', "needs `t`: a number of seconds, not less than the 1 before it"),
        ('{"t": 0.5, "stream": "out", "data": "a"}', "needs `t`: a number of seconds, not less than the 1 before it"),
        ('{"t": NaN, "stream": "out", "data": "a"}', "needs `t`: a number of seconds, not less than the 1 before it"),
        ('{"t": true, "stream": "out", "data": "a"}', "needs `t`: a number of seconds, not less than the 1 before it"),
        ('{"t": 2, "data": "a"}', 'needs a `stream` that is "out" or "err"'),
        ('{"t": 2, "stream": "out"}', "needs `data`: a string"),
        ('{"t": 2, "stream": "out", "base64": "%"}', "has a `base64` that is none"),
        ('{"t": 2, "stream": "out", "base64": 1}', "has a `base64` that is none"),
        ('{"t": 2, "exit": 256}', "needs an `exit` from 0 to 255"),
        ('{"t": 2, "signal": "CHLD"}', "needs a `signal` that is one of ABRT"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / "wrong.jsonl"
    path.write_text('{"t": 1, "stream": "out", "data": "a"}\n' + line + "\n")
    with pytest.raises(UsageError) as caught:
        check_replay(path)
    assert caught.value.message.startswith(f"{path}: line 2 {message}")


def test_nothing_stands_after_the_end(tmp_path):
    path = tmp_path / "wrong.jsonl"
    path.write_text('{"t": 1, "exit": 0}\n{"t": 2, "exit": 0}\n')
    with pytest.raises(UsageError, match="line 2 stands after the line that ends the recording"):
        check_replay(path)


def test_files_that_are_no_recordings_are_refused(tmp_path):
    path = tmp_path / "wrong.jsonl"
    with pytest.raises(UsageError, match="can't read the recording"):
        check_replay(path)
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="the recording is empty"):
        check_replay(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        check_replay(path)
    path.write_text("x" * (MAX_LINE_CHARACTERS + 1))
    with pytest.raises(UsageError, match="line 1 is longer than"):
        check_replay(path)


record = st.dictionaries(
    st.sampled_from(["t", "stream", "data", "base64", "exit", "signal"]),
    st.none() | st.integers() | st.floats() | st.sampled_from(["out", "err", "YQ==", "TERM"]) | st.text(max_size=4),
)


@given(st.lists(record.map(json.dumps) | st.text(max_size=10), max_size=4))
def test_any_file_is_a_recording_or_a_usage_error(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("replay") / "it.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    try:
        check_replay(path)
    except UsageError as error:
        assert error.message


def test_the_recording_in_the_readme_is_one(tmp_path):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = [part for part in readme.split("\n\n") if part.startswith('    {"t"')]
    path = tmp_path / "it.jsonl"
    path.write_text(textwrap.dedent(block))
    check_replay(path)
