"""Calls into a plugin so that nothing it does at import or in a hook can end or hang the caller.

Invariant: whatever the plugin raises (SystemExit and KeyboardInterrupt included) becomes `Rejected`; a real Ctrl-C
still interrupts the caller, because it reaches the main thread, and the plugin runs in another one.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TypeVar

from logist_core.config.text import printable
from logist_core.registry.faults import Reason, Rejected

T = TypeVar("T")

_OURS = __file__.rpartition("/")[0] + "/"


def call_guarded(
    call: Callable[[], T], *, limit_s: float, failed: Reason, passes: tuple[type[Exception], ...] = ()
) -> T:
    """Return what `call` returns.

    What the plugin prints meanwhile goes to stderr: stdout is for data.

    Args:
        call: Runs foreign code.
        limit_s: Seconds after which the caller goes on; a thread can't be killed, so the call is left to itself.
        failed: The reason for an ordinary exception.
        passes: Exceptions that are let through as they are.

    Raises:
        Rejected: It raised, or didn't return in time.
    """
    result: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as error:  # noqa: BLE001 - SystemExit, KeyboardInterrupt, CancelledError: all are foreign
            raised.append(error)

    thread = threading.Thread(target=run, name="logist-plugin", daemon=True)
    with _stdout_kept_clean():
        thread.start()
        thread.join(limit_s)
    if result:
        return result[0]
    if not raised:
        raise Rejected(Reason.TIMED_OUT, f"did not return within {limit_s:g} s")
    error = raised[0]
    if isinstance(error, (Rejected, *passes)):
        raise error
    raise rejection(error, failed) from None


def rejection(error: BaseException, failed: Reason) -> Rejected:
    """Return what a foreign exception means."""
    if isinstance(error, SystemExit):
        return Rejected(Reason.EXITED, f"called sys.exit({printable(error.code, 80)}){_place(error)}")
    if isinstance(error, KeyboardInterrupt):
        return Rejected(Reason.INTERRUPTED, f"raised KeyboardInterrupt itself{_place(error)}")
    hint = None
    if isinstance(error, ImportError) and (error.name or "").startswith("logist_core"):
        hint = "it was written for another version of logist-core: pip install --upgrade logist-core"
    text = printable(error, 200)
    return Rejected(failed, f"{type(error).__name__}{': ' if text else ''}{text}{_place(error)}", hint)


def _place(error: BaseException) -> str:
    """Return ` (file.py, line 3)` of the deepest frame that is the plugin's: not ours, not the import system's."""
    place = ""
    frames = error.__traceback__
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not file.startswith(("<", _OURS)) and "/importlib/" not in file:
            place = f" ({file.rpartition('/')[2]}, line {frames.tb_lineno})"
        frames = frames.tb_next
    return place


@contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    # sys.stdout is the process's: swapping it from several threads at once could leave it swapped.
    if threading.current_thread() is threading.main_thread():
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield
