"""`logist replay`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import DURATION, complete_job, json_option
from logist_core.errors import ExitCode, JobNotFound

if TYPE_CHECKING:
    from logist_core.supervise.replay import Replayed
    from logist_core.types.job import JobSpec


@click.command("replay")
@click.argument("job", metavar="JOB|DIR", shell_complete=complete_job)
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="Only this attempt.")
@click.option("--until", metavar="DURATION", type=DURATION, help="End so long after the beginning of an attempt.")
@json_option
@click.pass_context
def command(ctx: click.Context, job: str, attempt: int | None, until: float | None, as_json: bool) -> None:
    """Judge a recorded job again, with today's dictionary and sentinel.

    Nothing is run, and nothing in the job's directory is changed; DIR may be a copy of one, from anywhere. Each verdict
    that is new is printed, and whatever differs from what was said at the time. The exit code is 0 if nothing differs,
    else 1.
    """
    from logist_core.cli import output
    from logist_core.supervise.plugins import Plugins
    from logist_core.supervise.replay import attempts_in, observer_like, replay

    app: App = ctx.obj
    directory, spec = _job(app, job)
    plugins = Plugins(app.registry)
    looks = same = other_activities = 0
    for path in attempts_in(directory):
        if attempt not in (None, int(path.name)):
            continue
        before = None
        for replayed in replay(path, plugins.sentinel(spec), observer_like(path, plugins, spec), until_s=until):
            looks += 1
            same += replayed.same_verdict
            other_activities += not replayed.same_activity
            if as_json:
                _json(int(path.name), replayed)
                continue
            now = (replayed.verdict.level, replayed.verdict.cause, replayed.verdict.action)
            if now != before or not replayed.same_verdict or not replayed.same_activity:
                _print(int(path.name), replayed)
            before = now
    summary = {"looks": looks, "same_verdicts": same, "other_activities": other_activities}
    if as_json:
        output.json_line({"schema": 1, **summary})
    else:
        output.note(f"{looks} looks, {same} verdicts as at the time, {other_activities} other activities")
    ctx.exit(ExitCode.OK if same == looks and not other_activities else ExitCode.FAILURE)


def _job(app: App, ref: str) -> tuple[Path, JobSpec]:
    """Return the directory of a job and its spec; `ref` is a job or a directory."""
    if os.sep not in ref and ref not in (".", ".."):
        job_id = app.store.resolve(ref)
        return app.store.job_dir(job_id), app.store.spec(job_id)
    from logist_core.jobs.specfile import read

    directory = Path(ref)
    spec = read(str(directory / "spec.json"))
    if spec is None:
        raise JobNotFound(f"{ref} is no job's directory: there is no spec.json in it", hint="logist replay JOB")
    return directory, spec


def _json(number: int, replayed: Replayed) -> None:
    import json

    from logist_core.cli import output
    from logist_core.types._json import plain

    look = replayed.look
    record = {
        "schema": 1,
        "attempt": number,
        "at": look.seen.wall,
        "now_s": look.seen.now_s,
        "verdict": plain(replayed.verdict),
        "recorded": plain(look.verdict),
        "same": replayed.same_verdict,
        "activity": None if replayed.activity is None else replayed.activity.state,
        "recorded_activity": look.seen.activity.state,
        "carried_out": look.carried_out,
    }
    output.line(json.dumps(record))


def _print(number: int, replayed: Replayed) -> None:
    from logist_core.cli import output
    from logist_core.cli.formats import clock
    from logist_core.cli.text import one_line

    look, verdict = replayed.look, replayed.verdict
    act = "" if verdict.action.value == "none" else f": {verdict.action.value}"
    cause = one_line(verdict.cause, 60)
    output.line(
        f"{number}  {clock(look.seen.wall)}  {look.seen.now_s:9.1f} s  {verdict.level.value} {cause}{act}".rstrip()
    )
    for line in verdict.evidence if verdict.cause else ():
        output.line(f"      {one_line(line, 200)}")
    if not replayed.same_verdict:
        output.line(f"      at the time: {look.verdict.level.value} {one_line(look.verdict.cause, 60)}".rstrip())
    if not replayed.same_activity and replayed.activity is not None:
        output.line(f"      activity {replayed.activity.state}, at the time {look.seen.activity.state}")
