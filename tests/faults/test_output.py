"""Output of every shape and size: complete, bounded where it was asked to be, and harmless to whoever reads it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from logist_runtime_host import keeper
from support.bare_attempts import Attempt, Attempts, attempts_in, mounted
from support.logist import Logist, kill
from support.waiting import eventually

from logist_core.api import KILL_NOW, ProbeState
from logist_core.cli.follow import Tail as Follower
from logist_core.cli.params import SIZE
from logist_core.errors import UsageError
from logist_core.jobs.holes import Hole, hole_of
from logist_core.observe.tail import Tail

LIMIT = 1 << 20
LINE = 16
#: Writes lines that say where they stand: `%015d\n`, as many as its argument says.
FLOOD = f"""{sys.executable} -c '
import os, sys
for first in range(0, int(sys.argv[1]), 4096):
    data = b"".join(b"%015d\\n" % n for n in range(first, min(first + 4096, int(sys.argv[1]))))
    while data:
        data = data[os.write(1, data):]
' """
TERMINALS = pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Attempts]:
    with attempts_in(monkeypatch) as lab:
        yield lab


def lines(begin: int, end: int) -> bytes:
    """Return the bytes from `begin` to `end` of what `FLOOD` writes."""
    first, last = begin // LINE, -(-end // LINE)
    text = b"".join(b"%015d\n" % number for number in range(first, last))
    return text[begin - first * LINE : end - first * LINE]


def flood(count: int) -> str:
    """Return a script that floods; on a terminal, without the carriage returns that it would add."""
    return f"[ -t 1 ] && stty -opost; {FLOOD} {count}"


def kept_exactly(attempt: Attempt, size: int, limit: int = LIMIT) -> Hole:
    """Check that a flood's log has its head and its tail, at their places, and that the rest takes no space."""
    log = attempt.directory / "out.log"
    hole = hole_of(log)
    assert hole is not None
    text = log.read_bytes()
    assert len(text) == size
    assert text[: hole.start] == lines(0, hole.start)
    assert text[hole.end :] == lines(hole.end, size)
    assert not any(text[hole.start : hole.end])
    assert hole.start == limit // 4
    assert size - hole.end >= (limit - hole.start) * 7 // 8
    assert os.stat(log).st_blocks * 512 <= limit + keeper.HOLE_ALIGN
    return hole


# --- 33: bytes of every kind --------------------------------------------------------------------------------------

STRANGE = {
    "no newline": (r"printf 'no end'", b"no end"),
    "NUL": (r"printf 'a\000b\n'", b"a\0b\n"),
    "invalid UTF-8": (r"printf '\377\376\300\200\n'", b"\xff\xfe\xc0\x80\n"),
    "half a character": (r"printf 'caf\303'", b"caf\xc3"),
    "nothing": ("true", b""),
}


@TERMINALS
@pytest.mark.parametrize("kind", STRANGE)
def test_case_33_bytes_of_any_kind_reach_the_log_as_they_are(lab: Attempts, kind: str, pty: bool) -> None:
    script, expected = STRANGE[kind]
    attempt = lab.shell(f"{script}; exit 3", pty=pty)
    exit = attempt.ended().exit
    assert exit is not None
    assert (exit.code, attempt.log()) == (3, expected.replace(b"\n", b"\r\n") if pty else expected)


def test_case_33_bytes_of_any_kind_are_shown_without_harm_and_exactly_with_raw(logist: Logist) -> None:
    job = logist.shell(r"printf 'a\000b\377\n\033]52;c;AAAA\007no end'")
    logist.ended(job)
    shown = logist("logs", job).stdout
    assert shown.splitlines()[0].startswith("a")
    assert shown.endswith("no end")
    assert not set(shown) & set("\0\x07\x1b")
    raw = logist("logs", "--raw", job, encoding="latin-1").stdout
    assert raw == "a\0b\xff\n\x1b]52;c;AAAA\x07no end"


def test_case_33_a_single_line_of_a_hundred_megabytes_costs_the_supervisor_no_memory(logist: Logist) -> None:
    job = logist.shell("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end; sleep 60")
    log = logist.attempt_dir(job) / "out.log"
    eventually(lambda: log.exists() and log.stat().st_size == 100_000_005, within_s=60, what="the line")
    supervisor = logist.supervisor_pid()

    def read_on() -> int:
        return int(logist.status(job)["attempts"][0]["number"]) and read_bytes_of(supervisor)

    eventually(lambda: read_on() >= 100_000_000, within_s=60, what="the observer to have read it")
    assert private_bytes(supervisor) < 120 << 20
    assert logist("logs", "-n", "1", job).stdout == "end\n"
    logist("kill", job)


