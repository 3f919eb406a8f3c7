"""Many processes at one job, started by test_concurrency.py: `storm.py HOME JOB crowd|kill|create SEED`.

Prints one JSON object: what was acknowledged, to be compared with what is on the disk.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import filelock  # noqa: F401 -- before the forks, so that fifty children don't import it fifty times

from logist_core.errors import IllegalTransition, LogistError
from logist_core.jobs.fold import fold
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.types.job import JobSpec

CROWD = 50
ROUNDS = 4
KILLING_S = 3.0


def fork(work: Callable[[], None]) -> int:
    """Run `work` in a child that ends without any of the parent's clean-up; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException as error:  # noqa: BLE001 -- all that a child can do with it is to say it
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


def crowd(store: JobStore, job: str) -> dict[str, object]:
    """Fifty processes write at once, and each tries to be the one that starts the job."""
    reading, writing = os.pipe()

    def work() -> None:
        me = str(os.getpid())
        for n in range(ROUNDS):
            with store.transaction(job, me, timeout_s=60) as transaction:
                transaction.append("input.sent", by=me, bytes=n)
                transaction.append("input.sent", by=me, bytes=n + 1000)
            os.write(writing, json.dumps([me, n]).encode() + b"\n")
            assert store.status(job).id == job
        try:
            with store.transaction(job, me, timeout_s=60) as transaction:
                transaction.append("attempt.starting", attempt=1, nonce=me)
                transaction.append("attempt.running", attempt=1, pid=os.getpid())
        except IllegalTransition:
            return
        os.write(writing, json.dumps([me, "started"]).encode() + b"\n")

    children = [fork(work) for _ in range(CROWD)]
    os.close(writing)
    with open(reading, encoding="ascii") as pipe:
        acknowledged = [json.loads(line) for line in pipe]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    return {"acknowledged": acknowledged, "failed": [code for code in codes if code]}


def kill(store: JobStore, job: str, chance: random.Random) -> dict[str, object]:
    """Kill a writer at a random instant, again and again; look after each kill."""
    acknowledged = kills = 0
    sent = 0
    deadline = time.monotonic() + KILLING_S
    while kills <= 10 or time.monotonic() < deadline:
        reading, writing = os.pipe()
        first = sent

        def work(writing: int = writing, first: int = first) -> None:
            for n in range(first, first + 1_000_000):
                with store.transaction(job, "victim", timeout_s=60) as transaction:
                    # Longer than a page: a kill can then cut the write itself in two.
                    transaction.append("input.sent", by="x" * chance.choice([1, 100, 20_000]), bytes=n)
                    transaction.append("sentinel.acted", result=str(n))
                os.write(writing, b"%d\n" % n)

        pid = fork(work)
        os.close(writing)
        select.select([reading], [], [], 10)  # it is under way
        time.sleep(chance.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
        with open(reading, "rb") as pipe:
            lines = pipe.read().split()
        acknowledged += len(lines)
        events = store.events(job)
        numbers = [event.data["bytes"] for event in events if event.kind == "input.sent"]
        results = [int(event.data["result"]) for event in events if event.kind == "sentinel.acted"]
        assert fold(events) == store.status(job)
        assert numbers == results == list(range(len(numbers))), "half a group, a gap or a repeat"
        assert not lines or int(lines[-1]) < len(numbers), "an acknowledged event is gone"
        sent = len(numbers)
    return {"kills": kills, "acknowledged": acknowledged, "sent": sent}


def create(store: JobStore, job: str, chance: random.Random) -> dict[str, object]:
    """Kill a process that makes and removes jobs; whatever is visible must be whole."""
    kills = seen = 0
    deadline = time.monotonic() + KILLING_S / 2
    while kills <= 5 or time.monotonic() < deadline:

        def work() -> None:
            mine = JobStore(store.home)
            while True:
                spec = JobSpec(id=new_id(), agent="a", runtime="r", cwd="/", created_at=1.0, prompt="x" * 9_000)
                mine.create(spec, {"A": "b"})
                if chance.random() < 0.5:
                    mine.remove(spec.id, force=True)

        pid = fork(work)
        time.sleep(0.01 + chance.random() * 0.03)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
        problems: list[tuple[str, LogistError]] = []
        statuses = list(store.statuses(problems=problems))
        assert problems == [], problems
        assert [status.id for status in statuses] == store.ids()
        assert all(store.spec(made).prompt == "x" * 9_000 for made in store.ids() if made != job)
        seen = len(statuses)
    JobStore(store.home).create(JobSpec(id=new_id(), agent="a", runtime="r", cwd="/", created_at=1.0), None)
    left = [name for name in os.listdir(store.home.jobs) if name.startswith(".")]
    return {"kills": kills, "seen": seen, "left": left, "trash": os.listdir(store.home.trash)}


def main() -> None:
    """Do what the arguments say."""
    path, job, what, seed = sys.argv[1:]
    store = JobStore(Home.open(Path(path)))
    chance = random.Random(int(seed))
    work = {
        "crowd": lambda: crowd(store, job),
        "kill": lambda: kill(store, job, chance),
        "create": lambda: create(store, job, chance),
    }
    print(json.dumps(work[what]()))


main()
