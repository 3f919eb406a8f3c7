"""The engine of `logist ls`: reads records, and nothing else: no plugin, no lock, no supervisor is needed.

Invariant: it imports nothing that a list doesn't need; a test counts the modules.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from logist_core.cli.app import App
from logist_core.errors import JobNotFound, LogistError, UsageError
from logist_core.types.job import JobStatus, Lifecycle

#: So many ended jobs are shown unless all are asked for.
ENDED_SHOWN = 20


def list_jobs(
    app: App,
    *,
    show_all: bool = False,
    states: Sequence[str] = (),
    labels: Sequence[str] = (),
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Print the jobs that match.

    Args:
        app: The home.
        show_all: Not only the last ended ones.
        states: Lifecycles, activities, or `ended`; empty: any.
        labels: `KEY` or `KEY=VALUE`; all must hold.
        quiet: Ids alone.
        as_json: A list of statuses.
    """
    from logist_core.cli import output

    _check_states(states)
    problems: list[tuple[str, LogistError]] = []
    if show_all or states or labels:
        statuses = _read(app, problems)
        chosen = [status for status in statuses if _matches(status, states, labels)]
        shown, hidden = (chosen, 0) if show_all else _newest(chosen)
    else:
        shown, hidden = _read_newest(app, problems)
        statuses = shown
    if as_json:
        output.json_line([status.to_json() for status in shown])
    elif quiet:
        for status in shown:
            output.line(status.id)
    elif shown:
        _table(app, shown)
    if not as_json and not quiet and any(status.limit is not None for status in statuses):
        from logist_core.cli.limited import limit_lines

        for text in limit_lines(statuses, time.time()):
            output.note(text, "yellow")
    if not statuses and not problems and not as_json and not quiet:
        output.note('no jobs yet; start one: logist run "say hello"')
    elif not shown and not as_json and not quiet:
        output.note("no job matches")
    if hidden:
        output.note(f"{hidden} more ended; see all: logist ls --all")
    _report(problems)
    _wake(app, statuses)


def _read(app: App, problems: list[tuple[str, LogistError]]) -> list[JobStatus]:
    if not os.path.lexists(app.home_path):
        return []
    return list(app.store.statuses(problems=problems))


def _read_newest(app: App, problems: list[tuple[str, LogistError]]) -> tuple[list[JobStatus], int]:
    if not os.path.lexists(app.home_path):
        return [], 0
    from logist_core.jobs.survey import newest

    return newest(app.store, ENDED_SHOWN, problems)


def _check_states(states: Sequence[str]) -> None:
    if not states:
        return
    from logist_core.types.signals import Claim

    known = {*(state.value for state in Lifecycle), *(claim.value for claim in Claim), "unknown", "ended"}
    for state in states:
        if state not in known:
            import difflib

            near = difflib.get_close_matches(state, known, n=1)
            hint = f"--state {near[0]}" if near else f"one of {', '.join(state.value for state in Lifecycle)}"
            raise UsageError(f"there is no state {state!r}", hint=hint)


def _matches(status: JobStatus, states: Sequence[str], labels: Sequence[str]) -> bool:
    if states:
        mine = {status.lifecycle.value, "ended" if status.lifecycle.ended else status.activity.state}
        if not mine & set(states):
            return False
    for label in labels:
        key, sign, value = label.partition("=")
        if key not in status.labels or (sign and status.labels[key] != value):
            return False
    return True


def _newest(statuses: Sequence[JobStatus]) -> tuple[list[JobStatus], int]:
    """Return what is shown by default, newest first, and how many are left out."""
    shown, ended = [], 0
    for status in reversed(statuses):
        if status.lifecycle.ended:
            ended += 1
            if ended > ENDED_SHOWN:
                continue
        shown.append(status)
    return shown, len(statuses) - len(shown)


def _table(app: App, statuses: Sequence[JobStatus]) -> None:
    from logist_core.cli import formats, output, show

    now = time.time()
    rows = [show.TABLE_HEAD, *(show.table_cells(status, now, _task(app, status)) for status in statuses)]
    total = _terminal_width() if output.is_terminal(sys.stdout) else None
    padded = formats.columns(rows, total=total)
    colour = output.wants_colour(sys.stdout)
    output.line(output.paint("  ".join(padded[0]).rstrip(), "dim", on=colour))
    for status, cells in zip(statuses, padded[1:], strict=True):
        if colour:
            cells[3] = output.paint(cells[3], *show.lifecycle_style(status.lifecycle), on=True)
            if not status.lifecycle.ended:
                cells[4] = output.paint(cells[4], *show.activity_style(status.activity.state), on=True)
        output.line("  ".join(cells).rstrip())


def _task(app: App, status: JobStatus) -> str | None:
    from logist_core.cli.show import task_of

    try:
        return task_of(app.store.spec(status.id))
    except LogistError:
        return None  # its status is known all the same


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _report(problems: Sequence[tuple[str, LogistError]]) -> None:
    from logist_core.cli import output
    from logist_core.cli.text import one_line

    for job_id, error in problems:
        if isinstance(error, JobNotFound):
            continue  # removed while we read
        output.note(f"left out {one_line(job_id, 40)}: {one_line(error.message, 300)}", "yellow")


def _wake(app: App, statuses: Sequence[JobStatus]) -> None:
    """Start a supervisor where there is work and none lives; the list doesn't wait for it."""
    from logist_core.cli.supervision import ensure, has_work

    if not has_work(statuses):
        return
    import contextlib

    with contextlib.suppress(LogistError, OSError):
        ensure(app.home, wait_s=0)
