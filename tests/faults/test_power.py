"""Cases 12 and 13: after a power cut, what was not forced to disk may be there, empty or absent; nothing runs twice.

A start is recorded operation by operation. For each moment at which the power may fail, every state of the directory
that a file system may legally give back is built, under another boot's id, and recovery is asked.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from logist_runtime_host.files import handle_of

from faults.harness.bench import CODE, JOB, LINES, Bench, Case, Plan
from logist_core.api import KILL_NOW, AttemptKey, ProbeState

#: In the order of their making. A record is safe once its file *and then* the directory were forced to disk.
RECORDS = ("launch.json", "shim.json", "child.json", "exit.json", "done.json")


@pytest.fixture
def recorded() -> Iterator[tuple[Bench, Case]]:
    with Bench() as bench:
        case = bench.case(Plan(role="keeper"))  # nothing is done to it, but all is recorded
        case.start(JOB.format(lines=LINES, code=CODE, middle=""))
        assert case.wait().exit.code == CODE  # type: ignore[union-attr]
        yield bench, case


def moments(trace: list[str]) -> list[tuple[str, set[str], set[str], bool]]:
    """Return for each operation: name, records safe before it, records that may be there, whether it may have run."""
    placed, flushed, safe = {"launch.json"}, set[str](), set[str]()
    ran, found = False, []
    for point in trace:
        found.append((point, set(safe), set(placed), ran))
        kind, _, name = point.partition(" ")
        if kind == "fsync" and name.endswith("~"):
            flushed.add(name.removesuffix("~"))
        elif kind in ("link", "rename"):
            placed.add(name)
        elif point == "fsync attempt":
            safe |= placed & flushed
        elif point == "write pipe":
            ran = True  # the gate is open
    return found


def test_case_12_after_no_power_cut_is_a_run_forgotten(recorded: tuple[Bench, Case], tmp_path: Path) -> None:
    bench, case = recorded
    contents = {name: (case.directory / name).read_bytes() for name in RECORDS}
    elsewhere = b"00000000-0000-4000-8000-000000000000"
    here = json.loads(contents["launch.json"])["boot_id"].encode()
    seen = 0
    built: set[tuple[object, ...]] = set()
    for point, safe, placed, ran in moments(case.trace()):
        open_names = sorted(placed - safe)
        for fate in itertools.product(("whole", "empty", "absent"), repeat=len(open_names)):
            state = (frozenset(safe), tuple(zip(open_names, fate, strict=True)), ran)
            if state in built:
                continue
            built.add(state)
            seen += 1
            directory = tmp_path / f"s{seen}"
            directory.mkdir(mode=0o700)
            for name in safe:
                (directory / name).write_bytes(contents[name].replace(here, elsewhere))
            for name, how in zip(open_names, fate, strict=True):
                if how != "absent":
                    whole = contents[name].replace(here, elsewhere)
                    (directory / name).write_bytes(whole if how == "whole" else b"")
            before = sorted(path.name for path in directory.iterdir())
            handle = bench.runtime.find(case.key, str(directory))
            if handle is None:
                assert not ran, (point, before)  # it would be started again
                continue
            answers = [bench.runtime.probe(handle) for _ in range(2)]
            assert answers[0] == answers[1]
            expected = {ProbeState.GONE}
            if "exit.json" in before:
                expected = {ProbeState.EXITED, ProbeState.GONE} - ({ProbeState.GONE} if "exit.json" in safe else set())
            assert answers[0].state in expected, (point, before, answers[0])
            if answers[0].exit is not None:
                assert answers[0].exit.code == CODE
    assert seen > 20


def test_case_13_after_a_reboot_a_record_that_was_never_forced_to_disk_is_not_missed(
    bench_free: Bench, tmp_path: Path
) -> None:
    case = bench_free.case()
    case.start("sleep 60")
    child = json.loads((case.directory / "child.json").read_bytes())
    directory = tmp_path / "attempt"
    directory.mkdir(mode=0o700)
    (directory / "launch.json").write_bytes(b"")  # made, and not on disk when the power went
    (directory / "child.json").write_text(json.dumps({**child, "boot_id": "another boot"}))
    answer = bench_free.runtime.probe(handle_of(case.key, str(directory)))
    assert (answer.state, answer.conditions) == (ProbeState.GONE, ("rebooted",))
    stranger = handle_of(AttemptKey("job0", 1, secrets.token_hex(16)), str(directory))
    assert bench_free.runtime.probe(stranger).state is ProbeState.UNKNOWN
    case.runtime.stop(case.handle, KILL_NOW)  # type: ignore[arg-type]


@pytest.fixture
def bench_free() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench
