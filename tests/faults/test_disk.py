"""Disks that are full, read-only or broken, directories that go away: the job lives, and its exit is the true one."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.runtime import HostRuntime
from logist_runtime_host.serving import WRAPPER_VARIABLE
from support.bare_attempts import Attempt, Attempts, attempts_in, mounted
from support.logist import Logist, kill
from support.waiting import eventually

from logist_core.api import KILL_NOW, ProbeState, RuntimeUnavailable


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Attempts]:
    with attempts_in(monkeypatch) as lab:
        os.mkfifo(lab.root / "gate")
        yield lab


@pytest.fixture
def disk(lab: Attempts) -> Iterator[Path]:
    with mounted(lab.root / "disk", "tmpfs", "size=4m") as place:
        yield place


def fill(place: Path) -> None:
    """Leave not a byte free."""
    with contextlib.suppress(OSError), open(place / "fill", "ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert os.statvfs(place).f_bavail == 0


def go_on(lab: Attempts) -> None:
    """Let the job that waits at the gate go on."""
    (lab.root / "gate").write_text("go\n")


def exit_code(attempt: Attempt) -> int | None:
    exit = attempt.ended().exit
    return exit.code if exit is not None else None


def ends_with(attempt: Attempt, code: int) -> None:
    eventually(lambda: attempt.record("exit.json"), what="an exit record")
    assert attempt.record("exit.json")["code"] == code
    assert exit_code(attempt) == code


# --- 35: a full disk ----------------------------------------------------------------------------------------------


def test_case_35_a_disk_that_is_full_before_the_start_refuses_it_with_the_reason(lab: Attempts, disk: Path) -> None:
    fill(disk)
    with pytest.raises(RuntimeUnavailable, match="the disk is nearly full: 0"):
        lab.shell("echo never", directory=disk / "a")
    (disk / "fill").unlink()
    assert exit_code(lab.shell("exit 3", directory=disk / "b")) == 3


@pytest.mark.parametrize("free", [0, 4096, 8192, 16384, 24576, 40960, 65536 + 16384])
def test_case_35_a_disk_that_fills_up_during_the_start_refuses_it_or_runs_it_and_never_both(
    lab: Attempts, disk: Path, free: int
) -> None:
    lab.runtime = HostRuntime(min_free_bytes=0, start_timeout_s=10.0)
    with open(disk / "spare", "wb") as file:
        file.write(bytes(free))
    fill(disk)
    (disk / "spare").unlink()
    began = time.monotonic()
    ran = lab.root / "ran"
    try:
        attempt = lab.shell(f"echo x >> {ran}; exit 3", directory=disk / "a")
    except RuntimeUnavailable as error:
        assert "space" in str(error)
        attempt = lab.all[-1]
        assert not ran.exists()
        assert not attempt.record("child.json") or attempt.record("child.json").get("void")
    else:
        (disk / "fill").unlink()
        assert exit_code(attempt) == 3
        assert ran.read_text() == "x\n"
    assert time.monotonic() - began < 10.0


def test_case_35_a_full_disk_throttles_a_terminal_and_loses_nothing_of_it(lab: Attempts, disk: Path) -> None:
    attempt = lab.shell("stty -opost; read x; seq 1 100000; exit 3", directory=disk / "a", pty=True)
    assert attempt.handle is not None
    fill(disk)
    lab.runtime.write(attempt.handle, b"go\n")
    assert attempt.probe().state is ProbeState.RUNNING
    (disk / "fill").unlink()
    assert exit_code(attempt) == 3
    assert attempt.log().split(b"\n", 1)[1] == b"".join(b"%d\n" % n for n in range(1, 100001))


def test_case_35_in_file_mode_a_full_disk_is_the_jobs_own_affair(lab: Attempts, disk: Path) -> None:
    script = f"read x < {lab.root}/gate; seq 1 100000 || exit 4; exit 5"
    attempt = lab.shell(script, directory=disk / "a")
    fill(disk)
    go_on(lab)
    ends_with(attempt, 4)
    assert b"No space left" in attempt.log("err.log") or attempt.log("err.log") == b""


@pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])
def test_case_35_the_reserve_takes_the_exit_on_a_full_disk(lab: Attempts, disk: Path, pty: bool) -> None:
    attempt = lab.shell(f"read x < {lab.root}/gate; exit 3", directory=disk / "a", pty=pty)
    fill(disk)
    go_on(lab)
    ends_with(attempt, 3)
    assert (disk / "fill").exists()
    assert not (attempt.directory / ".reserve").exists()


def test_case_35_without_the_reserve_the_exit_is_kept_until_there_is_space(lab: Attempts, disk: Path) -> None:
    attempt = lab.shell(f"read x < {lab.root}/gate; exit 3", directory=disk / "a")
    (attempt.directory / ".reserve").unlink()
    fill(disk)
    go_on(lab)
    answer = eventually(lambda: a if (a := attempt.probe()).detail else None, what="an end")
    assert (answer.state, answer.detail) == (ProbeState.RUNNING, "it ended; its exit is being written down")
    assert attempt.record("exit.json") == {}
    (disk / "fill").unlink()
    ends_with(attempt, 3)


def test_case_35_a_disk_full_at_the_last_record_has_the_exit_and_ends_when_there_is_space(
    lab: Attempts, disk: Path
) -> None:
    attempt = lab.shell(f"read x < {lab.root}/gate; exit 3", directory=disk / "a")
    fill(disk)
    # The reserve goes for the exit; whoever takes what is left of it keeps the last record waiting.
    pump = attempt.pump
    os.kill(pump, signal.SIGSTOP)
    try:
        go_on(lab)
        eventually(lambda: attempt.record("exit.json"), what="the exit")
        fill(disk)
    finally:
        os.kill(pump, signal.SIGCONT)
    waits = "it ended; its last record waits for space on the disk"
    answer = eventually(lambda: a if (a := attempt.probe()).detail == waits else None, what="the exit, told")
    assert (answer.state, answer.conditions) == (ProbeState.RUNNING, ())
    (disk / "fill").unlink()
    ends_with(attempt, 3)


def test_case_35_a_job_waits_for_space_and_says_so_and_runs_when_there_is_some(logist: Logist) -> None:
    job = logist.shell("exit 0", "--runtime-set", f"min_free={1 << 60}")
    status = logist.until(job, "waiting")
    assert "the disk is nearly full" in status["reason"]
    assert "1099511627776.0 MiB wanted" in status["reason"]
    assert status["attempts"][0]["state"] == "failed_to_start"
    logist("kill", job)


def test_case_35_a_home_that_fills_up_costs_no_running_job_its_exit(logist: Logist) -> None:
    with mounted(logist.home, "tmpfs", "size=6m"):
        os.mkfifo(logist.home.parent / "gate")
        job = logist.shell("read x < gate; exit 3", "-C", str(logist.home.parent))
        logist.until(job, "running")
        logist.fact(job, "child.json")
        fill(logist.home)
        refused = logist("run", "-d", "-a", "command", "--", "true", code=1)
        assert "No space left on device" in refused.stderr
        assert "Try: free some space" in refused.stderr
        (logist.home.parent / "gate").write_text("go\n")
        assert logist.fact(job, "exit.json")["code"] == 3
        (logist.home / "fill").unlink()
        status = logist.ended(job)
        assert (status["lifecycle"], status["exit"]) == ("failed", {"code": 3, "signal": None})
        assert logist.ended(logist.shell("true"))["lifecycle"] == "succeeded"
        assert not logist.clean_up()


@pytest.mark.parametrize("words", [("kill",), ("stop", "--grace", "0.2s")], ids=["kill", "stop"])
def test_case_35_a_job_that_fills_the_whole_home_can_be_killed_and_is_recorded_as_cancelled(
    logist: Logist, words: tuple[str, ...]
) -> None:
    with mounted(logist.home, "tmpfs", "size=6m"):
        job = logist.shell("yes; sleep 60", "-C", str(logist.home.parent), "--runtime-set", "min_free=0")
        logist.until(job, "running")
        child = logist.fact(job, "child.json")["pid"]
        fill(logist.home)
        logist(*words, job)
        eventually(lambda: not is_alive(child), what="its end")
        (logist.home / "fill").unlink()
        status = logist.ended(job)
        assert (status["lifecycle"], status["attempts"][0]["exit"]["signal"]) in (
            ("cancelled", signal.SIGKILL),
            ("cancelled", signal.SIGTERM),
        )
        assert not logist.clean_up()


def is_alive(pid: int) -> bool:
    process = keeper.SYSTEM.process(pid)
    return process is not None and process.state not in "ZX"


@pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])
def test_case_35_a_job_can_be_killed_on_a_full_disk(lab: Attempts, disk: Path, pty: bool) -> None:
    attempt = lab.shell("echo one; yes; sleep 60", directory=disk / "a", pty=pty)
    assert attempt.handle is not None
    attempt.holds(b"one")
    fill(disk)
    lab.runtime.stop(attempt.handle, KILL_NOW)
    exit = eventually(lambda: attempt.record("exit.json"), what="an exit record")
    assert exit["signal"] == signal.SIGKILL
    (disk / "fill").unlink()
    attempt.ended()


# --- 36, 37: a disk that fails -------------------------------------------------------------------------------------


def test_case_36_an_exit_that_can_not_be_forced_to_disk_is_recorded_all_the_same(
    lab: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WRAPPER_VARIABLE, str(Path(__file__).with_name("failing_keeper.py")))
    attempt = lab.shell(f"read x < {lab.root}/gate; exit 3")
    (lab.root / "fsync-fails").touch()
    go_on(lab)
    ends_with(attempt, 3)


def test_case_36_a_start_that_can_not_be_forced_to_disk_is_refused(
    lab: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WRAPPER_VARIABLE, str(Path(__file__).with_name("failing_keeper.py")))
    (lab.root / "fsync-fails").touch()
    with pytest.raises(RuntimeUnavailable, match="Input/output error"):
        lab.shell(f"touch {lab.root}/ran")
    assert not (lab.root / "ran").exists()
    assert lab.all[-1].record("child.json") == {}


def test_case_37_on_a_disk_that_became_read_only_no_exit_is_made_up(lab: Attempts) -> None:
    image = lab.root / "image"
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed")
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    place = lab.root / "disk"
    place.mkdir()
    mount = ["mount", "-o", "loop", str(image), str(place)]
    if (made := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"no file can be mounted here: {made.stderr.strip()}")
    try:
        attempt = lab.shell(f"read x < {lab.root}/gate; exit 3", directory=place / "a")
        # What the kernel does of itself when it finds the file system damaged.
        subprocess.run(["mount", "-o", "remount,abort", str(place)], check=False, capture_output=True)
        go_on(lab)
        answer = eventually(lambda: a if (a := attempt.probe()).detail else None, what="an end")
        assert (answer.state, answer.detail) == (ProbeState.RUNNING, "it ended; its exit is being written down")
        with pytest.raises(RuntimeUnavailable):
            lab.shell("true", directory=attempt.directory)
        guard, pump = attempt.guard, attempt.pump
        os.kill(guard, signal.SIGSTOP)
        kill(pump)
        kill(guard)
        answer = eventually(lambda: a if (a := attempt.probe()).state is ProbeState.GONE else None, what="gone")
        assert answer.exit is None
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


# --- 38: no inodes -------------------------------------------------------------------------------------------------


def test_case_38_without_inodes_the_exit_is_recorded_and_starts_are_refused(lab: Attempts) -> None:
    with mounted(lab.root / "disk", "tmpfs", "size=4m", "nr_inodes=80") as place:
        attempt = lab.shell(f"read x < {lab.root}/gate; exit 3", directory=place / "a")
        (place / "many").mkdir()
        with contextlib.suppress(OSError):
            for number in range(1000):
                (place / "many" / str(number)).touch()
        go_on(lab)
        eventually(lambda: attempt.record("exit.json"), what="an exit record")
        assert attempt.record("exit.json")["code"] == 3
        (place / "many" / "0").unlink()
        (place / "many" / "1").unlink()
        assert exit_code(attempt) == 3
        (place / "b").mkdir(mode=0o700)
        with pytest.raises(RuntimeUnavailable, match="inodes left"):
            lab.shell("true", directory=place / "b")


# --- 39: no descriptors --------------------------------------------------------------------------------------------


def limit_descriptors(pid: int, *, none_left: bool) -> None:
    """Let a process open no further file, or as many as we may."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if none_left:
        taken = settled_descriptors(pid)
        limits = (min(set(range(len(taken) + 1)) - taken), limits[1])
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def settled_descriptors(pid: int) -> set[int]:
    """Return what a process has open, once it has closed what it is about to close."""

    def look() -> set[int]:
        return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}

    def settled() -> set[int] | None:
        before = look()
        time.sleep(0.1)
        return before if look() == before else None

    return eventually(settled, what=f"settled descriptors of {pid}") or set()


