"""How an attempt is started and ended: what agents hand to runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from logist_core.types._json import JSON


class OutputFormat(StrEnum):
    """What an agent writes to its standard output."""

    TEXT = "text"
    JSON_LINES = "jsonl"


class Stdin(StrEnum):
    """What an attempt reads from its standard input."""

    NULL = "null"  # /dev/null: the right choice for almost every unattended agent
    DATA = "data"  # LaunchSpec.stdin_data, then end of file
    OPEN = "open"  # a pipe that stays open for `logist send`; a PTY always is


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStep:
    """One polite step of a stop: send something, then wait for the leader to end.

    Attributes:
        signal: Name without `SIG` (`INT`, `TERM`), sent to the leader's group and the terminal's foreground group.
        keys: Bytes written to the agent's input instead of a signal (`b"\\x1b"`); needs `pty` or `Stdin.OPEN`.
        grace_s: Seconds to wait for the end before the next step.
    """

    signal: str | None = None
    keys: bytes | None = None
    grace_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLadder:
    """The steps of a stop, in order. After the last, the whole tree is killed; that step can't be left out."""

    steps: tuple[StopStep, ...] = (StopStep(signal="TERM", grace_s=10.0),)


KILL_NOW = StopLadder(steps=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """Everything a runtime needs to start one attempt, except the inherited environment's values.

    Attributes:
        argv: The program and its arguments. Never a secret: argv is world-readable.
        cwd: Absolute path of the working directory.
        env: Variables to set. Stored and shown: never a secret.
        env_remove: Names, or `fnmatch` patterns, taken out of the inherited environment first.
        secrets: Names of inherited variables whose *values* must be redacted wherever output is shown.
        stdin: What the attempt reads.
        stdin_data: For `Stdin.DATA`.
        pty: Give it a pseudo-terminal of `cols` x `rows`; stdout and stderr are then one stream.
        output: The format of standard output.
        buffered: True: the agent prints nothing until its end; silence is then no evidence of a hang.
        stop: How to end it.
        session_id: The conversation's id where the agent lets us choose it before the launch.
        provider: Who answers the agent's requests (`anthropic`, `openai`, `api.example.net:8080`): jobs of one provider
            share its overloads. None: not known.
        credential: Names the account that the attempt works on, never a secret nor a part of one: the provider, and a
            short hash (`anthropic:key-3f9a1c07`; `logist_core.api.credential_id` makes it): jobs of one credential
            share its limits. None: not known; the attempt is then on its own.
        heals_s: Seconds within which the agent itself frees a silent stream of its provider; the sentinel waits at
            least so long. None: it doesn't, or it is not known.
        note: What a person should know about this plan (`no session id: started afresh with a hand-over prompt`).
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    env_remove: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    stdin: Stdin = Stdin.NULL
    stdin_data: bytes = b""
    pty: bool = False
    cols: int = 120
    rows: int = 40
    output: OutputFormat = OutputFormat.TEXT
    buffered: bool = False
    stop: StopLadder = StopLadder()
    session_id: str | None = None
    provider: str | None = None
    credential: str | None = None
    heals_s: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Names one attempt before it exists: a runtime may use it to find what it started.

    Attributes:
        job_id: The job's id, `[0-9a-z]+`.
        attempt: 1, 2, 3 ...
        nonce: 128 random bits as 32 lower-case hex digits; also in the agent's environment as `LOGIST_NONCE`.
    """

    job_id: str
    attempt: int
    nonce: str

    def __str__(self) -> str:
        """Return `<job id>-<attempt>`: safe as a container, unit or file name."""
        return f"{self.job_id}-{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeHandle:
    """What a runtime needs to find its attempt again, from any process, later. Plain JSON, persisted by core.

    Attributes:
        runtime: Name of the runtime that made it.
        version: That runtime's own integer for the shape of `data`.
        data: JSON; no secrets.
    """

    runtime: str
    version: int
    data: Mapping[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStatus:
    """How an attempt ended. Exactly one of `code`, `signal`, `exec_error` is not None.

    Attributes:
        code: Exit code 0 to 255.
        signal: Number of the signal that killed it.
        exec_error: The program could not be executed; it certainly never ran.
        core_dumped: Whether it dumped core.
        ended_at: Unix time, seconds.
        source: Who saw it: `keeper`, `pump`, `adopter`, or the runtime's own word.
        survivors: Pids of the tree that could not be ended.
    """

    code: int | None = None
    signal: int | None = None
    exec_error: str | None = None
    core_dumped: bool = False
    ended_at: float | None = None
    source: str = ""
    survivors: tuple[int, ...] = ()


class ProbeState(StrEnum):
    """What a runtime can say about an attempt."""

    RUNNING = "running"
    EXITED = "exited"
    GONE = "gone"  # surely not there any more, and how it ended can't be known
    UNKNOWN = "unknown"  # can't tell now: no verdict may rest on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A runtime's answer about one attempt.

    Attributes:
        state: See `ProbeState`.
        pid: The leader's pid where there is one on this machine.
        exit: Present if and only if `state` is EXITED.
        conditions: Any of `orphaned` (agent lives, keeper dead), `unresponsive` (keeper lives, doesn't answer),
            `unreachable` (another machine's), `unkillable`, `rebooted`, `log_unbounded` (`max_log_bytes` can't be
            kept: the file system makes no holes).
        detail: One line for a person.
    """

    state: ProbeState
    pid: int | None = None
    exit: ExitStatus | None = None
    conditions: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeCaps:
    """What a runtime can do beyond start, find, probe, stop, forget."""

    pty: bool = False
    stdin: bool = False
    attach: bool = False
    stats: bool = False
    watch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a runtime can start attempts now.

    Attributes:
        ok: True where it can.
        detail: What was checked, or what is wrong; one line.
        hint: What to do about it.
    """

    ok: bool
    detail: str = ""
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Signs of life of an attempt's whole process tree. None: not known.

    Attributes:
        cpu_s: CPU seconds of the tree, ended children included; never falls within an attempt.
        processes: How many processes are in the tree.
        tree: Changes whenever a process joins or leaves the tree (a hash of its members' identities).
        io_bytes: Bytes read and written by the tree through read/write; doesn't include sockets' recv/send.
        net_bytes: Bytes received and acknowledged on the tree's connections, closed ones included. None where not all
            of them can be counted: another network namespace, QUIC; it is then no evidence of silence.
        fds: How many file descriptors the tree holds.
        rss_bytes: Resident memory of the tree.
        running: How many processes run, or would if a processor were free.
        stopped: True when the leader is stopped by a signal (SIGSTOP, SIGTTIN).
        stopped_others: How many other processes of the tree are stopped by a signal.
        zombie: True when the leader has ended but for its place in the process table, while its tree lives on.
        awaits_child: True when the leader sleeps until a child of its ends.
        deadlocked: True when every thread of every process of the tree waits for a lock, or for a child that does:
            nothing in it can ever wake another up.
        blocked_on: Where the leader or its only child sleeps: `tty_read`, `stdin_read`, `futex`, `network`.
        sleepers: Where the processes of the tree sleep, a few words each (`4711 npm: futex`), the leader first; for
            people. Not all of them where they are many.
        tty_mode: `password` (no echo), `line`, `raw`; only with a PTY.
    """

    cpu_s: float | None = None
    processes: int | None = None
    tree: str | None = None
    io_bytes: int | None = None
    net_bytes: int | None = None
    fds: int | None = None
    rss_bytes: int | None = None
    running: int | None = None
    stopped: bool | None = None
    stopped_others: int | None = None
    zombie: bool | None = None
    awaits_child: bool | None = None
    deadlocked: bool | None = None
    blocked_on: str | None = None
    sleepers: tuple[str, ...] = ()
    tty_mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Respawn:
    """How to start a supervisor again when it has died without saying good-bye.

    Attributes:
        argv: The command; it daemonises nothing itself, the caller detaches it.
        env: Its environment; no secrets.
        lock: Path of the supervisor's lock: held by `flock` for as long as a supervisor lives.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContext:
    """What a runtime is given to start an attempt, besides the `LaunchSpec`.

    Attributes:
        directory: The attempt's directory, absolute, existing, mode 0700. The attempt's output must end up in
            `out.log` (and `err.log` without a PTY) in it, append-only, while the attempt runs. The runtime may
            keep files of its own there.
        environment: The agent's *complete* environment, but for `LOGIST_JOB`, `LOGIST_ATTEMPT` and `LOGIST_NONCE`,
            which the runtime sets from the key. Holds secrets: pass it on in memory, never by argv, never to a file.
        linger: Leave processes alive that outlive the leader.
        respawn: For runtimes whose processes outlive the supervisor and can start it again; None: don't.
        max_log_bytes: Keep each log within so many bytes on disk: its beginning and its end, offsets unchanged. What
            is dropped between them is a hole, and `out.log.holes` (`err.log.holes`), a JSON record with `start` and
            `end`, names it *before* it is made. None: no limit. A runtime that can't says so in a probe's conditions.
    """

    directory: str
    environment: Mapping[str, str]
    linger: bool = False
    respawn: Respawn | None = None
    max_log_bytes: int | None = None
