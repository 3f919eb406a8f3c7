"""The agent `claude`: plans and resumes runs of the Claude Code CLI, reads its events and judges its end.

Invariant: the conversation's id is chosen by us before the launch and never reused for a second conversation, so that
an attempt that dies at any moment can be taken up again by its id. Nothing of the user's configuration is written.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence

from logist_agent_claude import account, command, events, outcome, readiness
from logist_agent_claude.command import Options
from logist_agent_claude.conversation import READERS
from logist_core.agentkit import entries_of
from logist_core.api import (
    AgentContext,
    Entry,
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
    StopStep,
    UsageError,
)

#: What the CLI tells the processes that it starts. Inherited, it would pass for a child of another conversation.
SESSION_VARIABLES = (
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_SESSION_*",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_EFFORT",
    "CLAUDE_ENV_FILE",
    "CLAUDE_PROJECT_DIR",
    "AI_AGENT",
)

# The CLI cleans up on an interrupt, the tool's processes too, and then ends; on TERM it leaves them behind.
STOP = StopLadder(steps=(StopStep(signal="INT", grace_s=15.0), StopStep(signal="TERM", grace_s=5.0)))

_SESSION_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_RESUME_PROMPT = """\
Your last run of this task ended before the task was done: {reason}.

Don't rely on anything you had under way at that moment: a command or an edit may have been done, done in part, or not \
done at all. First look at the actual state of the files, of version control and of anything that you had started. \
Then go on with the task where it really stands, without doing anything twice, and finish it.\
"""


class ClaudeAgent:
    """See `logist_core.api.Agent`. Holds nothing but its options."""

    def __init__(self, options: Options | None = None) -> None:
        """Use `options`; None: the defaults."""
        self._options = options or Options()

    def plan(self, job: JobSpec, ctx: AgentContext) -> LaunchSpec:
        """Begin a conversation with the job's prompt.

        With `pty` the full-screen program is run instead, for somebody who attaches.

        Raises:
            UsageError: There is neither a prompt nor an argument that could hold one, or an argument can't be used.
            LaunchError: The program isn't installed.
        """
        args = (*self._options.extra_args, *job.args)
        command.refuse_ours(args)
        if not job.pty and not (job.prompt or "").strip() and not job.args:
            raise UsageError("the agent claude needs a prompt", hint='logist run --agent claude "what to do"')
        session = None if command.chooses_session(args) else str(uuid.uuid4())
        return self._launch(job, ctx, self._options, job.args, job.prompt, new_session=session, resume=None)

    def resume(self, job: JobSpec, ctx: AgentContext, last: Last) -> LaunchSpec | None:
        """Go on with the conversation of `last`; None where its id isn't known."""
        session = (last.session_id or "").lower()
        if not _SESSION_ID.fullmatch(session):
            return None
        prompt = last.prompt or _RESUME_PROMPT.format(reason=last.reason or "the process ended")
        options = self._options.without_session()
        args = command.without_session(job.args)
        command.refuse_ours((*options.extra_args, *args))
        return self._launch(job, ctx, options, args, prompt, new_session=None, resume=session)

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one event says."""
        return events.parse_line(line, stream)

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what one event adds to the conversation."""
        return entries_of(line, READERS)

    def outcome(self, exit: ExitStatus, signals: Sequence[Signal]) -> Outcome | None:
        """Judge an ended run by its `result` event and its exit."""
        return outcome.judge(exit, signals)

    def probe(self, ctx: AgentContext) -> Readiness:
        """Look for the program, its version and a login."""
        return readiness.readiness(self._options.executable, ctx.environment)

    def unstick(self) -> bytes | None:
        """Return Escape: it frees a stream that hangs, where there is a terminal to type it into."""
        return b"\x1b"

    def _launch(
        self,
        job: JobSpec,
        ctx: AgentContext,
        options: Options,
        args: Sequence[str],
        prompt: str | None,
        *,
        new_session: str | None,
        resume: str | None,
    ) -> LaunchSpec:
        program = self._program(job, ctx)
        env = {"DISABLE_AUTOUPDATER": "1"}
        if options.skip_permissions:
            env["IS_SANDBOX"] = "1"  # without it the CLI refuses to skip permissions as root
        pty = bool(job.pty)
        if pty:
            argv = command.interactive(program, options, args, prompt, new_session=new_session, resume=resume)
        else:
            argv = command.unattended(program, options, args, new_session=new_session, resume=resume)
        by_stdin = bool(prompt) and not pty
        provider = account.provider({**ctx.environment, **job.env})
        return LaunchSpec(
            argv=argv,
            cwd=job.cwd,
            env=env,
            env_remove=SESSION_VARIABLES,
            secrets=readiness.CREDENTIALS,
            stdin=Stdin.DATA if by_stdin else Stdin.NULL,
            stdin_data=_bytes(prompt) if by_stdin and prompt else b"",
            pty=pty,
            cols=job.cols,
            rows=job.rows,
            output=OutputFormat.TEXT if pty else OutputFormat.JSON_LINES,
            stop=STOP,
            session_id=new_session or resume,
            provider=provider,
            credential=account.credential(provider, {**ctx.environment, **job.env}),
            note="skip_permissions is set: every tool call is allowed" if options.skip_permissions else None,
        )

    def _program(self, job: JobSpec, ctx: AgentContext) -> str:
        """Return the program to run: looked up where the job runs on this machine, as given where it doesn't."""
        executable = self._options.executable
        if job.runtime != "host":
            return executable
        path = readiness.find_program(executable, {**ctx.environment, **job.env}, job.cwd)
        if path is None:
            raise LaunchError(
                f"the Claude Code CLI isn't installed: {executable} is not in the job's PATH", hint=readiness.INSTALL
            )
        return path


def _bytes(prompt: str) -> bytes:
    try:
        return prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the prompt isn't valid Unicode at character {error.start}") from error
