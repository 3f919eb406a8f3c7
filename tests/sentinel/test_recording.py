from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.api import Action, Activity, Level, Observation, OpenTool, Verdict, Vitals
from logist_core.sentinel import recording
from logist_core.sentinel.recording import Begin, Look, Read, Recorder, recorded

pytestmark = pytest.mark.fast

times = st.floats(0, 1e9, allow_nan=False)
counts = st.integers(0, 2**50)
seen = st.builds(
    Observation,
    now_s=times,
    wall=times,
    activity=st.builds(Activity, state=st.sampled_from(["working", "unknown"]), since=st.none() | times),
    output_bytes=counts,
    progress=counts,
    open_tools=st.lists(st.builds(OpenTool, id=st.text(max_size=9), name=st.none(), since_s=times), max_size=2).map(
        tuple
    ),
    vitals=st.none() | st.builds(Vitals, cpu_s=st.none() | times, tree=st.none() | st.text(max_size=5)),
    remedies=st.none() | st.lists(st.sampled_from(Action), max_size=3).map(tuple),
)
said = st.builds(
    Verdict,
    level=st.sampled_from(Level),
    cause=st.text(max_size=9),
    evidence=st.lists(st.text(max_size=30), max_size=2).map(tuple),
    action=st.sampled_from(Action),
    look_again_s=st.none() | times,
)
looks = st.lists(st.tuples(seen, said, st.booleans()), max_size=8)


@given(looks, st.integers(200, 5_000))
def test_what_was_recorded_is_read_back_exactly_as_far_as_it_was_kept(
    made: list[tuple[Observation, Verdict, bool]], segment_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "SEGMENT_BYTES", segment_bytes)
        recorder = Recorder(directory, lambda: {"memory": 1})
        recorder.begin()
        for observation, verdict, done in made:
            recorder.look(observation, verdict, carried_out=done)
        recorder.flush()
        entries = list(recorded(directory))
        kept = [entry for entry in entries if isinstance(entry, Look)]
        assert kept == [Look(*look) for look in made][len(made) - len(kept) :]
        assert isinstance(entries[0], Begin)
        assert all(entry.state == {"memory": 1} for entry in entries if isinstance(entry, Begin))
        size = sum(path.stat().st_size for path in Path(directory).iterdir())
        assert size <= 2 * (segment_bytes + 8_000)


@given(looks, st.integers(0, 400))
def test_a_torn_end_costs_no_more_than_what_was_torn_and_the_next_begin_is_read(
    made: list[tuple[Observation, Verdict, bool]], torn_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        first = Recorder(directory, lambda: {})
        first.begin()
        for observation, verdict, done in made:
            first.look(observation, verdict, carried_out=done)
        first.flush()
        path = Path(directory, recording.FILE)
        path.write_bytes(path.read_bytes()[: max(path.stat().st_size - torn_bytes, 0)])
        second = Recorder(directory, lambda: {"again": 1})
        second.begin()
        second.read(5.0, 10, 20)
        second.look(Observation(now_s=1.0, wall=2.0), Verdict(level=Level.QUIET))
        second.flush()
        entries = list(recorded(directory))
        kept = [entry for entry in entries if isinstance(entry, Look)]
        assert kept[:-1] == [Look(*look) for look in made][: len(kept) - 1]
        assert entries[-3:-1] == [Begin({"again": 1}, first=False), Read(5.0, 10, 20)] or not made


@given(st.binary(max_size=300))
def test_no_file_makes_reading_fail(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, recording.FILE).write_bytes(
            data + b'\n["look",{},null,1]\n["begin",{"schema":1}]\n["look",{},null,1]'
        )
        assert not [entry for entry in recorded(directory) if isinstance(entry, Look)]


def test_a_disk_that_is_full_costs_the_record_and_nothing_else(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "missing", lambda: {})
    recorder.begin()
    recorder.look(Observation(now_s=1.0, wall=2.0), Verdict(level=Level.QUIET))
    recorder.flush()
    (tmp_path / "missing").mkdir()
    recorder.look(Observation(now_s=3.0, wall=4.0), Verdict(level=Level.QUIET))
    recorder.flush()
    (look,) = [entry for entry in recorded(tmp_path / "missing") if isinstance(entry, Look)]
    assert look.seen.now_s == 3.0
