"""`logist explain`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from logist_core.cli.app import App
from logist_core.cli.params import json_option, last_job_argument
from logist_core.errors import LogistError

if TYPE_CHECKING:
    from pathlib import Path

    from logist_core.types._json import JSON
    from logist_core.types.job import JobStatus


@click.command("explain")
@last_job_argument
@json_option
@click.pass_obj
def command(app: App, job: str, as_json: bool) -> None:
    """Say why a job stands where it stands, and what comes next.

    The evidence for its activity, and what was overruled by it; what the sentinel last said, on which grounds, and what
    it did; what it will do, and when, if nothing moves any more.
    """
    from logist_core.cli import output
    from logist_core.cli.cmd_status import fresh_status

    job_id = app.store.resolve(job)
    status = fresh_status(app, job_id)
    told = _told(app, status)
    if as_json:
        output.json_line(told)
    else:
        _print(app, status, told)


def _told(app: App, status: JobStatus) -> dict[str, JSON]:
    from logist_core.jobs.atomic import read_json
    from logist_core.supervise import explain
    from logist_core.types._json import plain

    now = time.time()
    events = app.store.events(status.id)
    directory = app.store.attempt_dir(status.id, status.attempt) if status.attempt else None
    claims: list[JSON] = []
    last: JSON = None
    if directory is not None:
        try:
            checkpoint = read_json(directory / "observer.json")
            ended = status.lifecycle.value != "running"
            claims = explain.as_json(explain.overruled(checkpoint, status.activity, now, ended=ended))
            look = explain.last_look(directory)
            last = None if look is None else {"at": look.seen.wall, **plain(look.verdict)}
        except (LogistError, OSError, TypeError, ValueError, KeyError, AttributeError):
            last = None  # caches: without them the journal alone speaks
    return {
        "schema": 1,
        "id": status.id,
        "lifecycle": status.lifecycle.value,
        "reason": status.reason,
        "activity": plain(status.activity),
        "overruled": claims,
        "limit": plain(status.limit),
        "not_before": status.not_before,
        "sentinel": {
            "last": last,
            "acts": explain.acts(events),
            "next": _ahead(app, status, directory),
        },
    }


def _ahead(app: App, status: JobStatus, directory: Path | None) -> list[JSON]:
    if directory is None or status.lifecycle.value != "running":
        return []
    from logist_core.supervise.explain import ahead
    from logist_core.supervise.plugins import Plugins
    from logist_core.types._json import plain

    try:
        return [plain(item) for item in ahead(directory, Plugins(app.registry).sentinel(app.store.spec(status.id)))]
    except (LogistError, OSError):
        return []


def _print(app: App, status: JobStatus, told: dict[str, Any]) -> None:
    import sys

    from logist_core.cli import output
    from logist_core.cli.formats import clock, moment
    from logist_core.cli.show import block
    from logist_core.cli.text import one_line

    now = time.time()
    output.line(block(status, now=now, spec=app.store.spec(status.id), colour=output.wants_colour(sys.stdout)))
    expires = told["activity"]["expires"]
    if expires is not None:
        output.line(f"  believed until {moment(expires, now)}, unless it is renewed")
    for claim in told["overruled"]:
        place = f"{claim['stream']}+{claim['offset']}"
        text = one_line(claim["text"] or "", 100)
        output.line(f"  overruled  {claim['claim']}  ({one_line(claim['rule'], 80)}, {place}) “{text}”: {claim['why']}")
    sentinel = told["sentinel"]
    if sentinel["last"] is not None:
        last = sentinel["last"]
        output.line(f"  sentinel   {last['level']} {one_line(last['cause'], 60)}  at {clock(last['at'])}".rstrip())
        for line in last["evidence"]:
            output.line(f"             {one_line(line, 200)}")
    for act in sentinel["acts"]:
        output.line(f"  did        {clock(act['at'])} {act['action']}: {one_line(act['cause'] or '', 60)}")
        for line in act["evidence"]:
            output.line(f"             {one_line(line, 200)}")
    for coming in sentinel["next"]:
        act = "" if coming["action"] == "none" else f": {coming['action']}"
        said = f"{coming['level']} {one_line(coming['cause'], 60)}".strip()
        output.line(f"  next       {clock(coming['at'])} {said}{act}   (if nothing moves)")
