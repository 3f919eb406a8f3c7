"""The common ground of agents that are command-line programs: plan, resume, probe. A plugin adds what is its own.

Invariant: a prompt goes in by standard input or a private file wherever the program can take it, because every user of
the machine can read an argument; nothing of the user's configuration is written; a conversation is taken up by its id
or not at all.
"""

from __future__ import annotations

import os
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from logist_core.agentkit.ending import EndRules, judge_end
from logist_core.agentkit.identity import Identity
from logist_core.agentkit.programs import find_program, readiness, runs_here
from logist_core.api import (
    AgentContext,
    ExitStatus,
    JobSpec,
    Last,
    LaunchError,
    LaunchSpec,
    Outcome,
    OutputFormat,
    Readiness,
    Signal,
    Stdin,
    StopLadder,
    UsageError,
)

#: Most bytes of one argument (MAX_ARG_STRLEN on Linux), its final NUL included.
MOST_ARGUMENT_BYTES = 128 * 1024

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

RESUME_PROMPT = """\
Your last run of this task ended before the task was done: {reason}.

Don't rely on anything you had under way at that moment: a command or an edit may have been done, done in part, or not \
done at all. First look at the actual state of the files, of version control and of anything that you had started. \
Then go on with the task where it really stands, without doing anything twice, and finish it.\
"""

HANDOVER_PROMPT = """\
Another run of you worked on the task below and ended before it was done: {reason}. Its conversation is gone; its work \
may be there, whole or in part. First look at the actual state of the files, of version control and of anything that \
may have been started. Then go on where the task really stands, without doing anything twice, and finish it.

The task:

{task}
{words}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CliTraits:
    """What is fixed about one program.

    Attributes:
        name: The agent's name.
        title: What a person calls the program (`the Codex CLI`).
        install: The command that installs it.
        login: What to do where nobody is logged in.
        final: What its last event is called, for a person.
        credentials: Variables whose values are redacted wherever output is shown.
        env: Variables that are set for every run.
        env_remove: Variables by which it marks the processes that it starts, taken out of what is inherited.
        stop: How to end it.
        unstick: The keys that free it from a stuck stream, on a terminal.
        heals_s: See `LaunchSpec.heals_s`.
        output: The format of its standard output.
        session: What its session ids look like.
        chooses_session: It takes a new session's id from us.
        hands_over: It can't take a session up: a run after the first gets a prompt that says what happened.
        refused: Arguments that would take its output away from us.
        sessions: Arguments by which a user chooses a session -> whether a value may follow.
        codes: Exit codes with a meaning of their own.
        prompt_by: `stdin`, `file`, `argument`, or `own`: the plugin's `command` sees to it.
        version: Arguments that make it tell its version, without starting anything.
    """

    name: str
    title: str
    install: str
    login: str
    final: str = "its last event"
    credentials: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    env_remove: tuple[str, ...] = ()
    stop: StopLadder = field(default_factory=StopLadder)
    unstick: bytes | None = None
    heals_s: float | None = None
    output: OutputFormat = OutputFormat.JSON_LINES
    session: re.Pattern[str] = UUID
    chooses_session: bool = False
    hands_over: bool = False
    refused: tuple[str, ...] = ()
    sessions: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    codes: Mapping[int, Any] = field(default_factory=lambda: MappingProxyType({}))
    prompt_by: str = "stdin"
    version: tuple[str, ...] = ("--version",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What one run is to say, and where.

    Attributes:
        program: The executable.
        args: The user's own arguments, those that choose a session taken out where we choose it.
        prompt: What to say; None: nothing.
        prompt_file: A private file that holds it, for `prompt_by="file"`.
        new_session: The id of the session to begin, where the program takes one.
        resume: The id of the session to take up, or None.
        directory: The attempt's directory.
        environment: The inherited environment and the job's; it holds secrets.
        pty: Whether the full-screen program is asked for.
    """

    program: str
    args: tuple[str, ...] = ()
    prompt: str | None = None
    prompt_file: str | None = None
    new_session: str | None = None
    resume: str | None = None
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pty: bool = False


