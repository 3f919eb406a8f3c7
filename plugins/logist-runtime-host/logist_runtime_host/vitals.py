"""Reads the signs of life of an attempt's tree from the process table. Reads only; costs what the tree is large."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from logist_core.api import Vitals
from logist_runtime_host import keeper
from logist_runtime_host.files import AttemptFiles
from logist_runtime_host.network import Descriptors, Meter
from logist_runtime_host.standing import standing


def vitals(files: AttemptFiles, nonce: str, tty_mode: str | None, meter: Meter) -> Vitals | None:
    """Return the tree's signs of life, or None where the leader isn't there."""
    child = files.child(nonce)
    if child is None or child.get("boot_id") != keeper.SYSTEM.boot_id():
        return None
    leader = keeper.SYSTEM.process(child["pid"])
    if leader is None or leader.start != child["start"]:
        return None
    members = _members(files, leader, child)
    pids = [process.pid for process in members]
    descriptors = Descriptors(pids)
    cpu_s = sum(process.cpu_s for process in members) + _reaped_cpu_s(files)
    identities = sorted((process.pid, process.start) for process in members)
    return Vitals(
        cpu_s=_cgroup_cpu_s(child.get("cgroup")) or cpu_s,
        processes=len(members),
        tree=keeper.checksum(repr(identities)),
        io_bytes=_io_bytes(pids),
        net_bytes=meter.read(nonce, pids, descriptors.sockets),
        fds=descriptors.count,
        rss_bytes=sum(process.rss for process in members),
        tty_mode=tty_mode,
        **standing(leader, members)._asdict(),
    )


def _members(files: AttemptFiles, leader: keeper.Process, child: dict[str, Any]) -> list[keeper.Process]:
    """Return the living processes below the leader and, while the keeper adopts orphans, below the keeper."""
    shim = files.read("shim.json") or {}
    spared = shim.get("session")
    queue = [leader.pid, *keeper.cgroup_pids(child.get("cgroup"))]
    guard = keeper.SYSTEM.process(shim["pid"]) if isinstance(shim.get("pid"), int) else None
    if guard is not None and guard.start == shim.get("start") and shim.get("origin") == "keeper":
        queue += keeper.SYSTEM.children(guard.pid)
    found: dict[int, keeper.Process] = {}
    while queue:
        pid = queue.pop()
        process = None if pid in found else keeper.SYSTEM.process(pid)
        if process is None or process.session == spared:
            continue
        found[pid] = process
        queue += keeper.SYSTEM.children(pid)
    return [process for process in found.values() if process.state not in "ZX" or process.pid == leader.pid]


def _reaped_cpu_s(files: AttemptFiles) -> float:
    """Return the CPU seconds of the orphans that the keeper has reaped."""
    shim = files.read("shim.json") or {}
    if not isinstance(shim.get("pid"), int) or shim.get("origin") != "keeper":
        return 0.0
    try:
        with open(f"/proc/{shim['pid']}/stat", "rb") as file:
            data = file.read()
    except OSError:
        return 0.0
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[19].decode() != shim.get("start"):
        return 0.0
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _cgroup_cpu_s(path: Any) -> float | None:
    """Return the CPU seconds of everything that ever ran in the cgroup."""
    with contextlib.suppress(OSError, ValueError, TypeError), open(f"{path}/cpu.stat", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(" ")
            if name == "usage_usec":
                return int(value) / 1e6
    return None


def _io_bytes(pids: list[int]) -> int | None:
    total, known = 0, False
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/io", encoding="ascii") as file:
            lines = file.read().split()
            total += int(lines[1]) + int(lines[3])
            known = True
    return total if known else None
