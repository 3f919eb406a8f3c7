"""`logist dashboard`."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App

if TYPE_CHECKING:
    from logist_core.cli.changes import Changes, Interrupts
    from logist_core.cli.keys import Keyboard
    from logist_core.dashboard.board import Board
    from logist_core.errors import LogistError


@click.command("dashboard")
@click.pass_obj
def command(app: App) -> None:
    """Watch all jobs, live.

    Those that need you come first, then what runs, waits, is queued, has ended. Leave with q or Ctrl-C; the jobs run
    on. Where stdout is no terminal, a plain table is printed once.
    """
    from logist_core.cli import output

    app.make_home()
    if not output.is_terminal(sys.stdout):
        from logist_core.dashboard.screen import print_once

        print_once(_board(app, None), width=_plain_width())
        return
    _live(app)


def _plain_width() -> int:
    """Return the width of the plain table: as wide as `COLUMNS` says, else wide enough for all that matters."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) >= 40 else 160


def _board(app: App, limit: int | None) -> Board:
    from logist_core.cli.limited import limit_lines
    from logist_core.cli.text import one_line
    from logist_core.dashboard.board import compose

    problems: list[tuple[str, LogistError]] = []
    statuses = list(app.store.statuses(problems=problems))
    now = time.time()
    notes = limit_lines(statuses, now)
    rows = None if limit is None else max(limit - len(notes), 1)
    return compose(statuses, now=now, limit=rows, clean=one_line, problems=len(problems), notes=notes)


def _live(app: App) -> None:
    from logist_core.cli.changes import Changes, Interrupts
    from logist_core.cli.keys import Keyboard
    from logist_core.dashboard.screen import watch

    leave_by = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with Changes() as changes, Interrupts(*leave_by, signal.SIGWINCH) as interrupts, Keyboard() as keyboard:
        waiter = _Waiter(app, changes, interrupts, keyboard, leave_by)
        watch(lambda room: _board(app, room), waiter.wait, footer="q leaves, the jobs run on")


class _Waiter:
    """Sleeps until a journal changes, a key is pressed or a signal comes."""

    def __init__(
        self, app: App, changes: Changes, interrupts: Interrupts, keyboard: Keyboard, leave_by: tuple[int, ...]
    ) -> None:
        from logist_core.cli.tracking import Caretaker

        self._app = app
        self._changes = changes
        self._interrupts = interrupts
        self._keyboard = keyboard
        self._leave_by = leave_by
        self._caretaker = Caretaker(app.home)

    def wait(self, timeout_s: float) -> bool:
        from logist_core.jobs.survey import living

        self._watch_all()
        ready = self._changes.wait(timeout_s, [self._interrupts.fileno(), *self._keyboard.descriptors])
        self._interrupts.take(signal.SIGWINCH)
        if sum(self._interrupts.take(number) for number in self._leave_by):
            return True
        if any(fd in ready for fd in self._keyboard.descriptors) and b"q" in self._keyboard.read().lower():
            return True
        self._caretaker.look(living(self._app.store))
        return False

    def _watch_all(self) -> None:
        """Watch the list of jobs, and each job that hasn't ended: those are the ones whose journal grows."""
        from logist_core.jobs.survey import living

        self._changes.watch(self._app.home.jobs)
        for status in living(self._app.store):
            self._changes.watch(self._app.home.jobs / status.id)
