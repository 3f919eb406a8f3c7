"""After a death: until a new supervisor watches all again, and until an exit is recorded that a keeper didn't see."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from support.logist import kill
from support.waiting import eventually

from benchmarks.ground import Ground
from benchmarks.report import Table, median_and_worst
from benchmarks.scale import Scale
from logist_core.testing.soak import processes


def measure(scale: Scale) -> list[Table]:
    table = Table(
        "a new supervisor, s, by number of running jobs",
        ("started by hand: stock taken", "started by hand: all watched", "killed -9: another one watches all"),
    )
    table.unmeasured["peers"] = "none re-attaches: tmux, task-spooler and supervisord lose their jobs with their server"
    for count in scale.reattached:
        table.add(f"{count:,} jobs", *reattach(count))
    return [table, _exits(scale)]


def reattach(count: int) -> tuple[float, float, float]:
    """Return the seconds of the three ways in which a new supervisor finds `count` running jobs."""
    with Ground() as ground:
        with ground.supervisor(count + 1) as supervisor:
            alone = _sockets(supervisor.pid)
            jobs = [ground.submit("sh", "-c", ground.sleeper) for _ in range(count)]
            ground.await_sleepers(count)
            _until_watched(ground, alone + count)
        began = time.perf_counter()
        with ground.supervisor(count + 1):
            stock_s = time.perf_counter() - began
            _until_watched(ground, alone + count)
            by_hand_s = time.perf_counter() - began
            began = time.perf_counter()
            _kill_supervisor(ground)
            _until_watched(ground, alone + count)
            after_kill_s = time.perf_counter() - began
        assert len(ground.sleepers()) == count, "a job was lost"
        ground.end_sleepers()
        ended = ground.wait(*jobs)
        assert {(s.exit.signal, len(s.attempts)) for s in ended if s.exit} == {(15, 1)}
        ground.logist("supervise", "--stop", code=None)
    return stock_s, by_hand_s, after_kill_s


def _kill_supervisor(ground: Ground) -> None:
    kill(ground.logist.supervisor_pid())
    (ground.logist.home / "supervisor.json").unlink(missing_ok=True)  # so that only a new one's is waited for


def _until_watched(ground: Ground, sockets: int) -> None:
    """Wait until the supervisor has a connection to every job's pump, beside the sockets that it has anyway."""
    eventually(
        lambda: _sockets(ground.logist.supervisor_pid()) >= sockets,
        within_s=300.0,
        what="a supervisor that watches all",
    )


def _sockets(pid: int) -> int:
    found = 0
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
    return found


def _exits(scale: Scale) -> Table:
    table = Table(
        "from the agent's end to its recorded exit code, ms (median and worst)",
        ("median", "worst"),
        against=("nothing was killed",),
        ratio_of="median",
    )
    table.unmeasured["peers"] = "of those here none records the exit of a job whose keeper was killed"
    cases = {
        "nothing was killed": (),
        "its keeper was killed before": ("shim.lock",),
        "its pump was killed before": ("pump.lock",),
        "keeper and supervisor were killed before": ("shim.lock", "supervisor"),
    }
    with Ground() as ground, ground.supervisor(4):
        ground.wait(ground.submit("true"))
        for name, victims in cases.items():
            if "shim.lock" in victims and not processes.kernel_tells_exits():
                table.unmeasured[name] = "this kernel tells a stranger no exit code (Linux 6.15 does): recorded as lost"
                continue
            table.add(name, *median_and_worst([_exit_ms(ground, n, victims) for n in range(scale.repeats)]))
        ground.logist("supervise", "--stop", code=None)
    return table


def _exit_ms(ground: Ground, number: int, victims: tuple[str, ...]) -> float:
    gate: Path = ground.root / "gate"
    if not gate.exists():
        os.mkfifo(gate)
    job = ground.submit("sh", "-c", f"read x <{gate}; exit 7")
    eventually(lambda: ground.store.status(job).lifecycle == "running", what="a running job")
    directory = ground.store.attempt_dir(job, 1)
    for victim in victims:
        if victim == "supervisor":
            _kill_supervisor(ground)
            # The end of an attempt calls no new supervisor: with the old one just dead, it might wait for a command.
            eventually((ground.logist.home / "supervisor.json").exists, within_s=60.0, what="another supervisor")
        else:
            _kill_half(directory, victim)
    with gate.open("w") as file:
        file.write("go\n")
    began = time.time()
    (status,) = ground.wait(job)
    assert status.exit is not None
    assert (status.exit.code, len(status.attempts)) == (7, 1), status
    (ended,) = [event for event in ground.store.events(job) if event.kind == "attempt.exited"]
    return max(0.0, (ended.at - began) * 1e3)


def _kill_half(directory: Path, lock: str) -> None:
    fd: int = eventually(lambda: processes.open_half(directory, lock), what=lock) or -1
    os.close(fd)
    pid = processes.platform.lock_holder(directory / lock)
    assert pid is not None
    kill(pid)
