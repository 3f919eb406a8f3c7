"""What it costs to judge a thousand jobs: how often each is looked at, and what a look needs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from itertools import pairwise

from logist_runtime_host.runtime import HostRuntime
from logist_sentinel_default.plugin import logist_sentinels
from support.attempts import attempts_in_a_place_of_their_own

from benchmarks.report import Table
from benchmarks.scale import Scale
from logist_core.sentinel import Guard
from logist_core.testing.observations import Phase, World, simulate
from logist_core.types.signals import Claim
from logist_core.types.watch import Observation

JOBS = 1_000
_MINUTES = 10.0
WORKS = Phase(name="works", seconds=60 * _MINUTES, news_every_s=1.0, cpu=0.5)
LIVES = {
    "working": WORKS,
    "silent, processor busy": Phase(name="builds", seconds=60 * _MINUTES, cpu=0.5),
    "silent, in a tool call": Phase(name="runs a tool", seconds=60 * _MINUTES, tool=True),
    "waiting for a person": Phase(name="asks", seconds=60 * _MINUTES, claim=Claim.WAITING_INPUT),
}


def measure(scale: Scale) -> list[Table]:
    table = Table(
        f"cost of judging {JOBS} jobs with the default thresholds, by what they do",
        ("looks a second", "samples a second", "CPU ms a second"),
        against=("ps for each job every 5 s",),
        ratio_of="CPU ms a second",
    )
    (record,) = logist_sentinels()
    with attempts_in_a_place_of_their_own() as attempts:
        attempt = attempts.shell("sleep 600 & exec sleep 600")
        runtime = HostRuntime()
        sample_s = _cpu_s(lambda: runtime.stats(attempt.handle), 100 * scale.repeats)
        ps_s = _cpu_s_of_children(lambda: _ps(str(attempt.probe().pid)), 5 * scale.repeats)
    table.add("ps for each job every 5 s", JOBS / 5.0, JOBS / 5.0, JOBS / 5.0 * ps_s * 1e3)
    look_s = 0.0
    for name, phase in LIVES.items():
        looks = simulate(record.factory({}), World(phases=(phase,)))
        seen = [look.seen for look in looks]
        look_s = _guarded_s(seen, scale.repeats)
        # As the supervisor does it: no sample where the output went on since the look before.
        sampled = sum(later.progress == earlier.progress for earlier, later in pairwise(seen))
        looks_s, samples_s = (JOBS * count / phase.seconds for count in (len(seen), sampled))
        table.add(f"logist, {name}", looks_s, samples_s, 1e3 * (looks_s * look_s + samples_s * sample_s))
    table.notes.append(
        f"one sample of a tree of two processes: {sample_s * 1e6:.0f} us; one guarded step of the policy: "
        f"{look_s * 1e6:.0f} us; jobs that work are not sampled at all"
    )
    return [table]


def _guarded_s(seen: list[Observation], repeats: int) -> float:
    (record,) = logist_sentinels()
    guard = Guard(record.factory({}))

    def all_of_them() -> None:
        for observation in seen:
            guard.step(observation)

    return _cpu_s(all_of_them, repeats) / len(seen)


def _cpu_s(call: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times


def _cpu_s_of_children(call: Callable[[], object], times: int) -> float:
    import resource

    def spent_s() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime + time.process_time()

    began = spent_s()
    for _ in range(times):
        call()
    return (spent_s() - began) / times


def _ps(pid: str) -> None:
    subprocess.run(["ps", "-o", "pid,stat,time", "--ppid", pid, "--pid", pid], stdout=subprocess.DEVNULL, check=False)
