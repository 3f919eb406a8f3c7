"""Tries every plugin in a process of its own, several at a time, each with a time limit.

Invariant: whatever a plugin does when it is imported (hang, exit, crash the interpreter, leave processes behind,
print), the inspection ends in bounded time with one report for each plugin.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import IO, Any

from logist_core.config.text import printable
from logist_core.registry.discovery import Entry
from logist_core.registry.faults import PluginFault, Reason, Rejected
from logist_core.types._json import JSON

#: Seconds for one plugin: start of an interpreter, import, hook and factory.
LIMIT_S = 10.0

#: Most of what is waited for is a plugin that sleeps, so more than the number of cores.
_MAX_PARALLEL = 8

_MAX_REPORT_BYTES = 1 << 20

# -P keeps the working directory, which may be a foreign repository, off the path until our own path replaces it.
_BOOT = (
    "import sys, json; job = json.load(sys.stdin); sys.path[:] = job['path'];"
    "from logist_core.registry.probe import main; main(job['entry'])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one plugin fared.

    Attributes:
        entry: Which.
        summary: Its record's, or None where there is no usable record.
        api: The plugin API that it is written for, or None.
        import_s: Seconds that its import took, or None.
        settings: Name to `{type, default, help, choices, project}`.
        hooks: Names of the hooks that it implements.
        faults: What is wrong with it.
    """

    entry: Entry
    summary: str | None = None
    api: int | None = None
    import_s: float | None = None
    settings: Mapping[str, JSON] = field(default_factory=lambda: MappingProxyType({}))
    hooks: tuple[str, ...] = ()
    faults: tuple[PluginFault, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it can be used; warnings don't count."""
        return all(fault.severity != "error" for fault in self.faults)


def inspect(entries: Sequence[Entry], *, limit_s: float = LIMIT_S) -> list[Report]:
    """Return a report on each entry, in their order.

    Args:
        entries: What to try.
        limit_s: Seconds for each.
    """
    from concurrent.futures import ThreadPoolExecutor

    if not entries:
        return []
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=min(_MAX_PARALLEL, len(entries)), thread_name_prefix="inspect") as pool:
        futures = [pool.submit(_inspect_one, entry, limit_s, stop) for entry in entries]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()  # Ctrl-C: the children are killed, not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _inspect_one(entry: Entry, limit_s: float, stop: threading.Event) -> Report:
    # Files, not pipes: a process that the plugin left behind could hold a pipe open for ever.
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as answer:
        request.write(json.dumps({"path": sys.path, "entry": asdict(entry)}).encode())
        request.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT],
            stdin=request,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        in_time = _wait(child, limit_s, stop)
        if not in_time:
            rejected = Rejected(
                Reason.TIMED_OUT, f"did not finish loading within {limit_s:g} s and was killed", "tell its author"
            )
            return Report(entry=entry, faults=(rejected.fault(entry),))
        report = _read(entry, answer)
    if report is not None:
        return report
    code = child.returncode
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
    rejected = Rejected(Reason.DIED, f"the interpreter that loaded it {how}, without an exception")
    return Report(entry=entry, faults=(rejected.fault(entry),))


def _wait(child: subprocess.Popen[bytes], limit_s: float, stop: threading.Event) -> bool:
    """Wait for the child and end its whole process group; return whether it ended by itself in time."""
    deadline = time.monotonic() + limit_s
    ended = False
    try:
        while not (ended := _has_ended(child)) and time.monotonic() < deadline and not stop.wait(0.01):
            pass
    finally:
        # The child isn't reaped yet, so its pid, and with it the group's id, can't be another's.
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return ended


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return child.poll() is not None
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _read(entry: Entry, answer: IO[bytes]) -> Report | None:
    """Return what the child reported, or None where it didn't get so far. The plugin may have written it."""
    answer.seek(0)
    try:
        told = json.loads(answer.read(_MAX_REPORT_BYTES))
        return Report(
            entry=entry,
            summary=None if told["summary"] is None else printable(told["summary"], 200),
            api=None if told["api"] is None else int(told["api"]),
            import_s=None if told["import_s"] is None else float(told["import_s"]),
            settings={printable(key, 60): _setting(value) for key, value in told["settings"].items()},
            hooks=tuple(printable(hook, 80) for hook in told["hooks"]),
            faults=tuple(_fault(entry, fault) for fault in told["faults"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _setting(told: Mapping[str, Any]) -> dict[str, JSON]:
    return {
        "type": printable(told["type"], 20),
        "default": told["default"],
        "help": printable(told["help"], 200),
        "choices": [printable(choice, 60) for choice in told["choices"]],
        "project": bool(told["project"]),
    }


def _fault(entry: Entry, told: Mapping[str, Any]) -> PluginFault:
    rejected = Rejected(Reason(told["reason"]), told["detail"], told["hint"], warning=told["severity"] == "warning")
    return rejected.fault(entry)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
