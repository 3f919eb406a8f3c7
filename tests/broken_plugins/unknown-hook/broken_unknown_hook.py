"""Implements a hook that does not exist, beside one that does."""

from logist_core.api import AgentRecord, hookimpl


@hookimpl
def logist_agents():
    return [AgentRecord(name="unknown-hook", summary="Misspelt.", factory=lambda settings: None)]


@hookimpl
def logist_job_events(event, job):
    pass
