"""The command agent: runs the words after `--`, and takes the exit code at its word.

Invariant: no shell is put between, nothing is added to the command line, and nothing is concluded from its output.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from signal import Signals
from typing import Any

from logist_agent_command import __version__, plugin
from logist_agent_command.lookup import ascii_name, find_program
from logist_core.api import (
    AgentContext,
    ExitStatus,
    JobSpec,
    Last,
    LaunchSpec,
    Outcome,
    Readiness,
    Result,
    Signal,
    Stdin,
    StopLadder,
    StopStep,
    UsageError,
)

#: Linux refuses a longer single argument, its NUL included (MAX_ARG_STRLEN, 32 pages of 4 KiB).
MAX_ARGUMENT_BYTES = 131_072
#: The runtime that shares this machine's files; anywhere else the program is looked up where it will run.
LOCAL_RUNTIME = "host"
STOP_SIGNALS = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2")
MAX_GRACE_S = 86_400.0
EXAMPLE = "logist run --agent command -- pytest -x"


class CommandAgent:
    """See the module.

    Args:
        settings: Resolved settings; what is missing has its default.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings; they are checked when a run is planned."""
        defaults = {name: setting.default for name, setting in plugin.SETTINGS.items()}
        self._settings = {**defaults, **settings}

    def plan(self, job: JobSpec, ctx: AgentContext) -> LaunchSpec:
        """Return how to run the job's arguments as a command line."""
        argv = _checked(job)
        ladder = stop_ladder(self._settings["stop"])
        if job.runtime == LOCAL_RUNTIME:
            argv = (find_program(argv[0], job.cwd, {**ctx.environment, **job.env}), *argv[1:])
        pty = bool(job.pty)
        return LaunchSpec(
            argv=argv,
            cwd=job.cwd,
            stdin=Stdin.OPEN if pty or self._settings["stdin"] == "open" else Stdin.NULL,
            pty=pty,
            cols=job.cols,
            rows=job.rows,
            buffered=not self._settings["chatty"],
            stop=ladder,
        )

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return nothing: a command's output is its own affair."""
        return ()

    def resume(self, job: JobSpec, ctx: AgentContext, last: Last) -> LaunchSpec | None:
        """Return None: a command has no session to take up."""
        return None

    def outcome(self, exit: ExitStatus, signals: Sequence[Signal]) -> Outcome | None:
        """Judge by the exit alone; None where it isn't known."""
        if exit.exec_error is not None:
            return Outcome(result=Result.FAILED, reason=f"could not be executed: {ascii_name(exit.exec_error, 300)}")
        if exit.signal is not None:
            return Outcome(result=Result.FAILED, reason=f"ended by {signal_name(exit.signal)}")
        if exit.code is None:
            return None
        return Outcome(result=Result.SUCCEEDED if exit.code == 0 else Result.FAILED, reason=f"exit code {exit.code}")

    def probe(self, ctx: AgentContext) -> Readiness:
        """Say that it is there: it needs nothing but the command, which is looked up when a run is planned."""
        return Readiness(installed=True, version=__version__)

    def unstick(self) -> bytes | None:
        """Return None: no key is right for every command."""
        return None


def _checked(job: JobSpec) -> tuple[str, ...]:
    """Return the job's arguments, which can be a command line."""
    if job.prompt is not None:
        words = job.prompt if len(job.prompt) <= 200 and job.prompt.isprintable() and job.prompt.strip() else ""
        raise UsageError(
            "the command agent takes a command line after `--`, not a prompt",
            hint=f"logist run --agent command -- {_as_words(words)}" if words and not job.args else EXAMPLE,
        )
    if not job.args:
        raise UsageError("no command line: the command agent runs what stands after `--`", hint=EXAMPLE)
    if not job.args[0]:
        raise UsageError("the command's name is empty", hint=EXAMPLE)
    for number, argument in enumerate(job.args):
        place = f"argument {number} of the command" if number else "the command's name"
        if "\0" in argument:
            raise UsageError(f"{place} holds a NUL character, which no program can be given")
        try:
            size_bytes = len(os.fsencode(argument)) + 1
        except UnicodeEncodeError:
            raise UsageError(f"{place} can't be encoded: {ascii_name(argument)}") from None
        if size_bytes > MAX_ARGUMENT_BYTES:
            raise UsageError(
                f"{place} is {size_bytes - 1} bytes long; the system takes {MAX_ARGUMENT_BYTES - 1}",
                hint="put it into a file and give the file's name",
            )
    return job.args


def _as_words(text: str) -> str:
    """Return `text` if a shell reads it as words, otherwise with its specials quoted away."""
    try:
        shlex.split(text)
    except ValueError:
        return shlex.quote(text)
    return text


def stop_ladder(steps: Sequence[object]) -> StopLadder:
    """Return the ladder that `["INT:5", "TERM:10"]` asks for. An empty one kills at once.

    Raises:
        UsageError: A step isn't SIGNAL:SECONDS.
    """
    return StopLadder(steps=tuple(_stop_step(step) for step in steps))


def _stop_step(step: object) -> StopStep:
    name, _, seconds = str(step).strip().partition(":")
    name = name.upper().removeprefix("SIG")
    try:
        grace_s = float(seconds) if seconds else 10.0
    except ValueError:
        grace_s = math.nan
    if name not in STOP_SIGNALS or not 0 <= grace_s <= MAX_GRACE_S:
        raise UsageError(
            f"command: `stop` takes SIGNAL:SECONDS, not {ascii_name(str(step), 40)!r}",
            hint=f"stop=INT:5,TERM:10; signals are {', '.join(STOP_SIGNALS)}",
        )
    return StopStep(signal=name, grace_s=grace_s)


def signal_name(number: int) -> str:
    """Return `SIGKILL (9)`, or `signal 64` where it has no name."""
    try:
        return f"{Signals(number).name} ({number})"
    except ValueError:
        return f"signal {number}"
