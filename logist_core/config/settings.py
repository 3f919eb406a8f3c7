"""Resolves a plugin's settings: command line over project over user over the plugin's own defaults.

A sentinel's may differ from agent to agent: `[sentinels.default.agents.codex]` stands over `[sentinels.default]` of the
same file.

Invariant: every resolved value has its setting's type, whatever the files hold; a project's file sets nothing but
settings marked `project=True`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from logist_core.config.files import as_table
from logist_core.config.layers import Config, Layer, Origin
from logist_core.config.schema import SETTINGS_TABLES
from logist_core.config.text import listed, nearest, printable, quoted
from logist_core.config.values import check_value, parse_value
from logist_core.errors import ConfigError, UsageError
from logist_core.hookspecs import AgentRecord, PatternsRecord, RuntimeRecord, SentinelRecord, Setting
from logist_core.types._json import JSON

Record = AgentRecord | RuntimeRecord | SentinelRecord | PatternsRecord


class Resolved(NamedTuple):
    """A value and where it comes from."""

    value: JSON
    origin: Origin


#: The key of a sentinel's table that holds tables for single agents.
PER_AGENT = "agents"


def resolve_settings(
    record: Record,
    kind: str,
    name: str,
    config: Config,
    overrides: Mapping[str, str] | None = None,
    *,
    agent: str | None = None,
) -> dict[str, JSON]:
    """Return the settings for a plugin's factory: every setting of `record`, each with a value of its type.

    Args:
        record: The plugin's.
        kind: `agent`, `runtime` or `sentinel`.
        name: The plugin's.
        config: The files; what a project may not set becomes a warning in it.
        overrides: From the command line (`--agent-set NAME=VALUE`), as text.
        agent: For a sentinel: the agent that it will judge; None: what is set for single agents is left out.

    Raises:
        ConfigError: The user's file has an unknown setting or a value of the wrong type.
        UsageError: An override has.
    """
    found = resolve(record, kind, name, config, overrides, agent=agent)
    return {key: value.value for key, value in found.items()}


def resolve(
    record: Record,
    kind: str,
    name: str,
    config: Config,
    overrides: Mapping[str, str] | None = None,
    *,
    agent: str | None = None,
) -> dict[str, Resolved]:
    """Do what `resolve_settings` does, and say where each value comes from."""
    plugin = _Plugin(kind, name, settings_of(record))
    found = {key: Resolved(default_of(setting), Origin("default")) for key, setting in plugin.known.items()}
    for layer in reversed(config.layers()):
        for keys, value in plugin.entries(layer, agent):
            try:
                found[keys[-1]] = Resolved(plugin.from_file(layer, keys, value), layer.origin)
            except ConfigError as error:
                if layer.name != "project":
                    raise
                config.warn(f"{error.message}; ignored")
    for key, text in (overrides or {}).items():
        found[key] = Resolved(plugin.from_command_line(key, text), Origin("command line"))
    return found


def settings_of(record: Record) -> Mapping[str, Setting]:
    """Return the settings of any record; pattern sets have none."""
    return {} if isinstance(record, PatternsRecord) else record.settings


def default_of(setting: Setting) -> JSON:
    """Return a setting's default in its type: a duration in seconds, a list of its own."""
    return None if setting.default is None else check_value(setting, setting.default)


def setting_named(record: Record, kind: str, name: str, key: str) -> Setting:
    """Return one setting of a record.

    Raises:
        UsageError: It has no such setting; the hint names the nearest.
    """
    plugin = _Plugin(kind, name, settings_of(record))
    if key not in plugin.known:
        raise plugin.unknown(UsageError, key)
    return plugin.known[key]


@dataclass(frozen=True, slots=True)
class _Plugin:
    kind: str
    name: str
    known: Mapping[str, Setting]

    def entries(self, layer: Layer, agent: str | None) -> Iterator[tuple[tuple[str, ...], object]]:
        """Yield the keys below the plugin's table, and the values; those for the agent last, as they stand over all."""
        table = layer.plugin_table(self.kind, self.name)
        divided = self.kind == "sentinel" and PER_AGENT not in self.known
        for key, value in table.items():
            if not divided or key != PER_AGENT or as_table(value) is None:
                yield (key,), value
        if divided and agent is not None:
            for key, value in (as_table((as_table(table.get(PER_AGENT)) or {}).get(agent)) or {}).items():
                yield (PER_AGENT, agent, key), value

    def from_file(self, layer: Layer, keys: tuple[str, ...], value: object) -> JSON:
        key = keys[-1]
        where = layer.at(SETTINGS_TABLES[self.kind], self.name, *keys)
        setting = self.known.get(key)
        if setting is None:
            raise self.unknown(ConfigError, key, f"{where}: ")
        if layer.name == "project" and not setting.project:
            raise ConfigError(f"{where}: {key} can't be set by a project")
        try:
            return check_value(setting, value)
        except ValueError as error:
            raise ConfigError(f"{where}: {key} {error}") from None

    def from_command_line(self, key: str, text: str) -> JSON:
        if key not in self.known:
            raise self.unknown(UsageError, key)
        try:
            return parse_value(self.known[key], text)
        except ValueError as error:
            raise UsageError(f"setting {key} of {self.kind} {self.name} {error}") from None

    def unknown(self, error: type[UsageError], key: str, where: str = "") -> UsageError:
        choices = " or ".join(nearest(key, self.known)) or (f"one of {listed(self.known)}" if self.known else None)
        message = f"{where}{self.kind} {printable(self.name, 40)} has no setting {quoted(key, 60)}"
        return error(message, hint=choices)
