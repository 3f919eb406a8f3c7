"""The layers of configuration: a project's file over the user's file over the defaults, and how far each is trusted.

Invariant: a project's file comes with a repository and may be hostile. It chooses among what is installed and sets
what a plugin's author marked as harmless (`Setting.project`); anything else in it, and any defect of it, becomes a
warning, never an error and never a value. The user's own file is trusted, and a defect of it is an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from logist_core.config.files import as_table, at, find_project_file, read_toml
from logist_core.config.schema import CORE_SETTINGS, SETTINGS_TABLES, parse_key, unknown_key_hint
from logist_core.config.text import printable
from logist_core.config.values import check_value
from logist_core.errors import ConfigError
from logist_core.hookspecs import Setting
from logist_core.types._json import JSON

_HEADS = {key.partition(".")[0] for key in CORE_SETTINGS}


class Origin(NamedTuple):
    """Where a value comes from: `command line`, `project`, `user` or `default`, and the file, where it is one."""

    layer: str
    path: Path | None = None


class Layer:
    """One configuration file: its checked core values, and its unchecked tables of plugin settings."""

    def __init__(self, name: str, path: Path, data: Mapping[str, Any], text: str) -> None:
        """Take the parsed content of a file; `read` is the way to make one."""
        self.name = name
        self.path = path
        self._data = data
        self._text = text
        self.core: dict[str, JSON] = {}

    @property
    def origin(self) -> Origin:
        """Where values of this layer come from."""
        return Origin(self.name, self.path)

    def at(self, *keys: str) -> str:
        """Return `FILE:LINE` of a key."""
        return at(self.path, self._text, keys)

    def plugin_table(self, kind: str, plugin: str) -> Mapping[str, Any]:
        """Return the settings of one plugin as they stand in the file, unchecked."""
        tables = as_table(self._data.get(SETTINGS_TABLES.get(kind, ""))) or {}
        return as_table(tables.get(plugin)) or {}

    def plugins(self, kind: str) -> list[str]:
        """Return the names of the plugins of a kind that have a table in the file."""
        return list(as_table(self._data.get(SETTINGS_TABLES.get(kind, ""))) or {})

    def check(self) -> list[ConfigError]:
        """Take over what is right of the core's keys; return an error for each of the others."""
        errors: list[ConfigError] = []
        for head, value in self._data.items():
            table = as_table(value)
            if head in SETTINGS_TABLES.values():
                errors += self._check_plugin_tables(head, value)
            elif head in CORE_SETTINGS:
                errors += self._take(head, value)
            elif head in _HEADS and table is not None:
                for key, item in table.items():
                    errors += self._take(f"{head}.{key}", item)
            elif head in _HEADS:
                errors.append(ConfigError(f"{self.at(head)}: {head} must be a table", hint=f"[{head}]"))
            else:
                errors.append(self._unknown(head))
        return errors

    def _take(self, key: str, value: object) -> list[ConfigError]:
        setting = CORE_SETTINGS.get(key)
        if setting is None:
            return [self._unknown(key)]
        if key in SETTINGS_TABLES and isinstance(value, dict):
            names = printable(".".join(value), 60)
            hint = f"[{SETTINGS_TABLES[key]}.{names}]"
            return [ConfigError(f"{self.at(key)}: {key} must be the name of one {key}, not a table", hint=hint)]
        try:
            self.core[key] = check_core(key, setting, value)
        except ValueError as error:
            return [ConfigError(f"{self.at(*key.split('.'))}: {key} {error}")]
        return []

    def _check_plugin_tables(self, head: str, value: object) -> list[ConfigError]:
        hint = f"[{head}.NAME]"
        tables = as_table(value)
        if tables is None:
            return [ConfigError(f"{self.at(head)}: {head} must hold a table for each plugin", hint=hint)]
        return [
            ConfigError(f"{self.at(head, name)}: {head}.{printable(name, 60)} must be a table", hint=hint)
            for name, table in tables.items()
            if as_table(table) is None
        ]

    def _unknown(self, key: str) -> ConfigError:
        shown = printable(key, 80)
        return ConfigError(f"{self.at(*key.split('.'))}: unknown key '{shown}'", hint=unknown_key_hint(key))