def read_bytes_of(pid: int) -> int:
    """Return how many bytes a process has read so far."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["rchar"])


def private_bytes(pid: int) -> int:
    """Return the memory that a process shares with nobody."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private"):
            total += int(line.split()[1]) * 1024
    return total


# --- 34: floods ---------------------------------------------------------------------------------------------------


@TERMINALS
def test_case_34_a_flood_keeps_exactly_its_head_and_its_tail(lab: Attempts, pty: bool) -> None:
    count = (6 * LIMIT) // LINE
    attempt = lab.shell(f"{flood(count)}; exit 9", pty=pty, max_log_bytes=LIMIT)
    exit = attempt.ended().exit
    assert exit is not None
    assert exit.code == 9
    hole = kept_exactly(attempt, count * LINE)
    assert attempt.record("done.json")["out_bytes"] == count * LINE
    assert hole.size_bytes > 4 * LIMIT


def test_case_34_standard_error_has_a_limit_of_its_own(lab: Attempts) -> None:
    attempt = lab.shell(f"echo quiet; {FLOOD} {4 * LIMIT // LINE} >&2", max_log_bytes=LIMIT)
    attempt.ended()
    assert attempt.log() == b"quiet\n"
    hole = hole_of(attempt.directory / "err.log")
    assert hole is not None
    assert attempt.log("err.log")[hole.end :] == lines(hole.end, 4 * LIMIT)


def test_case_34_a_gigabyte_costs_the_pump_no_memory_and_the_disk_no_space(lab: Attempts) -> None:
    size = 1 << 30
    os.mkfifo(lab.root / "gate")
    script = f"head -c {size} /dev/zero | tr '\\0' x; read x < {lab.root}/gate"
    attempt = lab.shell(script, max_log_bytes=8 << 20)
    log = attempt.directory / "out.log"
    most_blocks = 0

    def written() -> bool:
        nonlocal most_blocks
        found = os.stat(log)
        most_blocks = max(most_blocks, found.st_blocks * 512)
        return found.st_size == size

    eventually(written, within_s=100, what="the flood")
    assert private_bytes(attempt.pump) < 12 << 20
    (lab.root / "gate").write_text("go\n")
    attempt.ended()
    assert os.stat(log).st_blocks * 512 <= (8 << 20) + keeper.HOLE_ALIGN
    # A job that writes its log itself isn't held up: between two looks it may be over its limit, but not by much.
    assert most_blocks < size // 2


@TERMINALS
def test_case_34_a_kill_of_the_pump_in_the_flood_leaves_no_space_taken(lab: Attempts, pty: bool) -> None:
    count = (12 * LIMIT) // LINE
    attempt = lab.shell(f"{flood(count)}; exit 9", pty=pty, max_log_bytes=LIMIT)
    log = attempt.directory / "out.log"
    for part in (2, 4, 6):
        eventually(lambda least=part: log.stat().st_size > least * LIMIT, what="the flood")
        if attempt.probe().state is ProbeState.RUNNING:
            kill(attempt.pump)
    exit = attempt.ended().exit
    assert exit is not None
    assert exit.code == 9
    if not pty:
        kept_exactly(attempt, count * LINE)
    assert os.stat(log).st_blocks * 512 <= LIMIT + keeper.HOLE_ALIGN


def test_case_34_a_limit_wakes_nobody_up_while_nothing_is_written(lab: Attempts) -> None:
    attempt = lab.shell(f"{FLOOD} {3 * LIMIT // LINE}; echo over; sleep 60", max_log_bytes=LIMIT)
    attempt.holds(b"over")
    pump = attempt.pump

    def sleeps() -> int:
        words = Path(f"/proc/{pump}/status").read_text().split("voluntary_ctxt_switches:")
        return int(words[1].split()[0])

    def stands_still() -> bool:
        before = sleeps()
        threading.Event().wait(0.5)
        return sleeps() == before

    eventually(stands_still, what="a pump that sleeps")
    lab.runtime.stop(attempt.handle, KILL_NOW)


