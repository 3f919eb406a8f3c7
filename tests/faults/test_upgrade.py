"""An upgrade while jobs run: what an old version left is read, and what an old keeper guards is controlled."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import logist_runtime_host
import pytest
from logist_runtime_host import keeper
from support.attempts import Attempt, Attempts, attempts_in_a_place_of_their_own
from support.logist import Logist, alive
from support.waiting import eventually

from logist_core.api import AttemptKey, ProbeState, RuntimeHandle, Stdin
from logist_core.jobs import journal
from logist_core.jobs.fold import fold
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.types.job import JobEvent

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
GOLDEN_HOME = "/home/user/.local/state/logist"


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    with attempts_in_a_place_of_their_own() as attempts:
        yield attempts


# What lies on the disk


def unpack(golden: Path, home: Path) -> None:
    """Write a golden home to `home`, with its own path in the records."""
    for name, text in json.loads(golden.read_text()).items():
        path = home / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(_moved(path.name, text, home))
        path.chmod(0o600)
    for path in home.rglob("*"):
        if path.is_dir():
            path.chmod(0o700)


def _moved(name: str, text: str, home: Path) -> str:
    moved = text.replace(GOLDEN_HOME, str(home))
    if name != "events.log" or moved == text:
        return moved
    lines = [json.loads(line) for line in moved.splitlines()]
    events = [(JobEvent(**{f: line[f] for f in JobEvent.__slots__}), line.get("more", 0)) for line in lines]
    return b"".join(journal.encode(event, more) for event, more in events).decode()


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_case_68_the_journals_of_a_golden_home_are_whole_and_say_what_happened(golden: Path, tmp_path: Path) -> None:
    outcomes = set()
    for name, text in json.loads(golden.read_text()).items():
        if name.endswith("events.log"):
            scan = journal.scan(text.encode(), name)
            assert scan.problem is None
            assert scan.good_bytes == len(text.encode())
            status = fold(scan.events)
            outcomes.add((status.lifecycle.value, status.exit.code if status.exit else None))
    assert outcomes == {("failed", 7), ("succeeded", 0), ("running", None)}


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_case_68_a_golden_home_is_taken_over_by_this_version(golden: Path, logist: Logist) -> None:
    home = Home.open(logist.home)
    shutil.rmtree(home.path)
    home.path.mkdir(mode=0o700)
    unpack(golden, home.path)
    jobs = {each["name"] or each["agent"]: each for each in logist.json("ls", "--all")}
    assert sorted(jobs) == ["greets", "mock", "sleeps"]
    assert logist("logs", "greets").stdout == "hello\n"
    assert jobs["greets"]["exit"] == {"code": 7, "signal": None}
    assert jobs["greets"]["labels"] == {"team": "a"}
    # It ran in another boot of another machine: nothing here is taken for it, and no code is made up.
    logist("recover")
    sleeps = logist.status("sleeps")
    assert sleeps["exit"] is None
    assert (sleeps["lifecycle"], sleeps["conditions"]) in (("lost", []), ("running", ["unreachable"]))
    assert "on a terminal" in logist("logs", "sleeps").stdout
    logist("retry", "greets")
    again = logist.ended(jobs["greets"]["id"])
    assert [attempt["number"] for attempt in again["attempts"]] == [1, 2]
    assert again["exit"] == {"code": 7, "signal": None}
    shutil.rmtree(home.jobs / jobs["sleeps"]["id"])


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_case_68_kinds_and_fields_of_a_later_version_are_kept_and_passed_over(golden: Path, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    shutil.rmtree(home.path)
    home.path.mkdir(mode=0o700)
    unpack(golden, home.path)
    store = JobStore(Home.open(home.path))
    for job_id in store.ids():
        before = store.status(job_id)
        with store.transaction(job_id, "later") as tx:
            tx.append("job.dreamt", of={"sheep": [1, 2]}, session_id=7)
            tx.append("attempt.teleported", attempt="there")
        assert store.status(job_id).to_json() == before.to_json()
        assert [event.kind for event in store.events(job_id)][-2:] == ["job.dreamt", "attempt.teleported"]
        assert store.events(job_id)[-2].data["of"] == {"sheep": [1, 2]}


# A keeper of one version, and who controls it of another

_START = """
import json, os, sys
from logist_core.api import AttemptKey, LaunchSpec, StartContext, Stdin
from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime
asked = json.loads(sys.argv[1])
launch = LaunchSpec(argv=tuple(asked["argv"]), cwd="/", stdin=Stdin.OPEN, pty=asked["pty"])
context = StartContext(directory=asked["directory"], environment={"PATH": os.environ["PATH"]})
handle = HostRuntime().start(launch, AttemptKey(*asked["key"]), context)
print(json.dumps([keeper.__file__, keeper.PROTO, handle.version, dict(handle.data)]))
"""

#: What a later version may change and an earlier one must bear.
CHANGES = {
    "keeper.py": [
        (r"^SCHEMA = 1$", "SCHEMA = {version}"),
        (r"^PROTO = 1$", "PROTO = {version}"),
        (r"^(    def status\(self\).*?        return \{\n)", r'\1            "of_another_version": ["x"],\n'),
        (
            r"^(        client\.send\(frame_json\(HELLO.*?\)\)\n)",
            r'\1        client.send(frame(77, b"unheard of"))\n',
        ),
    ],
    "files.py": [(r"^HANDLE_VERSION = 1$", "HANDLE_VERSION = {version}")],
}


def version_of(number: int, place: Path) -> Path:
    """Make a copy of the installed plugin that says it is of protocol `number`; return where to find it."""
    target = place / "logist_runtime_host"
    shutil.copytree(Path(logist_runtime_host.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__"))
    for name, changes in CHANGES.items():
        text = (target / name).read_text()
        for pattern, replacement in changes:
            text, found = re.subn(pattern, replacement.replace("{version}", str(number)), text, flags=re.M | re.S)
            assert found >= 1, f"{name} has no {pattern} any more"
        (target / name).write_text(text)
    return place


def start_by(place: Path | None, attempts: Attempts, script: str, *, pty: bool = False) -> Attempt:
    """Start an attempt by the copy of the plugin that lies in `place`, or by the installed one."""
    key, context = attempts.prepare()
    asked = {
        "argv": ["sh", "-c", script],
        "directory": context.directory,
        "key": [key.job_id, key.attempt, key.nonce],
        "pty": pty,
    }
    environment = {**os.environ, **({"PYTHONPATH": str(place)} if place else {})}
    argv = [sys.executable, "-c", _START, json.dumps(asked)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True)
    program, _, version, data = json.loads(done.stdout)
    assert place is None or program.startswith(str(place))
    attempt = Attempt(
        attempts.runtime, key, Path(context.directory), RuntimeHandle(runtime="host", version=version, data=data)
    )
    attempts.attempts.append(attempt)
    return attempt


SCRIPT = "echo begun; read line; echo got $line; exit 7"


@pytest.mark.parametrize("number", [0, 2], ids=["n-1", "n+1"])
@pytest.mark.parametrize("pty", [False, True], ids=["pipe", "terminal"])
def test_case_68_a_keeper_of_another_protocol_is_controlled_by_this_version(
    attempts: Attempts, tmp_path: Path, number: int, pty: bool
) -> None:
    attempt = start_by(version_of(number, tmp_path), attempts, SCRIPT, pty=pty)
    assert attempt.record("launch.json")["schema"] == attempt.record("shim.json")["proto"] == number
    assert attempt.handle.version == number
    probe = attempt.probe()
    assert (probe.state, probe.conditions) == (ProbeState.RUNNING, ())
    eventually(lambda: b"begun" in attempt.out)
    watch = attempt.runtime.watch(attempt.handle)
    assert watch is not None
    assert attempt.runtime.stats(attempt.handle) is not None
    channel = attempt.runtime.attach(attempt.handle, cols=80, rows=24, read_only=True)
    attempt.runtime.write(attempt.handle, b"words\n")
    end = attempt.ended()
    assert end.exit is not None
    assert end.exit.code == 7
    assert b"got words" in attempt.out
    assert keeper.wait_readable(watch.fileno(), 10)
    assert not watch.drain()
    watch.close()
    assert channel.receive()
    channel.close()


def test_case_68_a_keeper_of_another_protocol_is_stopped_by_this_version(attempts: Attempts, tmp_path: Path) -> None:
    attempt = start_by(version_of(2, tmp_path), attempts, "sleep 60 & sleep 60")
    attempt.end()
    end = attempt.ended()
    assert end.exit is not None
    assert end.exit.signal == 9


_CONTROL = """
import json, sys
from logist_core.api import RuntimeHandle
from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime
handle = RuntimeHandle(runtime="host", version=int(sys.argv[1]), data=json.loads(sys.argv[2]))
runtime = HostRuntime()
before = runtime.probe(handle)
channel = runtime.attach(handle, cols=80, rows=24, read_only=True)
channel.close()
runtime.write(handle, b"words\\n")
print(json.dumps([keeper.PROTO, before.state.value, list(before.conditions)]))
"""


@pytest.mark.parametrize("number", [0, 2], ids=["n-1", "n+1"])
def test_case_68_a_keeper_of_this_version_is_controlled_by_another(
    attempts: Attempts, tmp_path: Path, number: int
) -> None:
    attempt = start_by(None, attempts, SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(version_of(number, tmp_path))}
    argv = [sys.executable, "-c", _CONTROL, str(number), json.dumps(dict(attempt.handle.data))]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [number, "running", []]
    end = attempt.ended()
    assert end.exit is not None
    assert end.exit.code == 7
    assert b"got words" in attempt.out


def test_case_68_frames_of_no_known_type_are_passed_over(attempts: Attempts) -> None:
    attempt = attempts.shell(SCRIPT, stdin=Stdin.OPEN)
    connection = attempt.connect()
    connection.sendall(attempt.hello("control", proto=99, of_another_version={"x": 1}))
    for kind in (0, *range(14, 256)):
        connection.sendall(keeper.frame(kind, b"unheard of"))
    connection.sendall(keeper.frame(keeper.PING, b"there?"))
    frames = keeper.Frames()
    found: list[tuple[int, bytes]] = []
    while not any(kind == keeper.PONG for kind, _ in found):
        found += frames.feed(connection.recv(65536))
    assert [kind for kind, _ in found] == [keeper.HELLO, keeper.PONG]
    connection.close()


def test_case_68_installed_files_are_replaced_while_a_job_runs(logist: Logist) -> None:
    place = logist.home.parent / "site"
    place.mkdir()
    version_of(1, place)
    environment: dict[str, Any] = {"PYTHONPATH": str(place)}
    script = "echo begun; read line; echo got $line; exit 7"
    job = logist.submit("-a", "command", "--pty", "--", "sh", "-c", script, env=environment)
    logist.until(job, "running")
    pids = [logist.keeper_pid(job), logist.pump_pid(job), logist.status(job)["pid"]]
    assert str(place).encode() in Path(f"/proc/{pids[0]}/cmdline").read_bytes()
    # As an installer does it: the old files go, the new ones come, and whatever is imported from now on is new.
    shutil.rmtree(place / "logist_runtime_host")
    logist("supervise", "--stop", env=environment)
    assert all(map(alive, pids))
    version_of(2, place)
    logist.environment.update(environment)
    assert logist.status(job)["lifecycle"] == "running"
    logist("send", job, "words")
    status = logist.ended(job)
    assert status["exit"] == {"code": 7, "signal": None}
    assert len(status["attempts"]) == 1
    assert "got words" in logist("logs", job).stdout
    again = logist.submit("-a", "command", "--", "sh", "-c", "exit 3")
    assert logist.ended(again)["exit"] == {"code": 3, "signal": None}
    assert logist.fact(again, "shim.json")["proto"] == 2


def test_case_68_a_key_of_another_attempt_controls_nothing(attempts: Attempts) -> None:
    attempt = attempts.shell("sleep 60")
    other = AttemptKey("job0", 1, "f" * 32)
    handle = RuntimeHandle(runtime="host", version=1, data={**attempt.handle.data, "nonce": other.nonce})
    assert attempt.runtime.probe(handle).state is ProbeState.UNKNOWN
    assert attempt.probe().state is ProbeState.RUNNING
