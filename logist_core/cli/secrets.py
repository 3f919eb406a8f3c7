"""Which values must not be shown of a job's output: those of its declared secrets, as far as they are known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logist_core.errors import LogistError

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore


def secret_values(store: JobStore, job_id: str) -> tuple[str, ...]:
    """Return the values of the variables that the user (`--secret`) or the agent's plan declared secret.

    They live in the vault, in memory, only until the job has ended; after that the present environment is asked,
    which mostly is the one that the job was submitted from.
    """
    import os

    from logist_core.supervise.planfile import load_plan

    names = set(store.spec(job_id).secrets)
    for attempt in store.status(job_id).attempts:
        try:
            names |= set(load_plan(str(store.attempt_dir(job_id, attempt.number))).secrets)
        except LogistError:
            continue
    if not names:
        return ()
    sources = (store.environment(job_id) or {}, os.environ)
    return tuple(sorted({source[name] for source in sources for name in names if source.get(name)}))
