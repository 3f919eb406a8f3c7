"""Ends attempts. The wish is on disk before anything is signalled, and the pump carries it out, so that the death of
whoever asked changes nothing. Only where guard and pump are deaf do we act ourselves, by verified identity.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from logist_core.api import LogistError, Probe, ProbeState, StopLadder, UsageError
from logist_runtime_host import keeper
from logist_runtime_host.client import Connection, NotReached
from logist_runtime_host.files import AttemptFiles
from logist_runtime_host.probing import probe

#: What may come after the ladder's own time: the kill, the rest of the tree, the terminal's last output.
AFTER_LADDER_S = keeper.KILL_LIMIT_S * 2 + keeper.REST_GRACE_S + keeper.DRAIN_LIMIT_S + 5.0


def stop(directory: str, nonce: str, ladder: StopLadder) -> Probe:
    """End the attempt and return the probe after it; see `Runtime.stop`."""
    steps = [_step_record(step.signal, step.keys, step.grace_s) for step in ladder.steps]
    answer = probe(directory, nonce)
    if answer.state is not ProbeState.RUNNING:
        return answer
    with AttemptFiles(directory) as files:
        try:
            wish = _record(files, steps)
        except OSError:
            # A full disk takes no wish. It must not keep the job alive, which may be what fills it; and the reserve
            # is for the exit.
            _act(files, nonce, keeper.cancel_record(steps, f"pid {os.getpid()}"))
            return probe(directory, nonce)
        deadline = keeper.Ladder.deadline(wish) + AFTER_LADDER_S
        while keeper.SYSTEM.boot_s() < deadline:
            if not _ask(files, nonce, deadline):
                answer = probe(directory, nonce)
                if answer.state is ProbeState.RUNNING and "unresponsive" in answer.conditions:
                    _act(files, nonce, wish)
                    return probe(directory, nonce)
            answer = probe(directory, nonce)
            if answer.state is not ProbeState.RUNNING:
                return answer
            time.sleep(0.02)  # the pump is being replaced, or is about to exit
    return answer


def _step_record(name: str | None, keys: bytes | None, grace_s: float) -> dict[str, Any]:
    if name is not None and keeper.signal_number(name) is None:
        raise UsageError(f"{name!r} is no signal", hint="use names such as TERM, INT, HUP")
    return {"signal": name, "keys": keys.decode("latin-1") if keys else None, "grace_s": max(0.0, grace_s)}


def _record(files: AttemptFiles, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the wish to stop unless one is on disk that ends sooner; return the one that holds."""
    lock = keeper.lock_file(files.dir_fd, "cancel.lock", 10.0)
    if lock is None:
        raise LogistError(f"{files.directory}: another process has been asking for a stop for 10 s")
    try:
        wish = keeper.cancel_record(steps, f"pid {os.getpid()}")
        old = files.read("cancel.json")
        if (
            old is not None
            and old.get("boot_id") == wish["boot_id"]
            and isinstance(old.get("steps"), list)
            and keeper.Ladder.deadline(old) <= keeper.Ladder.deadline(wish)
        ):
            return old
        keeper.write_record(files.dir_fd, "cancel.json", wish, durable=True, replace=True)
        return wish
    finally:
        os.close(lock)


def _ask(files: AttemptFiles, nonce: str, deadline: float) -> bool:
    """Have the pump take up the wish, and wait for the end; False if it doesn't answer within 2 s."""
    try:
        connection = Connection(files, nonce, "control", timeout_s=2.0)
    except NotReached:
        return False
    try:
        connection.send(keeper.CANCEL)
        if connection.expect(keeper.STATUS, 2.0) is None and not connection.ended:
            return False
        connection.expect(keeper.EXIT, max(0.0, deadline - keeper.SYSTEM.boot_s()))
    except OSError:
        pass
    finally:
        connection.close()
    return True


def _act(files: AttemptFiles, nonce: str, wish: Mapping[str, Any]) -> None:
    """Take the ladder ourselves. Guard and pump are spared: they record the end when they wake up."""
    child = files.child(nonce)
    shim = files.read("shim.json") or {}
    if child is None or child.get("boot_id") != keeper.SYSTEM.boot_id():
        return
    pid, start = child["pid"], child["start"]
    sessions = [shim["session"]] if isinstance(shim.get("session"), int) else []
    tree = keeper.Tree(nonce, pid, start, cgroup=child.get("cgroup"), keeper=None, sessions=sessions)
    leader = keeper.open_verified(pid, start)
    if leader is not None:
        try:
            for step in wish["steps"]:
                number = keeper.signal_number(step.get("signal") or "")
                if number is None:
                    continue  # keys need a pump
                keeper.signal_leader(leader, pid, start, number, None)
                if keeper.wait_readable(leader, float(step.get("grace_s", 0.0))):
                    break
        finally:
            os.close(leader)
    tree.kill(lambda: None)
