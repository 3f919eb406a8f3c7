"""Offers the `host` runtime. Light: the runtime itself is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from logist_core.api import Runtime, RuntimeRecord, Setting, hookimpl

SETTINGS: Mapping[str, Setting] = {
    "cgroup": Setting(
        type="str",
        default="auto",
        help="Put each attempt into a cgroup of its own where we may: then nothing of its tree can slip away. `v1` is "
        "for tests: the freezer, which `auto` takes where there is no cgroup v2.",
        choices=("auto", "v1", "off"),
    ),
    "kernel_exit_info": Setting(
        type="str",
        default="auto",
        help="Learn the exit of an attempt whose keeper died from the kernel (Linux 6.15); `off` is for tests.",
        choices=("auto", "off"),
    ),
    "min_free": Setting(
        type="int",
        default=None,
        help="Start nothing while less is free on the disk of the job's directory, in bytes; unset: 512 MiB or 1 % "
        "of the disk, whichever is smaller; 0: start always.",
    ),
    "start_timeout": Setting(
        type="duration",
        default=30.0,
        help="How long to wait for a keeper to start the program, in seconds.",
    ),
}


def _make(settings: Mapping[str, Any]) -> Runtime:
    from logist_runtime_host.runtime import HostRuntime

    min_free, cgroup = settings.get("min_free"), str(settings.get("cgroup", "auto"))
    return HostRuntime(
        cgroup=cgroup if cgroup == "v1" else cgroup != "off",
        kernel_exit_info=settings.get("kernel_exit_info", "auto") != "off",
        min_free_bytes=None if min_free is None else int(min_free),
        start_timeout_s=float(settings.get("start_timeout", 30.0)),
    )


@hookimpl
def logist_runtimes() -> Iterable[RuntimeRecord]:
    """Return the one runtime of this plugin."""
    return [
        RuntimeRecord(
            name="host",
            summary="Processes of this machine; each attempt survives the death of everything but itself.",
            factory=_make,
            settings=SETTINGS,
        )
    ]
