"""Its factory says what the user has to do first."""

from logist_core.api import AgentRecord, ConfigError, hookimpl


def _make(settings):
    raise ConfigError("the setting `endpoint` is missing", hint="logist config set agents.not-ready.endpoint URL")


@hookimpl
def logist_agents():
    return [AgentRecord(name="not-ready", summary="Wants an endpoint.", factory=_make)]
