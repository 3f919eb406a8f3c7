"""The contracts that plugins fulfil: `Agent`, `Runtime`, `Sentinel`, and the channels a runtime hands out.

All methods are synchronous. The supervisor calls them in threads, with a deadline, one call at a time for each
attempt; two attempts of different jobs may be in calls at the same time, so objects must not keep state for an
attempt outside of its directory or handle. Raise errors of `logist_core.api` for what a user can mend; anything
else is reported as the plugin's fault, and the job goes on without it as far as it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from logist_core.types._json import JSON
from logist_core.types.conversation import Entry
from logist_core.types.job import AttemptStatus, JobSpec, Outcome
from logist_core.types.launch import (
    AttemptKey,
    ExitStatus,
    Health,
    LaunchSpec,
    Probe,
    RuntimeCaps,
    RuntimeHandle,
    StartContext,
    StopLadder,
    Vitals,
)
from logist_core.types.signals import Signal
from logist_core.types.watch import Observation, SentinelState, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether an agent could run now, for `logist doctor`.

    Attributes:
        installed: The program was found.
        version: As the program prints it, or None.
        path: Where it was found.
        logged_in: None where it can't be told without a request.
        problems: A line each; empty when all is well.
        hint: The command that mends it (`npm install -g @anthropic-ai/claude-code`).
    """

    installed: bool
    version: str | None = None
    path: str | None = None
    logged_in: bool | None = None
    problems: tuple[str, ...] = ()
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContext:
    """What an agent plugin may know of the attempt that it plans.

    Attributes:
        environment: The inherited environment. In memory only: it holds secrets.
        directory: The attempt's directory (0700), for files of the plugin's own, such as a prompt file.
        attempt: The number of the attempt that is planned.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    directory: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The attempt that `Agent.resume` takes up.

    Attributes:
        attempt: Its record.
        session_id: The conversation's id, where one was seen.
        directory: Its directory, with its logs.
        prompt: What to say to the agent; None: the plugin's own words.
        reason: Why there is another attempt (`usage limit`, `the stream had been silent for 300 s`).
    """

    attempt: AttemptStatus
    session_id: str | None
    directory: str
    prompt: str | None = None
    reason: str | None = None


@runtime_checkable
class Agent(Protocol):
    """One kind of agent: how to run it, read it, take its session up again, and judge its end."""

    def plan(self, job: JobSpec, ctx: AgentContext) -> LaunchSpec:
        """Return how to run `job` unattended.

        Called once for each attempt, just before it starts, under the job's lock. Must not start anything.

        Raises:
            UsageError: The job can't be run as asked (no prompt where one is needed).
            LaunchError: The agent isn't installed, or can't run here.
        """
        ...

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one line of structured output says; nothing for a line that says nothing.

        Pure, fast, total: any text may come, cut or hostile. Called only for lines that parse as a JSON object,
        on the streams of agents whose `LaunchSpec.output` is JSON_LINES. `stream` is `out` or `err`.
        """
        ...

    def resume(self, job: JobSpec, ctx: AgentContext, last: Last) -> LaunchSpec | None:
        """Return how to go on with the conversation of `last`, by its id, never by "the latest".

        None: this agent can't; the supervisor then calls `plan` and notes that the session starts afresh.
        """
        ...

    def outcome(self, exit: ExitStatus, signals: Sequence[Signal]) -> Outcome | None:
        """Judge an ended attempt by its exit and all its signals, oldest first (bounded: the last 1,000).

        None: no opinion; the exit code decides. Pure.
        """
        ...

    def probe(self, ctx: AgentContext) -> Readiness:
        """Say whether this agent could run now. Quick (5 s at most), no request that costs money."""
        ...

    def unstick(self) -> bytes | None:
        """Return the keys that free this agent from a stuck stream (`b"\\x1b"`), or None where none do."""
        ...


@runtime_checkable
class Conversational(Protocol):
    """An agent whose output tells its conversation. Offered by an `Agent` that can, beside the methods of `Agent`."""

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what one line of structured output adds to the conversation; nothing for one that adds nothing.

        As `Agent.parse`: pure, total, any text may come. Called by `logist show`, after the fact.
        """
        ...


