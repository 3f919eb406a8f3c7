"""What an agent writes reaches no terminal alive, and what it must not tell stays in memory."""

from __future__ import annotations

import os
import re
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from logist_runtime_host import keeper
from support.attempts import attempts_in_a_place_of_their_own
from support.logist import Logist
from support.terminal import Terminal
from support.waiting import eventually

from logist_core import platform
from logist_core.jobs.home import Home
from logist_core.jobs.ids import new_id
from logist_core.jobs.store import JobStore
from logist_core.supervise import singleton
from logist_core.types.job import JobSpec

#: What asks a terminal for something, or reaches beyond its screen, in all the ways to write it.
ESCAPES = {
    "clipboard (OSC 52)": "\x1b]52;c;cm0gLXJmIH4K\x07",
    "title (OSC 0)": "\x1b]0;owned\x1b\\",
    "colour query (OSC 10)": "\x1b]10;?\x07",
    "status string query (DECRQSS)": "\x1bP$qm\x1b\\",
    "termcap query": "\x1bP+q544e\x1b\\",
    "device attributes": "\x1b[c\x1b[>c\x1b[=c\x1bZ",
    "cursor report": "\x1b[6n\x1b[?6n\x1b[5n",
    "mode report": "\x1b[?2026$p",
    "window operations": "\x1b[21t\x1b[8;1;1t",
    "keyboard report": "\x1b[?u",
    "answerback": "\x05",
    "8-bit sequences": "\x9d52;c;eA==\x9c\x9bc\x90$qm\x9c",
    "reset and clear": "\x1bc\x1b[2J\x1b[3J",
    "alternate screen": "\x1b[?1049h",
    "mouse": "\x1b[?1003h\x1b[?1006h",
    "application command": "\x1b_Gi=1;AAAA\x1b\\",
    "bidi": "\u202egnp.exe\u2066\u200f\u061c",
    "line separators": "\u2028\u2029\x85",
    "overwriting": "good\rbad\x08\x08",
}
HOSTILE = "".join(ESCAPES.values())
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_ALIVE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")
#: Queries to which a terminal would answer into its input.
_QUERY = re.compile(
    rb"\x05|\x1b\[[?>=]?[\d;]*c|\x1bZ|\x1b\[\??[\d;]*n|\x1b\[\??[\d;]*\$p|\x1b\[[\d;]*t|\x1b\[\?u|\x1b\]|\x1bP|\x1b_|\xc2[\x80-\x9f]"
)


def check_inert(text: str) -> None:
    """Fail if a terminal would do anything with `text` but show it in colours."""
    found = _ALIVE.findall(_SGR.sub("", text.replace("\r\n", "\n")))
    assert not found, f"{[hex(ord(c)) for c in found[:5]]} in {text!r}"


def prints(logist: Logist, job: str, text: bytes) -> None:
    """Wait until the job has printed `text`."""
    log = logist.attempt_dir(job) / "out.log"
    eventually(lambda: log.exists() and text in log.read_bytes(), what=f"{text!r} of {job}")


@pytest.fixture
def hostile_job(tmp_path: Path) -> Any:
    """A job of which every text is hostile; its home counts as supervised, for the job isn't real."""
    home = Home.open(tmp_path / "home")
    lock = singleton.acquire(home.path)
    assert lock is not None
    store = JobStore(home)
    spec = JobSpec(
        id=new_id(),
        agent="a" + HOSTILE,
        runtime="r" + HOSTILE,
        sentinel="s" + HOSTILE,
        cwd="/" + HOSTILE.replace("\0", ""),
        prompt=HOSTILE + "prompt",
        args=(HOSTILE, "arg"),
        name="name" + HOSTILE,
        labels={"key": HOSTILE + "label", HOSTILE: "x"},
        created_by=HOSTILE,
        created_at=time.time(),
    )
    store.create(spec, None)
    activity = {"state": "awaiting_input", "since": time.time(), "source": "text", "rule": "r" + HOSTILE}
    with store.transaction(spec.id, "supervisor" + HOSTILE) as tx:
        tx.append("attempt.starting", attempt=1, nonce="0" * 32, runtime="r" + HOSTILE, resumed=False, note=HOSTILE)
        tx.append("attempt.running", attempt=1, pid=4711, handle=None, started_at=time.time())
        tx.append("session.seen", session_id="s" + HOSTILE)
        tx.append("activity.changed", **activity, stream="out", offset=0, text=HOSTILE, confidence=0.9, expires=None)
        tx.append("condition.raised", condition="c" + HOSTILE, detail=HOSTILE)
        tx.append("sentinel.verdict", level="suspect", cause=HOSTILE, evidence=[HOSTILE], action="notify")
        tx.append("plugin.fault", kind="agent", name=HOSTILE, dist=HOSTILE, version=HOSTILE, reason=HOSTILE)
        tx.append("unheard.of" + HOSTILE, model=HOSTILE)
    directory = store.make_attempt_dir(spec.id, 1)
    for name in ("out.log", "err.log"):
        (directory / name).write_bytes(b"begin\n" + HOSTILE.encode() + b"\x9d0;t\x9c\x9bc\n" + b"end\n")
    yield spec.id
    os.close(lock)


