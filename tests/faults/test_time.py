"""Clocks: a step of the wall clock changes nothing, and time that the machine slept through counts for nobody."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.attempts import Attempt, Attempts, attempts_in_a_place_of_their_own
from support.logist import Logist, alive, kill
from support.waiting import eventually
from support.world import ScriptedRegistry, World, true_at_last

from logist_core.api import Claim, Signal, Source
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.observe.arbitrate import CONFIRM_S, arbitrate
from logist_core.supervise import daemon
from logist_core.supervise.clocks import Clocks

DAY_S = 86_400.0


class TurnedClocks:
    """The real clocks, each with something added."""

    def __init__(self) -> None:
        self.real = Clocks()
        self.wall_s = self.awake_s = self.boot_s = 0.0

    def clocks(self) -> Clocks:
        return Clocks(
            wall=lambda: self.real.wall() + self.wall_s,
            awake=lambda: self.real.awake() + self.awake_s,
            boot=lambda: self.real.boot() + self.boot_s,
        )

    def sleep(self, seconds: float) -> None:
        """Suspend the machine: only the awake clock stands still."""
        self.wall_s += seconds
        self.boot_s += seconds


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> TurnedClocks:
    turned = TurnedClocks()
    monkeypatch.setattr(daemon, "Clocks", turned.clocks)
    return turned


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="lg-") as run:  # short: there are sockets below it
        monkeypatch.setenv("XDG_RUNTIME_DIR", run)
        home = Home.open(tmp_path / "home")
        yield World(home, JobStore(home), ScriptedRegistry())


async def several_rounds(world: World, job: str) -> None:
    """Wait until the job was looked at, probed and judged a few times more."""
    seen = len(world.registry.sentinel.observations)
    await true_at_last(lambda: len(world.registry.sentinel.observations) > seen + 2)
    assert world.supervisor is not None
    world.supervisor._watches[job].poke()


@pytest.mark.asyncio
@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S, 3_600.0, -3_600.0], ids=["+day", "-day", "+hour", "-hour"])
async def test_case_58_a_step_of_the_wall_clock_changes_nothing(
    world: World, turned: TurnedClocks, step_s: float
) -> None:
    await world.start()
    job = world.submit(timeout_s=1000.0)
    await world.running(job)
    world.say(job, '{"type":"working"}\n')
    await world.until(job, lambda status: status.activity.state == "working")
    await several_rounds(world, job)
    before = [kind for kind in world.kinds(job) if kind != "activity.changed"]
    turned.wall_s += step_s
    await several_rounds(world, job)
    # What it seems to do is told by the wall clock, for limits are reset by that one; nothing else may change.
    assert [kind for kind in world.kinds(job) if kind != "activity.changed"] == before
    assert world.store.status(job).lifecycle.value == "running"
    assert "stop" not in world.registry.runtime.calls
    ages = [seen.now_s for seen in world.registry.sentinel.observations]
    assert ages == sorted(ages)
    assert max(ages) < 60
    world.end(job, 3)
    status = await world.ended(job)
    assert status.exit is not None
    assert status.exit.code == 3
    assert status.lifecycle.value == "failed"
    await world.leave()


@pytest.mark.parametrize("step_s", [0.0, -DAY_S, -3_600.0])
def test_case_58_a_claim_that_must_stand_for_a_moment_is_not_put_off_by_a_clock_set_back(step_s: float) -> None:
    now = 1_800_000_000.0
    claim = Signal(claim=Claim.COMPLETED, source=Source.TEXT, rule="test/done", at=now)
    assert arbitrate((claim,), now).state == "unknown"
    assert arbitrate((claim,), now + CONFIRM_S + step_s).state == "completed"


@pytest.mark.asyncio
async def test_case_58_queued_jobs_start_whatever_the_wall_clock_says(world: World, turned: TurnedClocks) -> None:
    await world.start()
    for step_s in (DAY_S, -2 * DAY_S):
        turned.wall_s += step_s
        job = world.submit()
        await world.running(job)
        world.end(job, 0)
        await world.ended(job)
    await world.leave()


@pytest.mark.asyncio
async def test_case_59_ten_minutes_of_sleep_are_no_time_of_the_job(world: World, turned: TurnedClocks) -> None:
    await world.start()
    job = world.submit(timeout_s=300.0)
    await world.running(job)
    await several_rounds(world, job)
    before = world.kinds(job)
    turned.sleep(600.0)
    await several_rounds(world, job)
    assert world.kinds(job) == before
    assert max(seen.now_s for seen in world.registry.sentinel.observations) < 60
    # The control: so much time awake is a time-out.
    turned.awake_s += 301.0
    assert (await world.ended(job)).lifecycle.value == "timed_out"
    await world.leave()


@pytest.mark.asyncio
async def test_case_59_a_supervisor_that_died_over_the_sleep_leaves_no_debt_to_the_next(
    world: World, turned: TurnedClocks
) -> None:
    await world.start()
    job = world.submit(timeout_s=300.0)
    await world.running(job)
    await several_rounds(world, job)
    await world.die()
    turned.sleep(600.0)
    await world.start()
    await several_rounds(world, job)
    assert world.store.status(job).lifecycle.value == "running"
    assert "condition.raised" not in world.kinds(job)
    world.end(job, 0)
    await asyncio.wait_for(world.ended(job), 10)
    await world.leave()


def test_case_59_a_job_whose_processes_all_stood_still_goes_on(logist: Logist) -> None:
    gate = logist.home.parent / "gate"
    job = logist.shell(f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; exit 7", "--timeout", "60s")
    logist.until(job, "running")
    agent = logist.status(job)["pid"]
    everybody = [logist.supervisor_pid(), logist.pump_pid(job), logist.keeper_pid(job), agent]
    kinds = logist("events", job, "--json").stdout
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    try:
        # What looks on meanwhile must neither wait for them nor conclude anything.
        assert logist.status(job)["lifecycle"] == "running"
        assert logist("logs", job).stdout == "begun\n"
    finally:
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
    assert all(alive(pid) for pid in everybody)
    assert logist("events", job, "--json").stdout == kinds
    gate.touch()
    status = logist.ended(job)
    assert status["exit"] == {"code": 7, "signal": None}
    assert "sentinel.verdict" not in logist("events", job, "--json").stdout


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    with attempts_in_a_place_of_their_own() as attempts:
        yield attempts


_PROBE = """
import sys
from logist_core.api import RuntimeHandle
from logist_runtime_host.runtime import HostRuntime
import json
print(HostRuntime().probe(RuntimeHandle(**json.loads(sys.argv[1]))).state.value)
"""


def probed_in_another_time_namespace(attempt: Attempt) -> str:
    """Return what a probe says where every start time looks shifted, as if all pids had been used anew."""
    handle = {"runtime": "host", "version": attempt.handle.version, "data": dict(attempt.handle.data)}
    command = ["unshare", "--time", "--boottime", "86400", "--fork", sys.executable, "-c", _PROBE, json.dumps(handle)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


time_namespaces = pytest.mark.skipif(
    subprocess.run(["unshare", "--time", "true"], check=False).returncode != 0, reason="no time namespaces here"
)


@time_namespaces
def test_case_59_a_guarded_attempt_runs_in_the_eyes_of_another_time_namespace(attempts: Attempts) -> None:
    attempt = attempts.shell("sleep 60")
    assert probed_in_another_time_namespace(attempt) == "running"
    assert alive(attempt.record("child.json")["pid"])


@time_namespaces
def test_case_59_an_unguarded_attempt_is_not_ended_from_another_time_namespace(attempts: Attempts) -> None:
    attempt = attempts.shell("sleep 60")
    pids = [attempt.guard, attempt.pump]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        kill(pid)
    assert probed_in_another_time_namespace(attempt) in ("running", "unknown")
    assert alive(attempt.record("child.json")["pid"])


def test_case_60_a_job_outlives_the_login_session_that_submitted_it(logist: Logist) -> None:
    """All that a logout does to a session without systemd: the terminal goes away, and its processes are killed."""
    gate = logist.home.parent / "gate"
    said = logist.home.parent / "said"
    script = f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; echo done; exit 7"
    pid, master = pty.fork()
    if pid == 0:
        command = f'"$@" >{said} && exec sleep 60'
        words = [sys.executable, "-m", "logist_core", "run", "-d", "-a", "command", "--", "sh", "-c", script]
        os.execve("/bin/sh", ["sh", "-c", command, "sh", *words], logist.environment)
    job = eventually(lambda: said.exists() and said.read_text().strip(), what="the job's id")
    logist.until(job, "running")
    os.close(master)  # hangs up
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert logist.status(job)["lifecycle"] == "running"
    assert alive(logist.supervisor_pid())
    gate.touch()
    assert logist.ended(job)["exit"] == {"code": 7, "signal": None}
    assert logist("logs", job).stdout == "begun\ndone\n"
