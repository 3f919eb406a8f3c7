"""Locks: many at once make one attempt, a dead holder holds nothing, and a removed lock file costs no event."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logist_runtime_host import keeper
from support.attempts import Attempts, attempts_in_a_place_of_their_own
from support.logist import Logist, alive, kill
from support.waiting import eventually

from logist_core.errors import Locked, LogistError
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.locks import file_lock
from logist_core.jobs.store import LOCK, JobStore
from logist_core.supervise.daemon import SWEEP_S
from logist_core.types.job import JobSpec


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    with attempts_in_a_place_of_their_own() as attempts:
        yield attempts


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(Home.open(tmp_path / "home"))


@pytest.fixture
def job(store: JobStore) -> str:
    spec = JobSpec(id=new_id(), agent="a", runtime="r", sentinel="s", cwd="/", created_at=1.0)
    return store.create(spec, None).id


def forked(work: Callable[[], object]) -> int:
    """Run `work` in a fork of this process, whose exit code is 0 if it didn't fail; return its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def test_case_43_a_hundred_processes_start_one_attempt_and_it_runs_once(attempts: Attempts) -> None:
    prepared = attempts.prepare()
    ran = attempts.root / "ran"
    gate_read, gate_write = os.pipe()

    def start() -> None:
        os.close(gate_write)
        os.read(gate_read, 1)
        handle = attempts.start("sh", "-c", f"echo x >>{ran}; exit 7", prepared=prepared).handle
        assert handle.data["nonce"] == prepared[0].nonce

    pids = [forked(start) for _ in range(100)]
    os.close(gate_read)
    os.close(gate_write)  # the end of file lets all of them go at the same time
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 100
    attempt = attempts.start("sh", "-c", "unreachable", prepared=prepared)
    end = attempt.ended()
    assert end.exit is not None
    assert end.exit.code == 7
    assert ran.read_text() == "x\n"


def test_case_44_the_lock_of_a_killed_launcher_is_free_at_the_first_look(store: JobStore, job: str) -> None:
    ours, theirs = socket.socketpair()

    def hold() -> None:
        with store.transaction(job, "cli"):
            theirs.send(b"!")
            signal.pause()

    pid = forked(hold)
    assert ours.recv(1) == b"!"
    with pytest.raises(Locked, match=str(pid)), store.transaction(job, "cli", timeout_s=0):
        pytest.fail("two hold it")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with store.transaction(job, "cli", timeout_s=0) as tx:
        tx.append("job.held", reason="free")
    assert store.status(job).reason == "free"


def test_case_45_a_fork_beside_a_thread_that_holds_the_lock_neither_holds_nor_releases_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    held, let_go, gone = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        with file_lock(lock, 1):
            held.set()
            let_go.wait(20)
        gone.set()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    ours, theirs = socket.socketpair()

    def look_and_stay() -> None:
        with pytest.raises(Locked), file_lock(lock, 0):
            pass
        theirs.send(b"!")
        theirs.recv(1)

    pid = forked(look_and_stay)
    try:
        assert ours.recv(1) == b"!"
        # What the fork tried and gave up has not cost the thread its lock.
        with pytest.raises(Locked), file_lock(lock, 0):
            pass
        let_go.set()
        assert gone.wait(20)
        thread.join()
        with file_lock(lock, 0):  # though the fork, with its copy of the descriptor, still lives
            pass
    finally:
        let_go.set()
        ours.send(b"!")
        assert os.waitpid(pid, 0)[1] == 0


def test_case_46_ten_thousand_probes_of_the_keepers_lock_disturb_no_start(attempts: Attempts) -> None:
    prepared = [attempts.prepare() for _ in range(12)]
    directories = [os.open(context.directory, os.O_RDONLY | os.O_DIRECTORY) for _, context in prepared]
    ours, theirs = socket.socketpair()

    def probe() -> None:
        ours.close()
        theirs.setblocking(False)
        probes = 0
        over = False
        while not over or probes < 10_000:
            for fd in directories:
                keeper.is_locked(fd, "shim.lock")
            probes += len(directories)
            if probes % 240 == 0 and not over:
                with contextlib.suppress(BlockingIOError):
                    over = theirs.recv(1) == b"!"

    pid = forked(probe)
    theirs.close()
    started = [attempts.start("sh", "-c", "exit 3", prepared=each) for each in prepared]
    codes = [end.exit and end.exit.code for end in (attempt.ended() for attempt in started)]
    ours.send(b"!")
    assert os.waitpid(pid, 0)[1] == 0
    for fd in directories:
        os.close(fd)
    assert codes == [3] * len(prepared)


