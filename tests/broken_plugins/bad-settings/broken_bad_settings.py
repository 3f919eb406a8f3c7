"""The default of its setting has another type than the setting."""

from logist_core.api import AgentRecord, Setting, hookimpl


@hookimpl
def logist_agents():
    settings = {"retries": Setting(type="int", default="three", help="How often.")}
    return [AgentRecord(name="bad-settings", summary="x", factory=lambda settings: None, settings=settings)]
