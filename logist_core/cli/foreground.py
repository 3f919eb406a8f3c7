"""`logist run` in the foreground: shows a job until it ends, passes on Ctrl-C, and lets go when told to.

Invariant: whatever happens to this process, the job goes on; only an explicit Ctrl-C asks for its end.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

from logist_core.cli import output
from logist_core.cli.changes import Interrupts
from logist_core.cli.follow import Output
from logist_core.cli.formats import clock
from logist_core.cli.keys import Keyboard
from logist_core.cli.narrate import exit_code, farewell, is_over, tell
from logist_core.cli.printers import TextPrinter
from logist_core.cli.secrets import secret_values
from logist_core.cli.supervision import me
from logist_core.cli.tracking import Tracker
from logist_core.errors import ExitCode, LogistError
from logist_core.supervise.terminal import DETACH_HELP
from logist_core.types.job import JobEvent, JobStatus, Lifecycle

if TYPE_CHECKING:
    from logist_core.cli.app import App
    from logist_core.protocols import AttachChannel

_LEAVING = (signal.SIGTERM, signal.SIGHUP)
#: How long the detach keys are shown before the job has the screen, in seconds; a key press ends it.
READING_S = 0.7


def stay_with(app: App, job_id: str, *, after_seq: int = 0, owner: bool = True, read_only: bool = False) -> int:
    """Show a job until it ends or somebody lets go of it; return the exit code.

    A job with a terminal is attached to, where there is a terminal here; of any other the output is shown.

    Args:
        app: The home.
        job_id: The job.
        after_seq: Show what comes after this event.
        owner: Ctrl-C asks the job to stop; otherwise it only leaves.
        read_only: Type nothing into the job.
    """
    return _Foreground(app, job_id, after_seq, owner=owner, read_only=read_only).run()


def on_terminal() -> bool:
    """Say whether both ends of a terminal are here, which attaching needs."""
    return output.is_terminal(sys.stdin) and output.is_terminal(sys.stdout)


def _let_read() -> None:
    """Give a person the time to read how to leave, before the screen is the job's; a key press ends it."""
    select.select([sys.stdin], [], [], READING_S)


