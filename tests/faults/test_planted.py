"""Names that Logist writes, taken by links, FIFOs and other people: nothing is followed, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from logist_runtime_host.runtime import HostRuntime
from support.attempts import Attempts, attempts_in_a_place_of_their_own
from support.logist import Logist, kill
from support.waiting import eventually

from logist_core.api import LogistError, ProbeState
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.types.job import JobSpec

VICTIM = b"the victim's own words\n"
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

PLANTS: dict[str, Callable[[Path, Path], None]] = {
    "symlink": lambda path, victim: path.symlink_to(victim),
    "dangling": lambda path, victim: path.symlink_to(victim.with_name("nowhere")),
    "hardlink": lambda path, victim: os.link(victim, path),
    "fifo": lambda path, victim: os.mkfifo(path),
}

#: Every file of an attempt that the host runtime writes or locks.
NAMES = (
    *("launch.lock", "launch.json", "shim.lock", "shim.json", "shim.err", "pump.lock", "child.json"),
    *("exit.json", "done.json", "cancel.json", "out.log", "err.log", ".reserve"),
)
#: How long a start, an end, and all of it may take, seconds: generous, for where all is well it costs nothing.
START_S, END_S, ALL_S = 20.0, 20.0, 45.0


class Told(NamedTuple):
    """What became of one attempt in whose directory something was planted."""

    result: str
    victim_is_unharmed: bool
    ran: bool


@contextlib.contextmanager
def victim_of(directory: Path) -> Iterator[tuple[Path, Callable[[], bool]]]:
    """Yield a file of somebody, and the way to ask whether it is as it was."""
    victim = directory / "victim"
    victim.write_bytes(VICTIM)
    victim.chmod(0o644)

    def is_unharmed() -> bool:
        return (
            victim.read_bytes() == VICTIM
            and stat.S_IMODE(victim.stat().st_mode) == 0o644
            and not victim.with_name("nowhere").exists()
        )

    yield victim, is_unharmed


def start_and_end(attempts: Attempts, directory: str, ran: Path, end_s: float) -> str:
    """Start an attempt in a prepared directory and see it end; return how."""
    prepared = attempts.prepare()
    os.rename(directory, prepared[1].directory)  # as planted
    try:
        attempt = attempts.start("sh", "-c", f"echo out; echo err >&2; echo x >>{ran}; exit 7", prepared=prepared)
        end = attempt.ended(within_s=end_s)
    except LogistError as error:
        if "didn't answer" in error.message:
            return "its keeper hangs"
        return f"refused: {error.message}"
    if end.state is ProbeState.GONE:
        return "gone"
    return f"exit {end.exit.code if end.exit else None}"


def try_all(kind: str) -> dict[str, Told]:
    """Try all names at the same time, each in a process of its own: those that hang would otherwise take minutes."""
    results: dict[str, Told] = {}
    with contextlib.ExitStack() as stack:
        waiting = {}
        for name in NAMES:
            attempts = stack.enter_context(attempts_in_a_place_of_their_own())
            attempts.runtime = HostRuntime(start_timeout_s=START_S)
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                os._exit(_try(attempts, kind, name, write, END_S))
            os.close(write)
            waiting[read] = (name, attempts, pid)
        deadline = time.monotonic() + ALL_S
        for read, (name, attempts, pid) in waiting.items():
            left = max(0.0, deadline - time.monotonic())
            data = os.read(read, 65536) if select.select([read], [], [], left)[0] else b""
            os.close(read)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            results[name] = Told(*json.loads(data)) if data else Told("it hangs", True, False)
            _end_all_in(attempts.root)
    return results


def _try(attempts: Attempts, kind: str, name: str, write: int, end_s: float) -> int:
    os.environ["XDG_RUNTIME_DIR"] = str(attempts.root / "run")
    directory = attempts.root / "planted"
    directory.mkdir(mode=0o700)
    with victim_of(attempts.root) as (victim, is_unharmed):
        PLANTS[kind](directory / name, victim)
        try:
            result = start_and_end(attempts, str(directory), attempts.root / "ran", end_s)
        except BaseException as error:  # noqa: BLE001 - told to the test
            result = f"{type(error).__name__}: {error}"
        answer = [result, is_unharmed(), (attempts.root / "ran").exists()]
        os.write(write, json.dumps(answer).encode())
    return 0


def _end_all_in(root: Path) -> None:
    """Kill every process that has something below `root` open: a keeper that hangs."""
    mark = os.fsencode(root)
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):
                fds = [os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")]
                if any(os.fsencode(fd).startswith(mark) for fd in fds):
                    os.kill(int(entry), signal.SIGKILL)


def what_is_wrong(told: Told) -> str | None:
    if not told.victim_is_unharmed:
        return "what lies behind the planted name was changed"
    if told.result.startswith("refused"):
        return "it was said to be refused, and it ran" if told.ran else None
    # `gone`: it ran, and how it ended could not be written down; that is said, and no code is invented.
    return None if told.result in ("exit 7", "gone") and told.ran else told.result


@pytest.mark.parametrize("kind", PLANTS)
def test_case_56_what_is_planted_at_a_name_of_an_attempt_is_refused_or_harmless(kind: str) -> None:
    told = try_all(kind)
    assert {name: wrong for name, each in told.items() if (wrong := what_is_wrong(each))} == {}


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_case_56_a_supervisor_passes_over_what_is_planted_at_its_own_names(logist: Logist, kind: str) -> None:
    gate = logist.home.parent / "gate"
    job = logist.shell(f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; exit 7", "--timeout", "10m")
    logist.until(job, "running")
    attempt, directory = logist.attempt_dir(job), logist.home / "jobs" / job
    supervisor = logist.supervisor_pid()
    with victim_of(logist.home.parent) as (victim, is_unharmed):
        os.kill(supervisor, signal.SIGSTOP)  # else it would replace them at once
        for path in (
            *(attempt / name for name in ("plan.json", "observer.json", "sentinel.json")),
            *(directory / name for name in ("state.json", "hooks.json", "events.log.torn")),
            *(logist.home / name for name in ("supervisor.json", "supervisor.log", "ended.index")),
        ):
            path.unlink(missing_ok=True)
            PLANTS[kind](path, victim)
        kill(supervisor)
        assert logist.status(job)["lifecycle"] == "running"
        assert [each["id"] for each in logist.json("ls")] == [job]
        assert logist("logs", job).stdout == "begun\n"
        if (logist.home / "supervisor.log").is_fifo() or (logist.home / "supervisor.log").is_symlink():
            (logist.home / "supervisor.log").unlink()  # refused by name, which the last test here shows
        gate.touch()
        status = logist.ended(job)
        assert status["exit"] == {"code": 7, "signal": None}
        assert len(status["attempts"]) == 1
        assert is_unharmed()


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_case_56_the_supervisors_log_is_refused_where_something_else_stands_in_its_place(
    logist: Logist, kind: str
) -> None:
    Home.open(logist.home)
    with victim_of(logist.home.parent) as (victim, is_unharmed):
        PLANTS[kind](logist.home / "supervisor.log", victim)
        ran = logist("run", "-d", "-a", "command", "--", "true", code=None, timeout_s=30)
        assert ran.returncode != 0
        assert "supervisor.log is not a regular file" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert is_unharmed()
    (logist.home / "supervisor.log").unlink()


@pytest.mark.parametrize("kind", PLANTS)
def test_case_56_what_is_planted_in_place_of_a_jobs_lock_is_refused_or_harmless(tmp_path: Path, kind: str) -> None:
    store = JobStore(Home.open(tmp_path / "home"))
    spec = JobSpec(id=new_id(), agent="a", runtime="r", sentinel="s", cwd="/", created_at=1.0)
    store.create(spec, None)
    lock = store.job_dir(spec.id) / "job.lock"
    lock.unlink()
    with victim_of(tmp_path) as (victim, is_unharmed):
        PLANTS[kind](lock, victim)
        with contextlib.suppress(LogistError), store.transaction(spec.id, "cli", timeout_s=0.1) as tx:
            tx.append("job.held", reason="it can be locked all the same")
        assert is_unharmed()
    assert store.status(spec.id).lifecycle.value in ("queued", "held")


# Other users


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody can enter, unlike those that pytest makes."""
    path = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def as_nobody(work: Callable[[], object]) -> str:
    """Do `work` as another user, in a fork; return what it returned or raised."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            try:
                said = repr(work())
            except OSError as error:
                said = type(error).__name__
            os.write(write, said.encode())
        finally:
            os._exit(0)
    os.close(write)
    try:
        assert select.select([read], [], [], 20)[0], "it hangs"
        return os.read(read, 65536).decode()
    finally:
        os.close(read)
        os.waitpid(pid, 0)


@as_root
def test_case_56_wide_modes_inside_of_a_home_open_nothing_to_others(public: Path) -> None:
    store = JobStore(Home.open(public / "home"))
    spec = JobSpec(id=new_id(), agent="a", runtime="r", sentinel="s", cwd="/", created_at=1.0)
    store.create(spec, None)
    directory = store.make_attempt_dir(spec.id, 1)
    log = directory / "out.log"
    log.write_text("x")
    for path in (store.home.jobs, store.job_dir(spec.id), directory.parent, directory, log):
        path.chmod(0o777)
        os.chown(path, NOBODY, NOBODY)
    assert as_nobody(lambda: os.listdir(store.home.jobs)) == "PermissionError"
    assert as_nobody(lambda: os.listdir(directory)) == "PermissionError"
    assert as_nobody(log.read_text) == "PermissionError"
    journal = store.journal_path(spec.id)
    assert as_nobody(lambda: journal.write_text("")) == "PermissionError"
    assert store.status(spec.id).lifecycle.value == "queued"


@as_root
def test_case_56_a_home_that_others_can_write_or_own_is_refused_by_every_command(logist: Logist) -> None:
    Home.open(logist.home)
    logist.home.chmod(0o777)
    for command in (["ls"], ["run", "-d", "-a", "command", "--", "true"], ["supervise", "--status"]):
        ran = logist(*command, code=None)
        assert ran.returncode != 0
        assert "can be used by other users (mode 0777)" in ran.stderr
        assert f"chmod 700 {logist.home}" in ran.stderr
    logist.home.chmod(0o700)
    os.chown(logist.home, NOBODY, NOBODY)
    for command in (["ls"], ["run", "-d", "-a", "command", "--", "true"]):
        ran = logist(*command, code=None)
        assert ran.returncode != 0
        assert f"belongs to user {NOBODY}" in ran.stderr
    os.chown(logist.home, 0, 0)
    assert logist("ls").returncode == 0


@as_root
def test_case_53_another_user_gets_no_word_out_of_a_keeper(public: Path) -> None:
    with attempts_in_a_place_of_their_own() as attempts:
        attempt = attempts.shell("sleep 60", pty=True)
        path = attempt.record("shim.json")["socket"]
        greeting = attempt.hello("viewer", cols=80, rows=24)

        def talk() -> bytes:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(10)
            connection.connect(path)
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(greeting)
            with contextlib.suppress(ConnectionResetError):
                return connection.recv(65536)
            return b""

        assert as_nobody(talk) == "PermissionError"
        # With the directories and the socket wide open it is the kernel's word on who is there that counts.
        for opened in (attempts.root, attempts.root / "run", attempts.root / "run/logist", Path(path)):
            opened.chmod(0o777)
        assert as_nobody(talk) == "b''"
        assert attempt.probe().conditions == ()
        attempt.end()


@as_root
def test_case_53_datagrams_of_others_and_garbage_do_nothing_to_a_supervisor(logist: Logist) -> None:
    gate = logist.home.parent / "gate"
    job = logist.shell(f"while [ ! -e {gate} ]; do sleep 0.05; done; exit 7")
    logist.until(job, "running")
    supervisor = logist.supervisor_pid()
    path = json.loads((logist.home / "supervisor.json").read_text())["socket"]

    def send(*messages: bytes) -> int:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.connect(path)
        return sum(sock.send(message) for message in messages)

    assert as_nobody(lambda: send(b"x")) == "PermissionError"
    events = logist("events", job, "--json").stdout
    garbage = [
        b"",
        b"\0" * 128,
        b"\xff" * 60_000,
        b"../../etc/passwd",
        b"x" * 10_000,
        job.encode() * 20,
        os.urandom(64),
    ]
    send(*garbage, *(b"%016d" % n for n in range(2000)))
    assert logist("events", job, "--json").stdout == events
    other = logist.shell("exit 3")
    assert logist.ended(other)["exit"]["code"] == 3
    assert logist.supervisor_pid() == supervisor
    gate.touch()
    assert logist.ended(job)["exit"]["code"] == 7
    log = (logist.home / "supervisor.log").read_text()
    assert "Traceback" not in log
    assert len(log) < 20_000


def test_case_53_half_a_frame_at_the_end_of_a_connection_costs_nothing() -> None:
    with attempts_in_a_place_of_their_own() as attempts:
        attempt = attempts.shell('read x; echo "<$x>"; exit 7', pty=True)
        greeting = attempt.hello("control")
        for size in range(0, len(greeting), 7):
            connection = attempt.connect()
            connection.sendall(greeting[:size])
            connection.close()
        attempt.runtime.write(attempt.handle, b"still there\n")
        end = attempt.ended()
        assert end.exit is not None
        assert end.exit.code == 7
        eventually(lambda: b"<still there>" in attempt.out)