@pytest.mark.parametrize(
    "command",
    [["ls"], ["ls", "--all", "--json"], ["status"], ["status", "--json"], ["events"], ["events", "--json"], ["logs"]],
    ids=" ".join,
)
def test_case_55_nothing_that_a_job_says_of_itself_is_alive_on_a_terminal(
    hostile_job: str, tmp_path: Path, command: list[str]
) -> None:
    words = [*command[:1], hostile_job, *command[1:]] if command[0] != "ls" else command
    environment = {**os.environ, "LOGIST_HOME": str(tmp_path / "home"), "LOGIST_CONFIG": str(tmp_path / "none")}
    with Terminal([sys.executable, "-m", "logist_core", *words], environment, cols=200) as screen:
        screen.ended()
        text = bytes(screen.raw).decode()
        check_inert(text)
        assert screen._screen.title == ""
        assert not _QUERY.search(bytes(screen.raw))
        assert hostile_job in text or command[0] == "logs"
        if command[0] == "logs":
            assert "begin" in text
            assert "end" in text


def test_case_55_the_dashboard_shows_hostile_jobs_as_plain_text(hostile_job: str, tmp_path: Path) -> None:
    environment = {**os.environ, "LOGIST_HOME": str(tmp_path / "home"), "LOGIST_CONFIG": str(tmp_path / "none")}
    argv = [sys.executable, "-m", "logist_core", "dashboard"]
    plain = subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=True)
    check_inert(plain.stdout.decode())
    with Terminal(argv, environment, cols=160) as screen:
        screen.until(hostile_job[:4])
        screen.type("q")
        assert screen.ended() == 0
        assert screen._screen.title == ""
        # The dashboard's own sequences ask for nothing either.
        assert not _QUERY.search(bytes(screen.raw)), bytes(screen.raw)
        assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]", screen.raw.decode())


_ASKER = """
import os, select, sys, termios, tty
tty.setraw(0)
os.write(1, sys.argv[1].encode("utf-8", "surrogateescape") + b"READY")
heard = b""
while not heard.endswith(b"q"):
    if select.select([0], [], [], 60)[0]:
        heard += os.read(0, 4096)
open("heard", "wb").write(heard)
"""


@pytest.mark.parametrize("read_only", [False, True], ids=["taking part", "looking on"])
def test_case_55_to_attach_makes_no_terminal_answer_into_the_job(logist: Logist, read_only: bool) -> None:
    work = logist.home.parent / "work"
    work.mkdir()
    # The alternate screen and the clearing stay out: they would hide the rest from a replay.
    hostile = "".join(text for what, text in ESCAPES.items() if what not in ("reset and clear", "alternate screen"))
    argv = ["--", sys.executable, "-c", _ASKER, hostile]
    job = logist.submit("-a", "command", "--pty", "-C", str(work), *argv)
    prints(logist, job, b"READY")
    command = [sys.executable, "-m", "logist_core", "attach", job, *(["--read-only"] if read_only else [])]
    with Terminal(command, logist.environment) as screen:
        screen.until("READY")
        shown = bytes(screen.raw)
        asked = _QUERY.search(shown)
        assert not asked, shown
        assert "owned" not in screen._screen.title
        screen.type("\x11")  # Ctrl-Q leaves
        assert screen.ended() == 0
    logist("send", job, "q", "--no-enter")
    heard = work / "heard"
    assert eventually(lambda: heard.exists() and heard.read_bytes(), what="the end of the job") == b"q"