def test_case_34_where_the_file_system_makes_no_holes_the_log_grows_and_the_status_says_so(lab: Attempts) -> None:
    with mounted(lab.root / "ram", "ramfs") as place:
        script = f"{FLOOD} {3 * LIMIT // LINE}; read forever < {lab.root}/gate"
        os.mkfifo(lab.root / "gate")
        attempt = lab.shell(script, directory=place / "a", max_log_bytes=LIMIT)
        answer = eventually(lambda: a if "log_unbounded" in (a := attempt.probe()).conditions else None)
        assert "Operation not supported" in answer.detail
        (lab.root / "gate").write_text("go\n")
        attempt.ended()
        assert attempt.log() == lines(0, 3 * LIMIT)
        assert attempt.record("out.log.holes")["unbounded"] == "Operation not supported"


def test_a_limited_job_says_in_its_status_and_its_logs_what_was_dropped(logist: Logist) -> None:
    job = logist.shell("echo begin; seq 1000000 1600000", "--max-log-bytes", "1m")
    logist.ended(job)
    path = logist.attempt_dir(job) / "out.log"
    hole = hole_of(path)
    assert hole is not None
    assert "of it dropped by --max-log-bytes" in logist("status", job).stdout
    told = f"[... {hole.size_bytes} bytes dropped by --max-log-bytes ...]"
    shown = logist("logs", job).stdout
    assert shown.startswith("begin\n1000000\n")
    assert shown.endswith("\n1600000\n")
    assert shown.count(told + "\n") == 1
    assert "\0" not in shown
    raw = logist("logs", "--raw", job)
    text = path.read_text()
    assert raw.stdout == text[: hole.start] + text[hole.end :]
    assert told in raw.stderr
    assert logist("logs", "-n", "2", job).stdout == "1599999\n1600000\n"
    assert told in logist("logs", "-n", "500000", job).stdout


def test_the_limit_comes_from_the_command_line_then_from_the_configuration(logist: Logist) -> None:
    logist("config", "set", "max_log_bytes", str(2 << 20))
    one, two, three = (
        logist.shell("true", *more) for more in ((), ("--max-log-bytes", "64m"), ("--max-log-bytes", "0"))
    )
    logist("wait", one, two, three)
    limits = [logist.fact(job, "launch.json")["max_log_bytes"] for job in (one, two, three)]
    assert limits == [2 << 20, 64 << 20, None]


@pytest.mark.parametrize("text", ["-1", "many", "1x", "", "1.2.3m", "m"])
def test_a_size_that_is_none_is_refused_with_what_to_write_instead(text: str) -> None:
    with pytest.raises(UsageError, match="is no size") as refused:
        SIZE.convert(text, None, None)
    assert refused.value.hint == "a number of bytes, or 64k, 64m, 2g"


def test_a_size_is_a_number_with_or_without_a_unit() -> None:
    sizes = [SIZE.convert(text, None, None) for text in ("0", "70000", "64k", "1.5M", "2GiB", "1tb", 7)]
    assert sizes == [0, 70000, 65536, 3 << 19, 2 << 30, 1 << 40, 7]


def test_a_limit_that_would_keep_nothing_worth_keeping_is_refused(logist: Logist) -> None:
    refused = logist("run", "-d", "-a", "command", "--max-log-bytes", "1000k", "--", "true", code=2)
    assert "--max-log-bytes 1024000 is too little" in refused.stderr
    assert "1m or more" in refused.stderr
    assert logist("config", "set", "max_log_bytes", "5", code=2).stderr.count("max_log_bytes must be 1048576") == 1


# --- 40: a log that somebody deletes or cuts off ------------------------------------------------------------------


@TERMINALS
def test_case_40_a_log_that_is_deleted_costs_the_job_nothing(lab: Attempts, pty: bool) -> None:
    os.mkfifo(lab.root / "gate")
    attempt = lab.shell(f"echo one; read x < {lab.root}/gate; echo two; exit 6", pty=pty, max_log_bytes=LIMIT)
    attempt.holds(b"one")
    (attempt.directory / "out.log").unlink()
    (lab.root / "gate").write_text("go\n")
    exit = attempt.ended().exit
    assert exit is not None
    assert exit.code == 6


@TERMINALS
def test_case_40_a_log_that_is_cut_off_goes_on_at_its_new_end(lab: Attempts, pty: bool) -> None:
    os.mkfifo(lab.root / "gate")
    count = 3 * LIMIT // LINE
    script = f"{flood(count)}; read x < {lab.root}/gate; echo two; exit 6"
    attempt = lab.shell(script, pty=pty, max_log_bytes=LIMIT)
    log = attempt.directory / "out.log"
    eventually(lambda: log.stat().st_size == count * LINE and hole_of(log), what="the flood")
    os.truncate(log, 0)
    (lab.root / "gate").write_text("go\n")
    exit = attempt.ended().exit
    assert exit is not None
    assert (exit.code, attempt.log()) == (6, b"two\n")
    assert hole_of(log) is None


