"""What killed processes leave behind in a home: half-made jobs, half-deleted jobs, environments without a job.

Invariant: nothing that a living process still works on is touched.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from logist_core import platform
from logist_core.jobs.home import Home
from logist_core.jobs.vault import Vault

_UNFINISHED = ".new-"
#: After so long, no process can still be making a job, wherever it runs.
_UNFINISHED_AGE_S = 3600.0


def unfinished_name(job_id: str) -> str:
    """Return a name for the directory of a job that this process is making; it names its maker."""
    pid = os.getpid()
    maker = f"{platform.pid_namespace()}-{pid}-{platform.process_start(pid)}"
    return f"{_UNFINISHED}{job_id}-{maker}-{os.urandom(4).hex()}"


def sweep_leftovers(home: Home, vault: Vault) -> None:
    """Delete what nobody works on any more. Never fails: what can't be deleted now is left for the next time."""
    import shutil

    names: set[str] = set()
    with suppress(OSError), os.scandir(home.jobs) as entries:
        for entry in entries:
            names.add(entry.name)
            if entry.name.startswith(_UNFINISHED) and _is_abandoned(entry.name, entry.path):
                shutil.rmtree(entry.path, ignore_errors=True)
    with suppress(OSError):
        for name in os.listdir(home.trash):
            shutil.rmtree(os.path.join(home.trash, name), ignore_errors=True)
    vault.sweep(names)


def _is_abandoned(name: str, path: str) -> bool:
    """Say whether the maker of an unfinished job is dead, or must be."""
    _, _, namespace, pid, started, _ = [*name.split("-"), *[""] * 6][:6]
    # A pid of another namespace (a container that shares the home) says nothing here.
    if pid.isdigit() and namespace == platform.pid_namespace() and platform.process_start(int(pid)) != started:
        return True
    with suppress(OSError):
        return time.time() - os.lstat(path).st_mtime > _UNFINISHED_AGE_S
    return False