def test_case_39_a_guard_without_descriptors_keeps_the_exit_until_it_has_one(lab: Attempts) -> None:
    attempt = lab.shell(f"read x < {lab.root}/gate; exit 3")
    guard = attempt.guard
    limit_descriptors(guard, none_left=True)
    go_on(lab)
    answer = eventually(lambda: a if (a := attempt.probe()).detail else None, what="an end")
    assert answer.state is ProbeState.RUNNING
    assert attempt.record("exit.json") == {}
    limit_descriptors(guard, none_left=False)
    ends_with(attempt, 3)


def test_case_39_a_pump_without_descriptors_does_not_spin_and_answers_when_it_has_one(lab: Attempts) -> None:
    attempt = lab.shell(f"read x < {lab.root}/gate; exit 3")
    assert attempt.probe().state is ProbeState.RUNNING
    pump = attempt.pump
    limit_descriptors(pump, none_left=True)
    before = cpu_s(pump)
    began = time.monotonic()
    answer = attempt.probe()  # it waits for a second for the pump's word
    assert (answer.state, answer.conditions) == (ProbeState.RUNNING, ("unresponsive",))
    assert cpu_s(pump) - before < (time.monotonic() - began) / 4
    limit_descriptors(pump, none_left=False)
    eventually(lambda: attempt.probe().conditions == (), what="an answer")
    go_on(lab)
    ends_with(attempt, 3)