class Watch(Protocol):
    """Tells when an attempt is worth a new probe, without polling."""

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when something changed, and stays so until `drain`."""
        ...

    def drain(self) -> bool:
        """Take in what came. False: this watch is over; close it, probe, and open another if the attempt runs."""
        ...

    def close(self) -> None:
        """End the watch. The attempt isn't touched."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachEvent:
    """One thing that an attached viewer is told.

    Attributes:
        kind: `output`, `lagged` (some output was left out; a `screen` follows), `screen` (forget what you show,
            draw this), `exit` (the attempt ended), `closed` (the channel is over, the attempt may go on),
            `lease` (whether this viewer may type changed; see `writable`).
        data: Bytes for `output` and `screen`.
        writable: For `lease`.
        exit: For `exit`.
    """

    kind: str
    data: bytes = b""
    writable: bool = False
    exit: ExitStatus | None = None


class AttachChannel(Protocol):
    """A viewer's connection to a running attempt. Never slows the attempt down."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when `receive` has something."""
        ...

    def receive(self) -> list[AttachEvent]:
        """Return what has come, without blocking; after `closed` or `exit` nothing more comes."""
        ...

    def send(self, data: bytes) -> None:
        """Type `data`. Raises `Unsupported` on a read-only channel or an attempt without input."""
        ...

    def resize(self, cols: int, rows: int) -> None:
        """Say the viewer's size; the attempt's terminal follows the viewer who may type."""
        ...

    def close(self) -> None:
        """Detach. The attempt isn't touched."""
        ...


@runtime_checkable
class Runtime(Protocol):
    """A place where attempts run. Every method may be called from any process, at any time, again.

    What holds for all: the supervisor, or whoever called, may die at any instant. A handle's JSON is all that is
    left then, or, if the death came before it was stored, the key.
    """

    caps: RuntimeCaps

    def health(self) -> Health:
        """Say whether attempts can be started now. Quick; starts nothing."""
        ...

    def start(self, launch: LaunchSpec, key: AttemptKey, context: StartContext) -> RuntimeHandle:
        """Start the attempt and return its handle, once it is known that the program executes.

        Idempotent by `key`: if that attempt exists already, return its handle and start nothing. It must not
        depend on this process living on.

        Raises:
            LaunchError: It certainly never ran (no such program, bad directory). Any other error leaves open
                whether it runs; the supervisor then asks `find`.
            RuntimeUnavailable: The runtime can't start anything now; certainly nothing was started.
        """
        ...

    def find(self, key: AttemptKey, directory: str) -> RuntimeHandle | None:
        """Return the handle of what `start` began for `key`, though `start` may never have returned.

        None: certainly nothing of it ever ran, and nothing of it will. After None, the attempt can't come alive.
        """
        ...

    def probe(self, handle: RuntimeHandle) -> Probe:
        """Say how the attempt stands, now. Never guesses: UNKNOWN is an answer. Never kills, never starts work.

        May mend the runtime's own machinery around a living attempt (a dead keeper is replaced by an adopter).
        """
        ...

    def stop(self, handle: RuntimeHandle, ladder: StopLadder) -> Probe:
        """End the attempt by the ladder, then its whole tree; return the probe after it.

        Idempotent; may be called while another stop runs: the shorter ladder wins. The attempt's exit is recorded
        as it really was.
        """
        ...

    def forget(self, handle: RuntimeHandle) -> None:
        """Release what the runtime holds for an *ended* attempt outside of its directory. Idempotent."""
        ...

    def write(self, handle: RuntimeHandle, data: bytes) -> None:
        """Write to the attempt's input (`caps.stdin`). Raises `Unsupported` where it has none."""
        ...

    def interrupt(self, handle: RuntimeHandle) -> None:
        """Send what Ctrl-C sends, to the attempt's foreground group. The attempt isn't stopped."""
        ...

    def stats(self, handle: RuntimeHandle) -> Vitals | None:
        """Return signs of life (`caps.stats`), or None."""
        ...

    def watch(self, handle: RuntimeHandle) -> Watch | None:
        """Return a watch (`caps.watch`), or None where there is none: the supervisor then polls `probe`."""
        ...

    def attach(self, handle: RuntimeHandle, *, cols: int, rows: int, read_only: bool) -> AttachChannel:
        """Open a viewer's channel (`caps.attach`). The first event is a `screen` that restores what is shown."""
        ...


@runtime_checkable
class Sentinel(Protocol):
    """A policy that judges running attempts. Pure: no clock, no I/O; all memory is in the state."""

    def initial(self) -> SentinelState:
        """Return the state before the first observation."""
        ...

    def step(self, state: SentinelState, observation: Observation) -> tuple[SentinelState, Verdict]:
        """Judge one observation. Called every few seconds; gaps and repeats may happen."""
        ...

    def settings(self) -> Mapping[str, JSON]:
        """Return the settings in force; core reads `stall_s` and `period_s` there, to look often enough."""
        ...