class _Foreground:
    def __init__(self, app: App, job_id: str, after_seq: int, *, owner: bool, read_only: bool) -> None:
        self._app = app
        self._job_id = job_id
        self._owner = owner
        self._read_only = read_only
        self._printer = TextPrinter(secret_values(app.store, job_id))
        self._tracker = Tracker(app.home, app.store, job_id, after_seq=after_seq)
        self._interrupts = Interrupts(signal.SIGINT, signal.SIGTSTP, *_LEAVING)
        self._keyboard = Keyboard()
        self._asked = 0
        self._leave: int | None = None
        #: The attempt that has a terminal of its own to attach to; its output isn't printed.
        self._pty_attempt = self._pty_of(self._tracker.status.attempt) if after_seq else 0
        self._attached_to = 0

    def run(self) -> int:
        with self._tracker:
            while True:
                status = self._watch()
                if self._leave is not None:
                    return self._go()
                if is_over(status):
                    return self._end(status)
                self._take_part(status.attempt)
                if self._leave is not None:
                    return self._go()

    def _watch(self) -> JobStatus:
        """Show what happens until the job is over, somebody leaves, or there is a terminal to attach to."""
        with self._interrupts, self._keyboard:
            if self._keyboard.descriptors and not self._pty_attempt:
                stops = "Ctrl-C stops it" if self._owner else "so does Ctrl-C"
                output.note(f"{DETACH_HELP}: it goes on; {stops}")
            while True:
                for item in self._tracker.poll():
                    self._show(item)
                    self._heed()
                    if self._leave is not None:
                        break
                status = self._tracker.status
                if self._leave is not None or is_over(status) or self._can_attach(status):
                    break
                ready = self._tracker.wait([self._interrupts.fileno(), *self._keyboard.descriptors])
                self._heed(ready)
            self._printer.finish()
        return status

    def _show(self, item: Output | JobEvent) -> None:
        if isinstance(item, Output):
            if item.attempt != self._pty_attempt:
                self._printer.take(item)
            return
        if item.kind == "attempt.starting":
            # Now the agent's plan is on disk, and with it the names of its own secrets.
            self._printer.set_secrets(secret_values(self._app.store, self._job_id))
            self._pty_attempt = self._pty_of(self._tracker.status.attempt)
        if line := tell(item, self._tracker.status):
            self._say(f"{clock(item.at)} {line}")

    def _pty_of(self, attempt: int) -> int:
        """Return `attempt` if it has a terminal and we have one; else 0."""
        if not attempt or not on_terminal():
            return 0
        from logist_core.supervise.planfile import load_plan

        return attempt if load_plan(str(self._app.store.attempt_dir(self._job_id, attempt))).pty else 0

    def _can_attach(self, status: JobStatus) -> bool:
        return (
            status.lifecycle is Lifecycle.RUNNING
            and status.attempt == self._pty_attempt
            and status.attempt != self._attached_to
        )

    def _take_part(self, attempt: int) -> None:
        """Attach to the running attempt; afterwards it has ended, or `_leave` is set."""
        from logist_core.cli.masking import MaskedChannel
        from logist_core.supervise import control, terminal

        self._attached_to = attempt
        secrets = secret_values(self._app.store, self._job_id)
        output.note(DETACH_HELP, "bold")
        _let_read()

        def open_channel(cols: int, rows: int) -> AttachChannel:
            channel = control.open_channel(
                self._app.store, self._app.registry, self._job_id, cols=cols, rows=rows, read_only=self._read_only
            )
            return MaskedChannel(channel, secrets) if secrets else channel

        try:
            end = terminal.attach(open_channel, read_only=self._read_only)
        except LogistError as error:
            # It may have ended before we came, or its runtime can't: then show what it wrote.
            output.note(f"can't attach: {error.message}", "yellow")
            self._pty_attempt = 0
            self._tracker.show_again(attempt)
            return
        if end.reason == "detached":
            self._leave = ExitCode.OK
        elif end.reason == "lost":
            output.note(f"the connection is lost: {end.detail}", "yellow")
            self._leave = ExitCode.FAILURE

    def _say(self, line: str, *styles: str) -> None:
        self._printer.close_line()
        output.note(line, *styles)

    def _heed(self, ready: frozenset[int] = frozenset()) -> None:
        """Act on signals and keys that have come."""
        if any(self._interrupts.take(number) for number in _LEAVING):
            self._leave = ExitCode.INTERRUPTED
        if self._interrupts.take(signal.SIGTSTP):
            self._suspend()
        for _ in range(self._interrupts.take(signal.SIGINT)):
            self._interrupt()
        if any(fd in ready for fd in self._keyboard.descriptors) and self._keyboard.pressed_detach():
            self._leave = ExitCode.OK

    def _interrupt(self) -> None:
        self._asked += 1
        if not self._owner or self._asked > 2:
            self._leave = ExitCode.INTERRUPTED
            return
        from logist_core.supervise import client, control

        mode = "stop" if self._asked == 1 else "kill"
        try:
            control.stop(self._app.store, self._job_id, mode=mode, by=me())
            client.notify(self._app.home, self._job_id, wait_s=0)
        except LogistError as error:
            self._say(f"logist: {error.message}", "yellow")
            return
        self._say("logist: stopping it; Ctrl-C again kills it" if mode == "stop" else "logist: killing it", "yellow")

    def _suspend(self) -> None:
        """Let the shell have the terminal, in the modes that it knows, until it is brought back."""
        self._keyboard.give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._keyboard.take()

    def _go(self) -> int:
        assert self._leave is not None
        verb = "detached" if self._leave == ExitCode.OK else "left"
        again = f"logist attach {self._job_id}" if self._pty_attempt else f"logist logs -f {self._job_id}"
        output.note(f"logist: {verb}; job {self._job_id} goes on. Come back: {again}", "bold")
        return self._leave

    def _end(self, status: JobStatus) -> int:
        if status.lifecycle is Lifecycle.HELD:
            output.note(f"logist: held, job {status.id}; when it can go on: logist resume {status.id}", "magenta")
        else:
            style = "green" if status.lifecycle is Lifecycle.SUCCEEDED else "red"
            output.note(f"logist: {farewell(status, time.time())}", style)
        return exit_code(status, interrupted=self._asked > 0)