def test_case_40_a_job_whose_log_is_cut_off_is_read_on_and_ends_well(logist: Logist) -> None:
    job = logist.shell("echo one; read x < gate; echo two; exit 6", "-C", str(gated(logist)))
    log = logist.attempt_dir(job) / "out.log"
    eventually(lambda: log.exists() and log.read_bytes() == b"one\n")
    with logist.popen("logs", "-f", job) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "one\n"
        os.truncate(log, 0)
        (logist.home.parent / "gate").write_text("go\n")
        status = logist.ended(job)
        follower.communicate(timeout=30)
    assert status["exit"] == {"code": 6, "signal": None}
    assert logist("logs", job).stdout == "two\n"


def gated(logist: Logist) -> Path:
    """Make a FIFO named `gate` that a job waits at, and return its directory."""
    os.mkfifo(logist.home.parent / "gate")
    return logist.home.parent


# --- 42: punching while others read -------------------------------------------------------------------------------


@TERMINALS
@pytest.mark.parametrize("reader", ["logs", "observer", "viewer"])
def test_case_42_whoever_reads_while_holes_are_punched_sees_each_byte_at_its_place(
    lab: Attempts, reader: str, pty: bool
) -> None:
    count = 16 * LIMIT // LINE
    attempt = lab.shell(f"{flood(count)}", pty=pty, max_log_bytes=LIMIT)
    log = attempt.directory / "out.log"
    if reader == "viewer":
        see_it_as_a_viewer(lab, attempt, pty)
        return
    tail = Tail(str(log)) if reader == "observer" else Follower(log)
    seen = 0

    def read() -> bool:
        nonlocal seen
        while data := tail.read(10_000) if isinstance(tail, Tail) else tail.read():
            assert data == lines(tail.offset - len(data), tail.offset)
            seen += len(data)
        return attempt.record("done.json") != {} and tail.offset == count * LINE

    eventually(read, within_s=100, what="the end of the log")
    assert seen >= LIMIT // 2
    if isinstance(tail, Follower):
        tail.close()


def see_it_as_a_viewer(lab: Attempts, attempt: Attempt, pty: bool) -> None:
    assert attempt.handle is not None
    channel = lab.runtime.attach(attempt.handle, cols=80, rows=24, read_only=True)
    seen = b""
    try:

        def ended() -> bool:
            nonlocal seen
            events = channel.receive()
            seen += b"".join(event.data for event in events)
            return any(event.kind in ("exit", "closed") for event in events)

        eventually(ended, within_s=100, what="the end")
    finally:
        channel.close()
    assert b"\0" not in seen
    last = b"%015d" % (16 * LIMIT // LINE - 1)
    assert last in seen


def test_case_42_a_follower_of_a_flooding_job_is_told_of_the_gaps_and_sees_no_zeros(logist: Logist) -> None:
    job = logist.shell(f"{FLOOD} {24 * LIMIT // LINE}", "--max-log-bytes", "1m")
    with logist.popen("logs", "-f", job) as follower:
        out, err = follower.communicate(timeout=100)
    assert follower.returncode == 0, err
    assert "\0" not in out
    assert out.splitlines()[-1] == f"{24 * LIMIT // LINE - 1:015d}"
    assert logist.ended(job)["lifecycle"] == "succeeded"


def test_case_42_the_observer_outlives_holes_in_what_it_has_not_read(lab: Attempts, logist: Logist) -> None:
    job = logist.shell("echo a; sleep 60", "--max-log-bytes", "1m")
    eventually(lambda: logist.status(job)["lifecycle"] == "running")
    supervisor = logist.supervisor_pid()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        log = logist.attempt_dir(job) / "out.log"
        with open(log, "ab", buffering=0) as file:
            file.write(lines(0, 8 * LIMIT))
        eventually(lambda: hole_of(log), what="a hole")
        with open(log, "ab", buffering=0) as file:
            file.write(b"\nanother line\n")
    finally:
        os.kill(supervisor, signal.SIGCONT)

    def told() -> bool:
        events = (logist.home / "jobs" / job / "events.log").read_text()
        return "output was dropped by --max-log-bytes before it was read" in events

    eventually(told, what="the observer's word")
    logist("kill", job)
    assert logist.ended(job)["lifecycle"] == "cancelled"