# Secrets

SECRET = "sk-Zq8-very-secret-0123456789"


def everything_below(*roots: Path) -> dict[str, bytes]:
    """Return the contents of all regular files."""
    return {str(p): p.read_bytes() for root in roots for p in root.rglob("*") if stat.S_ISREG(p.lstat().st_mode)}


def test_case_57_a_secret_is_in_memory_and_in_the_agents_environment_and_nowhere_else(logist: Logist) -> None:
    gate = logist.home.parent / "gate"
    half = len(SECRET) // 2
    script = (
        f'printf "key "; printf %.{half}s "$MY_KEY"; sleep 0.3; printf "%s\\n" "${{MY_KEY#{SECRET[:half]}}}"; '
        f"echo got ${{#MY_KEY}}; while [ ! -e {gate} ]; do sleep 0.05; done"
    )
    environment = {**logist.environment, "MY_KEY": SECRET}
    before = os.umask(0)
    try:
        ran = logist("run", "-d", "-a", "command", "--secret", "MY_KEY", "--", "sh", "-c", script, env=environment)
    finally:
        os.umask(before)
    job = ran.stdout.strip()
    logist.until(job, "running")
    directory = logist.attempt_dir(job)
    prints(logist, job, b"got")
    written = everything_below(logist.home, logist.home.parent / "user")
    holding = [path for path, data in written.items() if SECRET.encode() in data]
    # What the agent itself printed lies in its log as it printed it; it is redacted wherever it is shown.
    assert holding == [str(directory / "out.log")]
    # In memory: one private file, on a tmpfs, of the vault.
    in_memory = everything_below(Path(environment["XDG_RUNTIME_DIR"]))
    vault = [path for path, data in in_memory.items() if SECRET.encode() in data]
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in vault] == [0o600]
    assert platform._os.fs_type(vault[0]) == "tmpfs"
    # Files and directories are private, though the submitter's umask was 0.
    for path in (logist.home, *logist.home.rglob("*")):
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
    ours = {"supervisor": logist.supervisor_pid(), "keeper": logist.keeper_pid(job), "pump": logist.pump_pid(job)}
    for role, pid in ours.items():
        assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes(), role
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes(), role
    agent = Path(f"/proc/{logist.status(job)['pid']}/environ").read_bytes()
    assert SECRET.encode() in agent
    for command in (["logs", job], ["logs", job, "--lines", "5"], ["status", job, "--json"], ["events", job, "--json"]):
        shown = logist(*command, env={"MY_KEY": ""})
        assert SECRET not in shown.stdout + shown.stderr
        if command[0] == "logs":
            assert shown.stdout == f"key [redacted]\ngot {len(SECRET)}\n"
    with logist.popen("logs", "-f", job) as follower:
        assert follower.stdout is not None
        out = follower.stdout.readline()
        gate.touch()
        out += follower.communicate(timeout=60)[0]
    assert SECRET not in out
    assert "[redacted]" in out
    logist.ended(job)
    eventually(lambda: not any(map(os.path.exists, vault)), what="the vault forgets an ended job")
    assert SECRET.encode() not in b"".join(
        data for path, data in everything_below(logist.home).items() if not path.endswith("out.log")
    )


def test_case_57_a_secret_that_the_agent_quotes_becomes_no_evidence_on_the_disk(logist: Logist) -> None:
    gate = logist.home.parent / "gate"
    script = f'echo "usage limit reached for key $MY_KEY"; while [ ! -e {gate} ]; do sleep 0.05; done; exit 1'
    environment = {**logist.environment, "MY_KEY": SECRET}
    job = logist.submit("-a", "command", "--secret", "MY_KEY", "--", "sh", "-c", script, env=environment)

    def evidence() -> str:
        return logist("events", job, "--json").stdout

    eventually(lambda: "activity.changed" in evidence(), what="that it is seen what the job says")
    assert "[redacted]" in evidence()
    gate.touch()
    eventually(lambda: "attempt.exited" in evidence(), what="its end")
    logist("kill", job, code=None)
    logist.ended(job)
    written = everything_below(logist.home)
    assert [path for path, data in written.items() if SECRET.encode() in data] == [
        str(logist.attempt_dir(job) / "out.log")
    ]


