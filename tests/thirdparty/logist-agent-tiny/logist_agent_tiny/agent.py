"""The agent: one shell, which prints the prompt."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence

from logist_core.api import (
    AgentContext,
    ExitStatus,
    JobSpec,
    Last,
    LaunchSpec,
    Outcome,
    Readiness,
    Signal,
    UsageError,
)


class TinyAgent:
    def __init__(self, shell: str, greeting: str) -> None:
        self._shell = shell
        self._greeting = greeting

    def plan(self, job: JobSpec, ctx: AgentContext) -> LaunchSpec:
        if job.prompt is None:
            raise UsageError("the agent tiny needs a prompt", hint='logist run -a tiny "hello"')
        script = 'printf "%s %s\\n" "$1" "$2"'
        argv = (self._shell, "-c", script, "tiny", self._greeting, job.prompt, *job.args)
        return LaunchSpec(argv=argv, cwd=job.cwd, pty=bool(job.pty), cols=job.cols, rows=job.rows)

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        return ()

    def resume(self, job: JobSpec, ctx: AgentContext, last: Last) -> LaunchSpec | None:
        return None

    def outcome(self, exit: ExitStatus, signals: Sequence[Signal]) -> Outcome | None:
        return None

    def probe(self, ctx: AgentContext) -> Readiness:
        path = shutil.which(self._shell, path=ctx.environment.get("PATH"))
        hint = None if path else f"install {self._shell}"
        return Readiness(installed=path is not None, path=path, hint=hint)

    def unstick(self) -> bytes | None:
        return None
