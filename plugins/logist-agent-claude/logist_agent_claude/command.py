"""The command lines of the Claude Code CLI. Pure: settings, prompt and session in, `argv` out.

Invariant: the prompt of an unattended run goes through standard input, never through `argv`, which every user of the
machine can read and which holds 128 KiB at most for each argument. Every choice of ours that a user can make with an
argument of their own is left out, or refused where the run could not be followed any more.

The facts about the CLI were verified with version 2.1.197 and a fake provider (tests/real/test_claude_cli.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from logist_core.api import UsageError

#: Most bytes of one argument (MAX_ARG_STRLEN on Linux), its final NUL included.
MOST_ARGUMENT_BYTES = 128 * 1024

#: Arguments that would take the event stream away from us.
_OURS = ("--output-format", "--input-format", "--bg", "--background", "--tmux")

#: Arguments by which a user chooses the session -> whether a value may follow.
_SESSION = {
    "--session-id": True,
    "--resume": True,
    "-r": True,
    "--from-pr": True,
    "--continue": False,
    "-c": False,
    "--fork-session": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The plugin's settings, typed; see `plugin.SETTINGS` for what they mean."""

    executable: str = "claude"
    model: str | None = None
    permission_mode: str = "acceptEdits"
    allowed_tools: tuple[str, ...] = ()
    disallowed_tools: tuple[str, ...] = ()
    skip_permissions: bool = False
    max_turns: int | None = None
    max_budget_usd: float | None = None
    partial_messages: bool = True
    extra_args: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Options:
        """Return the options that `settings` hold; what is missing has its default.

        Raises:
            UsageError: A limit isn't positive.
        """
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
            if value is not None
        }
        options = cls(**given)
        for name, limit in (("max_turns", options.max_turns), ("max_budget_usd", options.max_budget_usd)):
            if limit is not None and not limit > 0:
                raise UsageError(f"the setting {name} of the agent claude must be above 0, not {limit!r}")
        return options

    def without_session(self) -> Options:
        """Return the same options without arguments that choose a session."""
        return replace(self, extra_args=without_session(self.extra_args))


def unattended(
    program: str, options: Options, args: Sequence[str], *, new_session: str | None, resume: str | None
) -> tuple[str, ...]:
    """Return the command line of a run that prints events and reads its prompt from standard input.

    Args:
        program: The executable.
        options: The settings.
        args: The user's own arguments, appended.
        new_session: The id of the session to begin, or None where the user's arguments choose one.
        resume: The id of the session to take up, or None.
    """
    # stream-json is refused without --verbose.
    argv = [program, "--print", "--output-format", "stream-json", "--verbose"]
    if options.partial_messages:
        argv.append("--include-partial-messages")
    if options.max_turns is not None:
        argv += ["--max-turns", str(options.max_turns)]
    if options.max_budget_usd is not None:
        argv += ["--max-budget-usd", str(options.max_budget_usd)]
    return (*argv, *_common(options, new_session, resume), *options.extra_args, *args)


def interactive(
    program: str,
    options: Options,
    args: Sequence[str],
    prompt: str | None,
    *,
    new_session: str | None,
    resume: str | None,
) -> tuple[str, ...]:
    """Return the command line of the full-screen program, for a pseudo-terminal. Arguments as for `unattended`.

    Raises:
        UsageError: The prompt doesn't fit into an argument; there is no other way in.
    """
    argv = (program, *_common(options, new_session, resume), *options.extra_args, *args)
    if not prompt:
        return argv
    if len(prompt.encode()) >= MOST_ARGUMENT_BYTES or "\0" in prompt:
        raise UsageError(
            "with a terminal the prompt of claude must be shorter than 128 KiB and without NUL",
            hint="run it without --pty, or write the prompt to a file and name that file in a short prompt",
        )
    return (*argv, "--", prompt)  # after `--` a prompt may begin with a dash


def _common(options: Options, new_session: str | None, resume: str | None) -> list[str]:
    argv: list[str] = []
    if new_session is not None:
        argv += ["--session-id", new_session]
    if resume is not None:
        argv += ["--resume", resume]
    if options.skip_permissions:
        argv.append("--dangerously-skip-permissions")
    else:
        argv += ["--permission-mode", options.permission_mode]
    if options.model is not None:
        argv += ["--model", options.model]
    # These take any number of values: with `=` they can't swallow what follows.
    argv += [f"--allowed-tools={rule}" for rule in options.allowed_tools]
    argv += [f"--disallowed-tools={rule}" for rule in options.disallowed_tools]
    return argv


def refuse_ours(args: Sequence[str]) -> None:
    """Raise `UsageError` for an argument without which a run can't be followed."""
    for arg in args:
        if arg.partition("=")[0] in _OURS:
            raise UsageError(
                f"{arg.partition('=')[0]} can't be given to the agent claude: Logist reads its event stream",
                hint="run it as a plain command: logist run --agent command -- claude ...",
            )


def chooses_session(args: Sequence[str]) -> bool:
    """Whether the user's arguments choose the session themselves."""
    return any(arg.partition("=")[0] in _SESSION for arg in args)


def without_session(args: Sequence[str]) -> tuple[str, ...]:
    """Return `args` without what chooses a session, for a run that takes up a known one."""
    kept: list[str] = []
    value_may_follow = False
    for arg in args:
        name, equals, _ = arg.partition("=")
        if name in _SESSION:
            value_may_follow = _SESSION[name] and not equals
        elif value_may_follow and not arg.startswith("-"):
            value_may_follow = False
        else:
            value_may_follow = False
            kept.append(arg)
    return tuple(kept)