@pytest.mark.parametrize("words", [["ls"], ["run", "--agent", "command", "--", "true"], ["status", "job"]])
def test_case_39_a_command_without_descriptors_works_or_says_why_in_one_line(logist: Logist, words: list[str]) -> None:
    logist.ended(logist.shell("true"))
    for limit in (5, 6, 7, 8):
        command = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", sys.executable, "-m", "logist_core", *words]
        found = subprocess.run(command, env=logist.environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in found.stderr + found.stdout
        assert "internal error" not in found.stderr
        assert found.returncode == 0 or found.stderr.count("Try: ") == 1, (limit, found.stderr)


def cpu_s(pid: int) -> float:
    process = keeper.SYSTEM.process(pid)
    assert process is not None
    return process.cpu_s


# --- 41: a directory that goes away --------------------------------------------------------------------------------


def test_case_41_a_directory_that_is_renamed_goes_with_its_records(lab: Attempts) -> None:
    attempt = lab.shell(f"echo one; read x < {lab.root}/gate; echo two; exit 3")
    attempt.holds(b"one")
    moved = attempt.directory.rename(lab.root / "moved")
    answer = attempt.probe()
    assert answer.state is ProbeState.UNKNOWN
    assert "is gone, but 1 of its processes live" in answer.detail
    go_on(lab)
    done = eventually(lambda: (moved / "done.json").exists() and (moved / "exit.json").read_text(), what="the end")
    assert '"code": 3' in done
    assert (moved / "out.log").read_bytes() == b"one\ntwo\n"
    assert attempt.probe().state is ProbeState.GONE


@pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])
def test_case_41_a_directory_that_is_removed_leaves_no_process_behind(lab: Attempts, pty: bool) -> None:
    attempt = lab.shell(f"echo one; read x < {lab.root}/gate; echo two; exit 3", pty=pty)
    attempt.holds(b"one")
    guard, pump = attempt.guard, attempt.pump
    shutil.rmtree(attempt.directory)
    go_on(lab)
    eventually(lambda: attempt.probe().state is ProbeState.GONE, what="its end")
    eventually(lambda: not ({guard, pump} & living()), what="the end of guard and pump")


def living() -> set[int]:
    return {process.pid for process in keeper.SYSTEM.processes() if process.state not in "ZX"}


def test_case_41_a_job_whose_directory_is_removed_costs_no_other_job_anything(logist: Logist) -> None:
    place = logist.home.parent
    for name in ("gone", "other"):
        os.mkfifo(place / name)
    gone = logist.shell("read x < gone", "-C", str(place))
    other = logist.shell("read x < other; exit 6", "-C", str(place))
    logist.until(gone, "running")
    logist.until(other, "running")
    supervisor = logist.supervisor_pid()
    shutil.rmtree(logist.home / "jobs" / gone)
    assert "no job" in logist("status", gone, code=None).stderr
    (place / "gone").write_text("go\n")
    (place / "other").write_text("go\n")
    assert logist.ended(other)["exit"]["code"] == 6
    assert logist.supervisor_pid() == supervisor
