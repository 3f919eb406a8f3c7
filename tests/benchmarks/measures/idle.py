"""What a job costs that does nothing: memory, and CPU time."""

from __future__ import annotations

import time

from benchmarks.ground import Ground, cpu_s, pss_kib
from benchmarks.peers import STARTERS, Peer, Supervisord, unmeasured
from benchmarks.report import Table
from benchmarks.scale import Scale


def measure(scale: Scale) -> list[Table]:
    counts = tuple(str(count) for count in scale.idle)
    memory = Table(
        "memory of what keeps an idle job, KiB of PSS a job (servers included), by number of jobs",
        counts,
        against=("dtach", "task-spooler", "tmux"),
        ratio_of=counts[-1],
        unmeasured=unmeasured((*STARTERS, Supervisord)),
    )
    cpu = Table(
        f"CPU of what keeps {scale.idle[-1]} quiet jobs over {scale.quiet_s:g} s, ms a second",
        ("ms/s",),
        against=("supervisord", "tmux"),
        ratio_of="ms/s",
        unmeasured=dict(memory.unmeasured),
    )
    _peers(scale, memory, cpu)
    for pty, name in ((False, "logist"), (True, "logist --pty")):
        _logist(scale, memory, cpu, name, pty=pty)
    memory.notes.append("logist: guard and pump of each job, and the supervisor; `jobs alone`: without the supervisor")
    return [memory, cpu]


def _peers(scale: Scale, memory: Table, cpu: Table) -> None:
    for kind in (*STARTERS, Supervisord):
        if not kind.installed():
            continue
        figures: list[float] = []
        for count in scale.idle:
            with Ground() as ground:
                peer = kind(ground.root)
                _start(peer, ground, count)
                ground.await_sleepers(count)
                kept_by = ground.keepers_of(peer.root)
                figures.append(pss_kib(kept_by) / count)
                if count == scale.idle[-1]:
                    cpu.add(peer.name, _ms_per_s(kept_by, scale.quiet_s))
                assert len(ground.sleepers()) == count, f"{peer.name} lost a job"
                ground.end_sleepers()
                peer.stop()
        memory.add(kind.name, *figures)


def _start(peer: Peer, ground: Ground, count: int) -> None:
    if isinstance(peer, Supervisord):
        peer.start_all(ground.sleeper, count)
    else:
        for _ in range(count):
            peer.start(ground.sleeper)


def _logist(scale: Scale, memory: Table, cpu: Table, name: str, *, pty: bool) -> None:
    whole, alone = [], []
    for count in scale.idle:
        with Ground() as ground, ground.supervisor(count + 1) as supervisor:
            jobs = [ground.submit("sh", "-c", ground.sleeper, pty=pty) for _ in range(count)]
            ground.await_sleepers(count)
            ground.logist("wait", *jobs, "--until", "running", "--timeout", "300s", timeout_s=310)
            kept_by = ground.keepers_of(ground.home.path)
            whole.append(pss_kib(kept_by) / count)
            alone.append(pss_kib([pid for pid in kept_by if pid != supervisor.pid]) / count)
            assert len(kept_by) >= 2 * count + 1
            if count == scale.idle[-1]:
                cpu.add(name, _ms_per_s(kept_by, scale.quiet_s))
                cpu.add(f"{name}, jobs alone", _ms_per_s([p for p in kept_by if p != supervisor.pid], scale.quiet_s))
            assert len(ground.sleepers()) == count, "a job was lost"
            ground.end_sleepers()
            assert {s.exit.signal for s in ground.wait(*jobs) if s.exit} == {15}
    memory.add(name, *whole)
    memory.add(f"{name}, jobs alone", *alone)


def _ms_per_s(pids: list[int], period_s: float) -> float:
    time.sleep(min(2.0, period_s))  # what the start left to do
    before, began = {pid: cpu_s([pid]) for pid in pids}, time.perf_counter()
    time.sleep(period_s)
    used = [cpu_s([pid]) - at for pid, at in before.items()]
    # A process that has left meanwhile (a fork server that nobody needs) counts as 0 now.
    return sum(s for s in used if s > 0) * 1e3 / (time.perf_counter() - began)
