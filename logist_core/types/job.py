"""A job as it was asked for, and as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from logist_core.types._json import JSON, plain
from logist_core.types.signals import UNKNOWN_ACTIVITY, Activity, Claim

STATUS_SCHEMA = 1


class Lifecycle(StrEnum):
    """Where a job stands. Apart from `Activity` (what the agent does) and `Result` (what came of the work)."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"  # for a time: the next attempt starts by itself
    HELD = "held"  # for a person: released by `logist resume`
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    FAILED_TO_START = "failed_to_start"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job by itself."""
        return self in _ENDED


_ENDED = frozenset(
    {
        Lifecycle.SUCCEEDED,
        Lifecycle.FAILED,
        Lifecycle.CANCELLED,
        Lifecycle.TIMED_OUT,
        Lifecycle.FAILED_TO_START,
        Lifecycle.LOST,
    }
)


class Result(StrEnum):
    """What came of the work, in an agent plugin's judgement."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNVERIFIED = "unverified"  # it ended without an error and without showing that the work was done
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """The attempt ended, the work need not: try again.

    Attributes:
        at: Unix time, seconds, not before which the next attempt may start; None: back off.
        reason: One line (`usage limit resets at 14:05`).
        same_session: Ask `Agent.resume` first, so that the conversation goes on.
    """

    at: float | None
    reason: str
    same_session: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An agent plugin's judgement of an ended attempt.

    Attributes:
        result: What came of the work.
        reason: One line of evidence (`exit code 0 but the result event says is_error: 401`).
        claim: The signal that explains it, where there is one.
        then: Set where another attempt, later, is the right answer; the job then waits instead of ending.
        hold: Set where a person has to do something first (log in, pay); the job is then held, not ended.
    """

    result: Result
    reason: str = ""
    claim: Claim | None = None
    then: Continuation | None = None
    hold: bool = False


class OnBudget(StrEnum):
    """What happens to a job that has used up its budget. Never a silent kill: it is asked to end, and says why."""

    PAUSE = "pause"  # held: `logist resume` grants as much again
    STOP = "stop"  # it fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a job may use up, over all its attempts since a person last let it go on. None: no limit.

    Attributes:
        turns: Turns of the agent, where it reports them.
        tokens: Tokens in and out together, where it reports them.
        cost_usd: US dollars, where it reports them.
        wall_s: Seconds in which attempts ran; waiting for a limit doesn't count.
        interventions: Acts of the sentinel.
        on_budget: See `OnBudget`.
    """

    turns: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    wall_s: float | None = None
    interventions: int | None = None
    on_budget: OnBudget = OnBudget.PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an agent says that it used; None where it doesn't say."""

    turns: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What keeps jobs of one account or provider from going on; each of them carries it.

    Attributes:
        claim: `rate_limited`, `overloaded`, `network_down`, `auth_failed` or `billing`.
        scope: Who shares it: `credential`, `provider`, or `job` where neither is known.
        name: Of the credential or provider (`LaunchSpec.credential`), or the job's id.
        until: Unix time, seconds, at which it is thought to be over; None: when a person has done something.
        seen_at: Unix time, seconds, at which it was met.
        seen_by: Id of the job that met it; the others were parked before they could.
        times: How often in a row it was met, for the back-off.
        lifted: A person has let this job go on in spite of it.
    """

    claim: str
    scope: str
    name: str
    until: float | None
    seen_at: float
    seen_by: str
    times: int = 1
    lifted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What was asked for; written once as `spec.json`, never changed.

    Attributes:
        id: Sortable by time of creation, `[0-9a-z]{16}`.
        name: A name the user gave, or None. Unique among jobs that have not ended.
        agent, runtime, sentinel: Names of plugins.
        prompt: The task, or None (an agent may need none).
        args: Raw arguments after `--`.
        cwd: Absolute path of the working directory.
        env: Variables given with `--env`; stored, so never secrets.
        env_names: Names of the variables captured from the submitting shell. Values live in the vault, in memory.
        secrets: Names given with `--secret`: their values are redacted wherever output is shown.
        labels: Free key-value pairs.
        timeout_s: Wall-clock limit of an attempt without suspended time, or None.
        priority: Higher runs first; default 0.
        after: Ids of jobs that must have succeeded before this one starts.
        pty: Force a pseudo-terminal on or off; None: the agent decides.
        cols, rows: The terminal's size where there is one.
        linger: Leave processes alive that outlive the agent.
        budget: What it may use up, over all its attempts.
        max_restarts: How often an attempt that crashed is followed by another, in the same session.
        max_log_bytes: Keep each log of an attempt within so many bytes on disk, its beginning and its end; None: all.
        agent_settings, runtime_settings, sentinel_settings: Settings resolved at submission
            (command line > project > user).
        patterns: The pattern sets of the project and of `--patterns`, as they were at submission, weakest first.
        created_at: Unix time, seconds.
        created_by: `user@host`.
    """

    id: str
    agent: str
    runtime: str
    cwd: str
    created_at: float
    sentinel: str = "default"
    name: str | None = None
    prompt: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    env_names: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout_s: float | None = None
    priority: int = 0
    after: tuple[str, ...] = ()
    pty: bool | None = None
    cols: int = 120
    rows: int = 40
    linger: bool = False
    max_log_bytes: int | None = None
    budget: Budget = Budget()
    max_restarts: int = 0
    agent_settings: Mapping[str, JSON] = field(default_factory=lambda: MappingProxyType({}))
    runtime_settings: Mapping[str, JSON] = field(default_factory=lambda: MappingProxyType({}))
    sentinel_settings: Mapping[str, JSON] = field(default_factory=lambda: MappingProxyType({}))
    patterns: tuple[Mapping[str, JSON], ...] = ()
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the last ended attempt exited; both None where it isn't known."""

    code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStatus:
    """One attempt in the status of its job.

    Attributes:
        number: 1, 2, 3 ...
        state: `starting`, `running`, `exited`, `failed_to_start` or `lost`.
        nonce: See `AttemptKey`.
        pid: The leader's pid, as recorded; it may be long gone and reused.
        handle: The runtime's handle as JSON, None until it was started.
        started_at, ended_at: Unix time, seconds.
        exit: None until it ended, and after a loss.
        resumed: True where it took up the session of the attempt before.
        reason: Why it ended as it did, where there is more to say than the exit.
        usage: What the agent says that this attempt used, as last reported.
    """

    number: int
    state: str
    nonce: str
    pid: int | None = None
    handle: Mapping[str, JSON] | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit: Exit | None = None
    resumed: bool = False
    reason: str | None = None
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What is known of a job: `fold(journal)`. `to_json` is the documented shape of `status --json`.

    Attributes:
        conditions: Names that hold now (`orphaned`, `unresponsive`, `cancelling`, `stalled`, `suspect` ...).
        outcome: None until it ended; then a `Result` value, or the lifecycle (`cancelled`, `timed_out`, `lost` ...).
        reason: One line that says why the job stands where it stands.
        not_before: Unix time, seconds, of the next attempt while `waiting`.
        cancel: None, `stop` or `kill`: what was asked for and not yet done.
        resume: Whether the next attempt should take up the last session.
        resume_prompt: What to say to it then; None: the agent plugin's own words.
        provider, credential: Of the last planned attempt; see `LaunchSpec`.
        limit: What it waits for or is held by, where it shares that with other jobs.
        usage: What all attempts used, as last reported.
    """

    id: str
    name: str | None
    agent: str
    runtime: str
    lifecycle: Lifecycle
    activity: Activity = UNKNOWN_ACTIVITY
    conditions: tuple[str, ...] = ()
    outcome: str | None = None
    reason: str | None = None
    exit: Exit | None = None
    attempt: int = 0
    attempts: tuple[AttemptStatus, ...] = ()
    pid: int | None = None
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    session_id: str | None = None
    priority: int = 0
    after: tuple[str, ...] = ()
    not_before: float | None = None
    cancel: str | None = None
    resume: bool = False
    resume_prompt: str | None = None
    provider: str | None = None
    credential: str | None = None
    limit: Limit | None = None
    usage: Usage = Usage()

    def to_json(self) -> dict[str, JSON]:
        """Return the shape that `status --json` prints; unknown is null, never 0."""
        return {"schema": STATUS_SCHEMA, **plain(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One line of a job's journal.

    Attributes:
        seq: 1, 2, 3 ... without gaps.
        at: Unix time, seconds, by the wall clock: for display only.
        boot_s: Seconds since boot, suspended time included: for order and durations within one boot.
        boot_id: Which boot.
        writer: `cli`, `supervisor`, `recoverer`, `sentinel`, `observer`, with a pid: `supervisor:4711`.
        kind: Past tense with a dot (`attempt.exited`); see docs/reference/journal.md.
        data: JSON.
    """

    seq: int
    at: float
    boot_s: float
    boot_id: str
    writer: str
    kind: str
    data: Mapping[str, JSON]
