"""`logist recover`: settle what ended and find what runs, without a supervisor. Never starts work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logist_core.errors import LogistError
from logist_core.supervise import client, singleton
from logist_core.supervise.plugins import Plugins
from logist_core.supervise.reconcile import reconcile

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverReport:
    """What recovery found of one job.

    Attributes:
        id: The job.
        before, after: Its lifecycle.
        conditions: Those that hold now.
        detail: One line.
    """

    id: str
    before: str
    after: str
    conditions: tuple[str, ...]
    detail: str


def recover(store: JobStore, registry: Registry, *, dry_run: bool = False) -> list[RecoverReport]:
    """Bring every job that has not ended in line with its runtime; return what was found of each.

    A living supervisor does this all the time: it is poked, and its view reported.
    """
    lock = None if dry_run else singleton.acquire(store.home.path, patience_s=0.2)
    try:
        plugins = Plugins(registry)
        served = lock is None
        if served and not dry_run:
            client.poke(store.home)
        reports = []
        for job_id in store.ids():
            report = _one(store, plugins, job_id, read_only=dry_run or served)
            if report is not None:
                reports.append(report)
        return reports
    finally:
        if lock is not None:
            os.close(lock)


def _one(store: JobStore, plugins: Plugins, job_id: str, *, read_only: bool) -> RecoverReport | None:
    try:
        before = store.status(job_id)
        if before.lifecycle.ended:
            return None
        found = reconcile(store, plugins, job_id, writer="recoverer", dry_run=read_only)
    except LogistError as error:
        return RecoverReport(id=job_id, before="unknown", after="unknown", conditions=(), detail=error.message)
    return RecoverReport(
        id=job_id,
        before=before.lifecycle.value,
        after=found.status.lifecycle.value,
        conditions=found.status.conditions,
        detail=found.detail,
    )
