"""Cases 17 to 28: what an attempt left behind or hid is ended, or is named as a survivor."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from logist_runtime_host import keeper
from support.logist import Logist
from support.waiting import eventually

from faults.harness import oracle
from faults.harness.bench import Bench, Plan
from faults.harness.escapes import ESCAPES, can_limit_pids, survivors
from logist_core.api import KILL_NOW, ProbeState, StopLadder, StopStep

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


def polite(grace_s: float) -> StopLadder:
    return StopLadder(steps=(StopStep(signal="TERM", grace_s=grace_s),))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


def until_ready(case: object) -> None:
    deadline = time.monotonic() + 10
    while b"ready" not in (case.directory / "out.log").read_bytes():  # type: ignore[attr-defined]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("name", sorted(ESCAPES))
@pytest.mark.parametrize("method", ["cgroup", "freezer", "fixpoint"])
def test_cases_17_to_20_no_escape_succeeds_unreported(bench: Bench, method: str, name: str) -> None:
    if name.startswith("fork bomb") and not can_limit_pids():
        pytest.skip("nothing here limits the number of processes")
    root = {"cgroup": keeper.cgroup_root, "freezer": keeper.freezer_root}.get(method, lambda: "/")()
    if not os.access(root or "/none", os.W_OK):
        pytest.skip("this user may not make such cgroups")
    alive, reported = survivors(bench, name, cgroup={"cgroup": True, "freezer": "v1", "fixpoint": False}[method])
    if method in ("cgroup", "freezer"):
        assert alive == 0
    elif name == "pid-hopping chain":
        # Without a cgroup a chain can jump between any two looks. A kill that ends within its time has seen it dead.
        assert alive <= 1
    else:
        assert alive <= reported


def test_case_21_a_child_that_ignores_term_is_killed_when_its_grace_is_over(bench: Bench) -> None:
    case = bench.case()
    case.start(STUBBORN)
    until_ready(case)
    started = time.monotonic()
    answer = case.runtime.stop(case.handle, polite(1.5))
    assert answer.exit.signal == signal.SIGKILL
    assert 1.4 <= time.monotonic() - started <= 2.5


def test_case_23_twenty_stops_and_kills_at_once_agree(bench: Bench) -> None:
    case = bench.case()
    case.start(STUBBORN)
    until_ready(case)
    ladders = [KILL_NOW if n % 2 else polite(5.0) for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda ladder: case.runtime.stop(case.handle, ladder), ladders))
    assert {(a.state, a.exit.signal) for a in answers} == {(ProbeState.EXITED, signal.SIGKILL)}


def test_case_24_a_stop_that_meets_the_natural_end_tells_one_consistent_exit(bench: Bench) -> None:
    for number in range(40):
        case = bench.case()
        case.start(f"sleep 0.0{number % 4}; exit 7")
        time.sleep((number % 10) / 250)
        answer = case.runtime.stop(case.handle, polite(5.0))
        assert answer.state is ProbeState.EXITED
        assert (answer.exit.code, answer.exit.signal) in ((7, None), (None, signal.SIGTERM))
        assert case.probe().exit == answer.exit
    assert bench.canary.poll() is None


def test_case_22_a_handler_of_term_that_exits_with_0_is_cancelled_and_its_status_kept(logist: Logist) -> None:
    job = logist.shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    eventually(lambda: "ready" in logist("logs", job).stdout, what="its trap")
    logist("stop", job)
    status = logist.ended(job)
    assert (status["lifecycle"], status["exit"]) == ("cancelled", {"code": 0, "signal": None})


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP])
def test_case_25_a_stopped_tree_is_ended_all_the_same(bench: Bench, number: int) -> None:
    case = bench.case()
    case.start("sleep 61 & sleep 61 & wait")
    pids = oracle.alive(case.key.nonce)
    for pid in pids:
        os.kill(pid, number)
    answer = case.runtime.stop(case.handle, polite(2.0))
    assert answer.state is ProbeState.EXITED
    assert oracle.alive(case.key.nonce) == []


MEMORY = Path("/sys/fs/cgroup/memory")
HUNGRY = "import time; held = [bytearray(1 << 20) for _ in range(400)]; time.sleep(60)"


@pytest.mark.skipif(not os.access(MEMORY / "cgroup.procs", os.W_OK), reason="no memory cgroup (v1) can be made here")
def test_case_11_where_memory_runs_out_the_agent_dies_and_its_keeper_tells(bench: Bench) -> None:
    group = MEMORY / f"logist-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(96 << 20))
        case = bench.case()
        gate = case.root / "gate"
        os.mkfifo(gate)
        case.start(f"read x < {gate}; exec {sys.executable} -I -S -c '{HUNGRY}'")
        scores = {}
        for role, pid in {**case.roles(), "agent": case.probe().pid or 0}.items():
            if role in ("keeper", "pump", "agent"):
                (group / "cgroup.procs").write_text(str(pid))
                scores[role] = int(Path(f"/proc/{pid}/oom_score_adj").read_text())
        assert scores["agent"] == min(1000, scores["keeper"] + 300)
        gate.write_text("go\n")
        answer = case.wait(60.0)
        assert answer.state is ProbeState.EXITED
        assert answer.exit is not None
        assert (answer.exit.signal, answer.exit.source) == (signal.SIGKILL, "keeper")
    finally:
        eventually(lambda: gone(group), what="an empty cgroup")


def gone(group: Path) -> bool:
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def test_case_27_an_orphan_that_holds_a_lock_file_is_gone_in_five_seconds(bench: Bench) -> None:
    case = bench.case()
    lock = case.root / "build.lock"
    case.start(f"flock -n {lock} setsid sh -c 'trap \"\" TERM HUP; sleep 60; :' & sleep 0.3; echo ready; exit 3")
    until_ready(case)
    started = time.monotonic()
    while os.path.exists(lock) and keeper.is_locked(None, str(lock)) and time.monotonic() - started < 10:
        time.sleep(0.02)
    assert time.monotonic() - started < 5.0
    assert case.wait().exit.code == 3


@pytest.mark.parametrize("role", ["keeper", "pump"])
def test_case_28_a_stop_whose_bearer_dies_at_any_operation_is_carried_out(bench: Bench, role: str) -> None:
    # Counted from the operation that reads the wish; before that lies the start, which case 2 has.
    for at in range(1, 60):
        case = bench.case(Plan(role=role, at=at + (32 if role == "keeper" else 5)))
        case.start(STUBBORN)
        answer = case.runtime.stop(case.handle, polite(0.1))
        ended = answer.exit and answer.exit.signal  # TERM where it came before the shell had set its trap
        assert (answer.state, ended in (signal.SIGTERM, signal.SIGKILL)) == (ProbeState.EXITED, True), case.fired()
        if case.fired() is None:
            break
    assert at > 5
    deadline = time.monotonic() + 5.0  # the last pair is about to go
    while left := oracle.alive(str(bench.root / "c")):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