@pytest.mark.parametrize("held_s", [0.4, 2.5])
def test_case_47_a_lock_that_outlives_its_holder_for_a_moment_gives_no_false_verdict(
    attempts: Attempts, held_s: float
) -> None:
    """A fork that has not executed yet keeps a dead keeper's lock held: `held_s` stands for that window."""
    attempt = attempts.shell("sleep 60")
    guard, pump, leader = attempt.guard, attempt.pump, attempt.record("child.json")["pid"]
    waiting = attempt.directory / "shim.lock"
    heir = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time\n"
            "file = open(sys.argv[1], 'r+'); print('ready', flush=True); fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True); time.sleep(float(sys.argv[2]))",
            str(waiting),
            str(held_s),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert heir.stdout is not None
    with heir.stdout as said:
        assert said.readline() == "ready\n"
        for pid in (guard, pump):
            os.kill(pid, signal.SIGSTOP)
        for pid in (guard, pump):
            kill(pid)
        assert said.readline() == "held\n"
        first = attempt.probe()
        assert first.state.value == "running"
        assert first.pid == leader
        # Longer than a second it looks like a keeper that lives and is deaf; that is a condition and no verdict.
        assert ("unresponsive" in first.conditions) == (held_s > 1)
        assert heir.wait(20) == 0
    eventually(lambda: "unresponsive" not in attempt.probe().conditions, what="an adopter")
    assert attempt.probe().pid == leader
    attempt.end()
    assert attempt.ended().exit is not None


def test_case_48_events_of_two_holders_of_a_lock_whose_file_was_removed_are_not_lost(store: JobStore, job: str) -> None:
    with pytest.raises(Locked, match="written by another process"), store.transaction(job, "first") as tx:
        (store.job_dir(job) / LOCK).unlink()
        with store.transaction(job, "second", timeout_s=1) as other:
            other.append("job.held", reason="the second was quicker")
        tx.append("job.finished", lifecycle="cancelled", outcome="cancelled", reason="the first")
    assert [event.kind for event in store.events(job)] == ["job.created", "job.held"]
    assert store.status(job).reason == "the second was quicker"
    with store.transaction(job, "first") as tx:
        tx.append("job.finished", lifecycle="cancelled", outcome="cancelled", reason="once more")
    assert store.status(job).lifecycle.value == "cancelled"


def test_case_48_with_every_lock_file_removed_while_jobs_run_each_still_runs_once(logist: Logist) -> None:
    ran, gate = logist.home.parent / "ran", logist.home.parent / "gate"
    jobs = [logist.shell(f"echo {n} >>{ran}; while [ ! -e {gate} ]; do sleep 0.05; done; exit {n}") for n in (3, 4)]
    for job in jobs:
        logist.until(job, "running")
    first = logist.supervisor_pid()
    removed = list(logist.home.rglob("*.lock"))
    assert {path.name for path in removed} >= {"supervisor.lock", "job.lock", "shim.lock", "pump.lock"}
    for path in removed:
        path.unlink()
    jobs.append(logist.shell(f"echo 5 >>{ran}; exit 5"))  # with the help of a second supervisor
    logist("recover", code=None)
    gate.touch()
    for job, code in zip(jobs, (3, 4, 5), strict=True):
        status = logist.ended(job)
        assert status["exit"] == {"code": code, "signal": None}
        assert len(status["attempts"]) == 1
        kinds = [json.loads(line)["kind"] for line in logist("events", job, "--json").stdout.splitlines()]
        assert kinds.count("attempt.starting") == kinds.count("attempt.exited") == 1
    assert sorted(ran.read_text().split()) == ["3", "4", "5"]
    # It notices at the latest when it next looks at everything.
    eventually(lambda: not alive(first), within_s=2 * SWEEP_S, what="the end of the supervisor that lost its lock")
    assert logist.json("supervise", "--status")["supervisor"]["pid"] == logist.supervisor_pid() != first


def test_the_supervisors_lock_is_refused_where_something_else_stands_in_its_place(logist: Logist) -> None:
    Home.open(logist.home)
    path = logist.home / "supervisor.lock"
    plants: list[Callable[[], Any]] = [lambda: os.mkfifo(path), lambda: path.symlink_to(logist.home.parent / "other")]
    for plant in plants:
        plant()
        ran = logist("run", "-d", "-a", "command", "--", "true", code=None, timeout_s=30)
        assert ran.returncode != 0
        assert "supervisor.lock" in ran.stderr
        assert "Traceback" not in ran.stderr
        path.unlink()
    assert not (logist.home.parent / "other").exists()
    for status in logist.json("ls"):
        logist("kill", status["id"], code=None)


def test_a_lock_that_cannot_be_opened_is_an_expected_error(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(LogistError, match="can't lock"), file_lock(tmp_path / "lock", 0):
        pass