class CliAgent(ABC):
    """An `Agent` that is a command-line program. Holds its settings and nothing else.

    Attributes:
        traits: What is fixed about the program.
        settings: The plugin's settings, resolved.
    """

    traits: CliTraits

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        """Use `settings`; what is missing has its default."""
        self.settings: Mapping[str, Any] = dict(settings or {})

    # what a plugin adds

    @abstractmethod
    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line of `run`."""

    @abstractmethod
    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one line of its structured output says."""

    @abstractmethod
    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return whose provider and account a run with `environment` and `args` uses. Reads files at most."""

    @abstractmethod
    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Say whether somebody is logged in; None where it can't be told."""

    def extra_environment(self, run: Conversation) -> Mapping[str, str]:
        """Return variables for this run beside the traits' own."""
        return {}

    def note(self) -> str | None:
        """Return what a person should know about every plan, or None."""
        return None

    # what holds for all

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting, or `default` where it isn't set."""
        value = self.settings.get(name)
        return default if value is None else value

    def plan(self, job: JobSpec, ctx: AgentContext) -> LaunchSpec:
        """Begin a conversation with the job's prompt.

        Raises:
            UsageError: There is neither a prompt nor an argument that could hold one, or an argument can't be used.
            LaunchError: The program isn't installed.
        """
        args = self._arguments(job)
        if not job.pty and not (job.prompt or "").strip() and not job.args:
            raise UsageError(
                f"the agent {self.traits.name} needs a prompt",
                hint=f'logist run --agent {self.traits.name} "what to do"',
            )
        theirs = any(arg.partition("=")[0] in self.traits.sessions for arg in args)
        new = str(uuid.uuid4()) if self.traits.chooses_session and not theirs else None
        return self._launch(job, ctx, args, job.prompt, new_session=new, resume=None)

    def resume(self, job: JobSpec, ctx: AgentContext, last: Last) -> LaunchSpec | None:
        """Go on with the conversation of `last` by its id; None where it isn't known.

        A program without conversations of its own starts afresh with a prompt that says what happened, and the plan
        notes it.
        """
        reason = last.reason or "the process ended"
        if self.traits.hands_over:
            return self._hand_over(job, ctx, last, reason)
        session = last.session_id or ""
        if not self.traits.session.fullmatch(session):
            return None
        args = without_session(self._arguments(job), self.traits.sessions)
        prompt = last.prompt or RESUME_PROMPT.format(reason=reason)
        return self._launch(job, ctx, args, prompt, new_session=None, resume=session)

    def outcome(self, exit: ExitStatus, signals: Sequence[Signal]) -> Outcome | None:
        """Judge an ended run; see `judge_end`."""
        return judge_end(exit, signals, self.end_rules())

    def end_rules(self) -> EndRules:
        """Return what is peculiar to this agent's ends."""
        traits = self.traits
        text = traits.output is OutputFormat.TEXT
        return EndRules(login=traits.login, final=traits.final, codes=traits.codes, reads_text=text)

    def probe(self, ctx: AgentContext) -> Readiness:
        """Look for the program, its version and a login."""
        return readiness(
            self.executable,
            ctx.environment,
            install=self.traits.install,
            login=self.traits.login,
            logged_in=self.logged_in(ctx.environment),
            version=self.traits.version,
            quiet=self.traits.env,
        )

    def unstick(self) -> bytes | None:
        """Return the keys that free a stream that hangs, where there is a terminal to type them into."""
        return self.traits.unstick

    @property
    def executable(self) -> str:
        """The program's name or path."""
        return str(self.setting("executable", self.traits.name))

    def _arguments(self, job: JobSpec) -> tuple[str, ...]:
        args = (*(str(arg) for arg in self.setting("extra_args", ())), *job.args)
        for arg in args:
            if arg.partition("=")[0] in self.traits.refused:
                raise UsageError(
                    f"{arg.partition('=')[0]} can't be given to the agent {self.traits.name}: Logist reads its output",
                    hint=f"run it as a plain command: logist run --agent command -- {self.traits.name} ...",
                )
        return args

    def _hand_over(self, job: JobSpec, ctx: AgentContext, last: Last, reason: str) -> LaunchSpec | None:
        if not (job.prompt or "").strip():
            return None
        words = f"\nAnd now: {last.prompt}\n" if last.prompt else ""
        prompt = HANDOVER_PROMPT.format(reason=reason, task=job.prompt, words=words)
        return self._launch(
            job,
            ctx,
            self._arguments(job),
            prompt,
            new_session=None,
            resume=None,
            note=f"{self.traits.title} can't take a conversation up: started afresh with a hand-over prompt",
        )

    def _launch(
        self,
        job: JobSpec,
        ctx: AgentContext,
        args: Sequence[str],
        prompt: str | None,
        *,
        new_session: str | None,
        resume: str | None,
        note: str | None = None,
    ) -> LaunchSpec:
        traits, pty = self.traits, bool(job.pty)
        environment = {**ctx.environment, **job.env}
        data = _bytes(prompt) if prompt else b""
        by = "argument" if pty else traits.prompt_by
        if by == "argument" and (len(data) >= MOST_ARGUMENT_BYTES or b"\0" in data):
            raise UsageError(
                f"the prompt of {traits.name} is an argument here: it must be shorter than 128 KiB and without NUL",
                hint="write it to a file, and name that file in a short prompt",
            )
        run = Conversation(
            program=self._program(job, environment),
            args=tuple(args),
            prompt=prompt or None,
            prompt_file=write_private(ctx.directory, "prompt.md", data) if data and by == "file" else None,
            new_session=new_session,
            resume=resume,
            directory=ctx.directory,
            environment=environment,
            pty=pty,
        )
        identity = self.identity(environment, run.args)
        by_stdin = bool(data) and by == "stdin"
        return LaunchSpec(
            argv=tuple(self.command(run)),
            cwd=job.cwd,
            env={**traits.env, **self.extra_environment(run)},
            env_remove=traits.env_remove,
            secrets=traits.credentials,
            stdin=Stdin.DATA if by_stdin else Stdin.NULL,
            stdin_data=data if by_stdin else b"",
            pty=pty,
            cols=job.cols,
            rows=job.rows,
            output=OutputFormat.TEXT if pty else traits.output,
            stop=traits.stop,
            session_id=new_session or resume,
            provider=identity.provider,
            credential=identity.credential,
            heals_s=traits.heals_s,
            note=note or self.note(),
        )

    def _program(self, job: JobSpec, environment: Mapping[str, str]) -> str:
        """Return the program to run: looked up where the job runs on this machine, as given where it doesn't."""
        if not runs_here(job):
            return self.executable
        path = find_program(self.executable, environment, job.cwd)
        if path is None:
            raise LaunchError(
                f"{self.traits.title} isn't installed: {self.executable} is not in the job's PATH",
                hint=self.traits.install,
            )
        return path


def without_session(args: Sequence[str], sessions: Mapping[str, bool]) -> tuple[str, ...]:
    """Return `args` without what chooses a session, for a run that takes up a known one."""
    kept: list[str] = []
    value_may_follow = False
    for arg in args:
        name, equals, _ = arg.partition("=")
        if name in sessions:
            value_may_follow = sessions[name] and not equals
        elif value_may_follow and not arg.startswith("-"):
            value_may_follow = False
        else:
            value_may_follow = False
            kept.append(arg)
    return tuple(kept)


def option_value(args: Sequence[str], *names: str) -> str | None:
    """Return the value of the first of `args` that is called one of `names`, or None."""
    for at, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name in names:
            return value if equals else next(iter(args[at + 1 : at + 2]), None)
    return None


def write_private(directory: str, name: str, data: bytes) -> str:
    """Write a file of the attempt's own, for this user alone, and return its path.

    Raises:
        LaunchError: It can't be written.
    """
    path = Path(directory) / name
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
    except OSError as error:
        raise LaunchError(f"the prompt can't be written to {path}: {error.strerror or error}") from error
    return str(path)


def _bytes(prompt: str) -> bytes:
    try:
        return prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the prompt isn't valid Unicode at character {error.start}") from error
