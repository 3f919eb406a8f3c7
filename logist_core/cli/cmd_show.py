"""`logist show`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import json_option, last_job_argument
from logist_core.errors import JobNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from logist_core.cli.telling import Told
    from logist_core.protocols import Conversational
    from logist_core.types.conversation import Entry
    from logist_core.types.job import AttemptStatus

#: A longer line is no event that a person could read, and is passed over.
MOST_LINE_BYTES = 16 * 1024 * 1024
#: Of an agent whose output tells no conversation, the last lines are shown.
TAIL_LINES = 20


@click.command("show")
@last_job_argument
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="Only this attempt.")
@click.option("--full", is_flag=True, help="Whole texts, what tools gave back, and what the agent thought.")
@json_option
@click.pass_obj
def command(app: App, job: str, attempt: int | None, full: bool, as_json: bool) -> None:
    """Show what an agent did, turn by turn.

    Read from the agent's own stream: what it was told, what it said, the tools it used, files, tokens, money. Of an
    agent that writes plain text, the end of its output. Values of the job's secrets are replaced by [redacted].
    """
    from logist_core.cli import output
    from logist_core.cli.secrets import secret_values
    from logist_core.cli.telling import lines_of, to_json
    from logist_core.cli.text import Redactor, one_line

    store = app.store
    job_id = store.resolve(job)
    status = store.status(job_id)
    attempts = [one for one in status.attempts if attempt in (None, one.number)]
    if attempt is not None and not attempts:
        raise JobNotFound(f"job {job_id} has no attempt {attempt}", hint=f"logist status {job_id}")
    secrets = secret_values(store, job_id)

    def safe(text: str) -> str:
        redactor = Redactor(secrets)
        return redactor.feed(text) + redactor.finish()

    agent = _teller(app, job_id)
    told = (_told(app.store.attempt_dir(job_id, one.number), one, agent, safe) for one in attempts)
    spec = store.spec(job_id)
    if as_json:
        output.json_line(
            {
                "schema": 1,
                "id": job_id,
                "agent": status.agent,
                "session_id": status.session_id,
                "prompt": None if spec.prompt is None else safe(spec.prompt),
                "attempts": [to_json(one) for one in told],
            }
        )
        return
    colour = output.wants_colour(sys.stdout)
    state = status.lifecycle.value.replace("_", " ")
    output.line(f"job {job_id}: {one_line(status.agent, 40)} on {one_line(status.runtime, 40)}, {state}")
    task = None if spec.prompt is None else safe(spec.prompt)
    if task:
        output.line(output.paint(f"  > {one_line(task, 400)}", "cyan", on=colour))
    for one in told:
        output.line()
        for line in lines_of(one, task=task, full=full, colour=colour, now=time.time()):
            output.line(line)
        if one.conversation is None:
            output.note(f"the agent {one_line(status.agent, 40)} tells no turns: logist logs {job_id}")


def _told(directory: Path, attempt: AttemptStatus, agent: Conversational | None, safe: Callable[[str], str]) -> Told:
    from logist_core.cli.telling import Told
    from logist_core.observe.conversation import Reader
    from logist_core.supervise.planfile import load_plan
    from logist_core.types.launch import OutputFormat

    if agent is None or load_plan(str(directory)).output is not OutputFormat.JSON_LINES:
        return Told(attempt=attempt, conversation=None, tail=tuple(map(safe, _tail(directory))))
    reader = Reader()
    for line in _lines(directory / "out.log", 0):
        if line.startswith("{"):
            reader.take(_without_secrets(entry, safe) for entry in agent.conversation(line, "out"))
    return Told(attempt=attempt, conversation=reader.finish())


def _without_secrets(entry: Entry, safe: Callable[[str], str]) -> Entry:
    path, tool = (None if text is None else safe(text) for text in (entry.path, entry.tool))
    return replace(entry, text=safe(entry.text), path=path, tool=tool)


def _teller(app: App, job_id: str) -> Conversational | None:
    from logist_core.protocols import Conversational
    from logist_core.supervise.plugins import Plugins

    agent = Plugins(app.registry).agent_or_none(app.store.spec(job_id))
    return agent if isinstance(agent, Conversational) else None


def _tail(directory: Path) -> tuple[str, ...]:
    from logist_core.cli.logfile import offset_of_last_lines

    path = directory / "out.log"
    return tuple(_lines(path, offset_of_last_lines(path, TAIL_LINES)))


def _lines(path: Path, offset: int) -> Iterator[str]:
    """Yield the lines of a log from `offset` on, also the last, without a newline; what was dropped is passed over."""
    from logist_core.cli.follow import Tail

    with closing(Tail(path, offset)) as tail:
        held = b""
        while data := tail.read():
            if tail.dropped:
                held = b""
            *lines, held = (held + data).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
            if len(held) > MOST_LINE_BYTES:
                held = b" "  # no event begins with a blank: the rest of this line is none
        if held:
            yield held.decode("utf-8", "replace")