class Config:
    """The configuration in force for one command.

    Attributes:
        user_path: The user's file; it needs not exist.
        project_path: The project's file, or None.
        warnings: What was ignored in the project's file, a line each. Grows while settings are resolved.
    """

    def __init__(self, user: Layer, project: Layer | None) -> None:
        """Combine two layers; `load` is the way to make one."""
        self._user = user
        self._project = project
        self.user_path = user.path
        self.project_path = project.path if project else None
        self.warnings: list[str] = []

    @classmethod
    def load(cls, cwd: Path | None = None, env: Mapping[str, str] = os.environ) -> Config:
        """Read the configuration for a command that is run in `cwd`.

        Args:
            cwd: Where to look for a project's file; None: use the user's file alone.
            env: `$LOGIST_CONFIG` names the user's file; else it is `config.toml` in the platform's config dir.

        Raises:
            ConfigError: The user's file can't be read or is wrong.
        """
        user = _user_layer(user_path(env))
        config = cls(user, None)
        path = find_project_file(cwd) if cwd is not None else None
        if path is not None:
            config._add_project(path)
        return config

    def get(self, key: str, default: JSON = None) -> JSON:
        """Return the value in force of a dotted key, or `default` where no file sets it.

        A plugin's setting (`agents.claude.model`) is returned as the user's file has it: whether a project may
        set it is known to its plugin only, see `resolve_settings`.

        Raises:
            UsageError: There is no such key.
        """
        parsed = parse_key(key)
        if parsed.kind:
            return self._user.plugin_table(parsed.kind, parsed.plugin).get(parsed.setting, default)
        layer = self._layer_of(parsed.dotted)
        if layer is not None:
            return layer.core[parsed.dotted]
        return CORE_SETTINGS[parsed.dotted].default if default is None else default

    def origin(self, key: str) -> Origin:
        """Say which layer `get` takes a key from."""
        parsed = parse_key(key)
        if parsed.kind:
            is_set = parsed.setting in self._user.plugin_table(parsed.kind, parsed.plugin)
            return self._user.origin if is_set else Origin("default")
        layer = self._layer_of(parsed.dotted)
        return layer.origin if layer else Origin("default")

    def user_value(self, key: str) -> JSON:
        """Return what the user's file sets a key of the core to, or None; the project's file doesn't count."""
        return self._user.core.get(key)

    def layers(self) -> list[Layer]:
        """Return the files in force, strongest first."""
        return [layer for layer in (self._project, self._user) if layer is not None]

    def warn(self, message: str) -> None:
        """Note that something was ignored; each message once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def set_user(self, key: str, text: str, setting: Setting | None = None) -> JSON:
        """Set a key in the user's file and return the typed value. Comments and order of the file are kept.

        Args:
            key: Dotted.
            text: The value as written on a command line.
            setting: Needed for a plugin's setting: what its record says of it.

        Raises:
            ConfigError: The file can't be written.
            UsageError: No such key, or a value of the wrong type.
        """
        from logist_core.config.edit import set_value

        value = set_value(self.user_path, parse_key(key), text, setting)
        self._user = _user_layer(self.user_path)
        return value

    def unset_user(self, key: str) -> bool:
        """Remove a key from the user's file; return whether it was there."""
        from logist_core.config.edit import unset_value

        removed = unset_value(self.user_path, parse_key(key))
        self._user = _user_layer(self.user_path)
        return removed

    def _layer_of(self, key: str) -> Layer | None:
        return next((layer for layer in self.layers() if key in layer.core), None)

    def _add_project(self, path: Path) -> None:
        try:
            data, text = read_toml(path, owned=True)
        except ConfigError as error:
            self.warn(f"{error.message}; the file is ignored")
            return
        layer = Layer("project", path, data, text)
        for defect in layer.check():
            self.warn(f"{defect.message}; ignored")
        for key in [key for key in layer.core if not CORE_SETTINGS[key].project]:
            del layer.core[key]
            self.warn(f"{layer.at(*key.split('.'))}: {key} can't be set by a project; ignored")
        self._project = layer
        self.project_path = path


def user_path(env: Mapping[str, str]) -> Path:
    """Return the path of the user's file, which needs not exist."""
    if chosen := env.get("LOGIST_CONFIG"):
        return Path(chosen).expanduser().absolute()
    from logist_core.platform import default_config_dir

    return default_config_dir(env) / "config.toml"


_NEVER_NEGATIVE = frozenset({"max_restarts", "interventions_per_hour"})

#: A smaller limit would leave neither a beginning nor an end worth keeping.
MIN_LOG_BYTES = 1 << 20


def check_core(key: str, setting: Setting, value: object) -> JSON:
    """Return a checked value of a core key; raises ValueError with a text that completes `<key> `."""
    checked = check_value(setting, value)
    if key == "max_jobs" and checked < 1:
        raise ValueError(f"must be 1 or more, not {checked}")
    if (key in _NEVER_NEGATIVE or key.startswith("limits.")) and checked < 0:
        raise ValueError(f"must be 0 or more, not {checked}")
    if key == "max_log_bytes" and checked != 0 and checked < MIN_LOG_BYTES:
        raise ValueError(f"must be {MIN_LOG_BYTES} (1 MiB) or more, or 0 for no limit, not {checked}")
    return checked


def _user_layer(path: Path) -> Layer:
    data, text = read_toml(path, owned=False)
    layer = Layer("user", path, data, text)
    if errors := layer.check():
        raise errors[0]
    return layer
