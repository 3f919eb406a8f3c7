"""Cases 12 and 13: the power fails at any operation of a job's life, and the disk keeps only what was forced to it.

A whole life of a job is recorded: what its supervisor, keeper and pump do to the home. For each moment the states in
which the disk may legally be are built, under another boot's id, and recovery is asked. A job that may have run is
never started again; an exit that was safe is told, and none is made up.
"""

from __future__ import annotations

import json
import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.files import handle_of
from logist_runtime_host.serving import WRAPPER_VARIABLE

from faults.harness import faulty, power
from faults.harness.bench import CODE, Bench, Plan
from faults.harness.supervisors import Supervisors
from logist_core import platform
from logist_core.api import KILL_NOW, AttemptKey, ProbeState
from logist_core.jobs.store import JobStore
from logist_core.supervise.plugins import Plugins
from logist_core.supervise.reconcile import reconcile
from logist_core.supervise.submit import SubmitRequest, submit

#: Random mixtures of what was not safe, for each moment.
SAMPLES = 40 if os.environ.get("LOGIST_FAULTS") == "all" else 1


@pytest.fixture
def supervisors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisors]:
    monkeypatch.setenv(WRAPPER_VARIABLE, str(tmp_path / "wrapper.py"))
    with Supervisors() as supervisors:
        yield supervisors


@pytest.fixture
def life(supervisors: Supervisors, tmp_path: Path) -> tuple[str, power.Disk]:
    """Return a job that ended with its own code, and all that was done to the home for it."""
    plan = {
        **vars(Plan()),
        "directory": str(tmp_path),
        "record": str(tmp_path / "ops"),
        "root": str(supervisors.home.path),
    }
    (tmp_path / "wrapper.py").write_text(faulty.wrapper_text(plan))
    request = SubmitRequest(
        cwd="/", environment=dict(os.environ), agent="command", args=("sh", "-c", f"echo talk; sleep 0.05; exit {CODE}")
    )
    job_id = submit(supervisors.store, supervisors.registry, supervisors.config, request).id
    disk = power.Disk.of(supervisors.home.path)
    supervisors.supervise(plan)
    status = supervisors.store.status(job_id)
    assert status.exit is not None and status.exit.code == CODE
    disk.load(tmp_path / "ops")
    return job_id, disk


@pytest.fixture
def another_boot(life: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper.SYSTEM, "boot_id", lambda: "another boot")
    monkeypatch.setitem(platform._cached, "boot_id", "another boot")


def test_case_12_after_no_power_cut_is_a_run_forgotten_or_an_exit_made_up(
    supervisors: Supervisors, life: tuple[str, power.Disk], another_boot: None
) -> None:
    job_id, disk = life
    seed = random.randrange(1 << 32)
    print("seed", seed, len(disk.operations), "operations")
    plugins = Plugins(supervisors.registry)
    home = supervisors.home
    ends, wrong = set(), []
    states = 0
    for count, state in disk.states(random.Random(seed), SAMPLES):
        states += 1
        power.build(home.path, state)
        before = disk.operations[count - 1] if count else {"op": "the beginning"}
        where = f"state {states}, after operation {count}, {before['op']} {before.get('path', '')}"
        try:
            wrong += [f"{where}: {text}" for text in judge(JobStore(home), plugins, job_id, disk, count, ends)]
        except Exception as error:  # noqa: BLE001 - whatever it is, recovery may not end so
            wrong.append(f"{where}: {type(error).__name__}: {error}")
    assert wrong[:10] == []
    assert ends == {"queued", "waiting", "lost", "failed"}
    assert states > 100


def judge(
    store: JobStore, plugins: Plugins, job_id: str, disk: power.Disk, count: int, ends: set[str]
) -> Iterator[str]:
    """Yield what is wrong after recovery, a line each."""
    reconcile(store, plugins, job_id, writer="recoverer")
    status = store.status(job_id)
    journal = store.journal_path(job_id).read_bytes()
    reconcile(store, plugins, job_id, writer="recoverer")
    if store.journal_path(job_id).read_bytes() != journal:
        yield "recovering twice isn't the same as once"
    ends.add(status.lifecycle.value)
    code = status.exit.code if status.exit is not None else None
    if code not in (None, CODE):
        yield f"an exit code of {code}"
    if disk.ran(count) and not status.lifecycle.ended:
        yield f"it may have run, and would again: {status.lifecycle.value}"
    if (disk.is_safe(count, "exit.json") or disk.is_safe(count, '"job.finished"')) and code != CODE:
        yield f"its exit was safe, and is {code}: {status.lifecycle.value}, {status.reason}"
    if status.lifecycle.ended and code is None and not status.reason:
        yield "it is lost, and doesn't say why"


def test_case_13_after_a_reboot_a_record_that_was_never_forced_to_disk_is_not_missed(tmp_path: Path) -> None:
    with Bench() as bench:
        case = bench.case()
        case.start("sleep 60")
        child = json.loads((case.directory / "child.json").read_bytes())
        directory = tmp_path / "attempt"
        directory.mkdir(mode=0o700)
        (directory / "launch.json").write_bytes(b"")  # made, and not on disk when the power went
        (directory / "child.json").write_text(json.dumps({**child, "boot_id": "another boot"}))
        answer = bench.runtime.probe(handle_of(case.key, str(directory)))
        assert (answer.state, answer.conditions) == (ProbeState.GONE, ("rebooted",))
        stranger = handle_of(AttemptKey("job0", 1, secrets.token_hex(16)), str(directory))
        assert bench.runtime.probe(stranger).state is ProbeState.UNKNOWN
        case.runtime.stop(case.handle, KILL_NOW)  # type: ignore[arg-type]