def test_case_57_a_secret_in_the_log_of_an_ended_job_is_redacted_in_a_shell_that_knows_it(logist: Logist) -> None:
    environment = {**logist.environment, "MY_KEY": SECRET}
    job = logist.submit("-a", "command", "--secret", "MY_KEY", "--", "sh", "-c", "echo $MY_KEY", env=environment)
    logist.ended(job)
    assert logist("logs", job, env=environment).stdout == "[redacted]\n"


def test_case_57_a_secret_on_a_terminal_is_redacted_for_those_who_attach(logist: Logist) -> None:
    half = len(SECRET) // 2
    script = (
        f'printf "key "; printf %.{half}s "$MY_KEY"; sleep 0.5; printf "%s\\n" "${{MY_KEY#{SECRET[:half]}}}"; '
        "echo READY; read x"
    )
    environment = {**logist.environment, "MY_KEY": SECRET}
    job = logist.submit("-a", "command", "--pty", "--secret", "MY_KEY", "--", "sh", "-c", script, env=environment)
    logist.until(job, "running")
    prints(logist, job, b"READY")
    # Here the output passes through our hands: it is masked before it is written, across the pause in its middle, too.
    assert f"key {'*' * len(SECRET)}".encode() in (logist.attempt_dir(job) / "out.log").read_bytes()
    assert [path for path, data in everything_below(logist.home).items() if SECRET.encode() in data] == []
    try:
        with Terminal(
            [sys.executable, "-m", "logist_core", "attach", "--read-only", job], logist.environment
        ) as screen:
            screen.until("READY")
            assert SECRET not in screen.raw.decode()
            assert f"key {'*' * len(SECRET)}" in screen.text
    finally:
        logist("kill", job)


def dumps_core(pid: int) -> bool:
    """Crash `pid`; say whether the kernel wrote a core for it."""
    fd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGCONT)
    signal.pidfd_send_signal(fd, signal.SIGSEGV)
    status = eventually(lambda: keeper.SYSTEM.exit_status(fd), what="its end")
    os.close(fd)
    return os.WCOREDUMP(status)


@pytest.fixture
def cores_allowed() -> Any:
    """Allow core dumps for the processes of this test, as far as this machine does."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    before = resource.getrlimit(resource.RLIMIT_CORE)
    if before[1] == 0 or pattern.startswith("|"):
        pytest.skip("no core dumps here")
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)
    for path in Path("/").glob("core*"):
        if path.is_file() and time.time() - path.stat().st_mtime < 60:
            path.unlink()


@pytest.mark.usefixtures("cores_allowed")
def test_case_57_a_concealed_process_leaves_no_core_and_starts_programs_as_ever(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\n"
        "from logist_core import platform\n"
        "if sys.argv[1] == 'conceal': platform.conceal_process()\n"
        "print(os.environ['MY_KEY'], subprocess.check_output('echo $MY_KEY', shell=True, text=True).strip())\n"
        "print(b'MY_KEY' in open('/proc/self/environ', 'rb').read(), flush=True)\n"
        "os.abort()\n"
    )
    for word, dumped in (("plain", True), ("conceal", False)):
        process = subprocess.Popen(
            [sys.executable, "-c", code, word],
            cwd=tmp_path,
            env={**os.environ, "MY_KEY": SECRET},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as out:
            assert out.read() == f"{SECRET} {SECRET}\n{dumped}\n"
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0
        assert os.WTERMSIG(status) == signal.SIGABRT
        assert os.WCOREDUMP(status) is dumped


@pytest.mark.usefixtures("cores_allowed")
def test_case_57_a_crashed_supervisor_leaves_no_core(logist: Logist) -> None:
    environment = {**logist.environment, "MY_KEY": SECRET}
    job = logist.submit("-a", "command", "--", "sleep", "60", env=environment)
    logist.until(job, "running")
    assert not dumps_core(logist.supervisor_pid())
    logist("kill", job)


@pytest.mark.usefixtures("cores_allowed")
@pytest.mark.parametrize("role", ["guard", "pump"])
def test_case_57_a_crashed_keeper_leaves_no_core(role: str) -> None:
    with attempts_in_a_place_of_their_own() as attempts:
        attempt = attempts.shell("sleep 60")
        assert not dumps_core(getattr(attempt, role))
