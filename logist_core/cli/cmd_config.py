"""`logist config`: reads the configuration in force, and writes the user's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import json_option
from logist_core.types._json import JSON

if TYPE_CHECKING:
    from logist_core.config import Origin

SCHEMA = 1


@click.group("config")
def command() -> None:
    """Read and write the configuration.

    KEY is one of agent, runtime, sentinel, max_jobs, max_log_bytes, plugins.disable, or a plugin's setting:
    agents.NAME.SETTING,
    runtimes.NAME.SETTING, sentinels.NAME.SETTING (see: logist plugins info NAME).
    """


@command.command("get")
@click.argument("key", metavar="[KEY]", required=False)
@json_option
@click.pass_obj
def get(app: App, key: str | None, as_json: bool) -> None:
    """Print the value in force of KEY, or everything that is set."""
    from logist_core.cli import output

    found = {key: _value(app, key)} if key is not None else _everything(app)
    shapes = [_shape(name, value, origin) for name, (value, origin) in found.items()]
    if as_json:
        output.json_line({"schema": SCHEMA, **shapes[0]} if key is not None else {"schema": SCHEMA, "values": shapes})
    elif key is not None:
        output.line(_text(found[key][0]))
    else:
        for name, (value, origin) in found.items():
            where = f"{origin.layer}, {origin.path}" if origin.path else origin.layer
            output.line(f"{_clean(name)} = {_text(value)}  ({_clean(where)})")
    _warn(app)


@command.command("set")
@click.argument("key", metavar="KEY")
@click.argument("value", metavar="VALUE")
@json_option
@click.pass_obj
def set_value(app: App, key: str, value: str, as_json: bool) -> None:
    """Set KEY in the user's configuration file.

    A list is written a,b,c. Comments in the file are kept.
    """
    from logist_core.cli import output
    from logist_core.config import SETTINGS_TABLES, parse_key, setting_named

    parsed = parse_key(key)
    setting = None
    if parsed.kind:
        record = app.registry.record(parsed.kind, parsed.plugin)
        setting = setting_named(record, parsed.kind, parsed.plugin, parsed.setting)
    elif parsed.dotted in SETTINGS_TABLES:
        app.registry.entry(parsed.dotted, value.strip())
        value = value.strip()
    stored = app.config.set_user(key, value, setting)
    if as_json:
        output.json_line({"schema": SCHEMA, "key": parsed.dotted, "value": stored, "path": str(app.config.user_path)})
    else:
        output.note(f"{_clean(parsed.dotted)} = {_text(stored)}, in {_clean(str(app.config.user_path))}")


@command.command("unset")
@click.argument("key", metavar="KEY")
@json_option
@click.pass_obj
def unset(app: App, key: str, as_json: bool) -> None:
    """Remove KEY from the user's configuration file."""
    from logist_core.cli import output

    removed = app.config.unset_user(key)
    if as_json:
        output.json_line({"schema": SCHEMA, "key": key, "removed": removed, "path": str(app.config.user_path)})
    elif not removed:
        output.note(f"{_clean(key)} is not set in {_clean(str(app.config.user_path))}")


@command.command("path")
@json_option
@click.pass_obj
def path(app: App, as_json: bool) -> None:
    """Print the path of the user's configuration file, whether it exists or not."""
    import os
    from pathlib import Path

    from logist_core.cli import output
    from logist_core.config.files import find_project_file
    from logist_core.config.layers import user_path

    # Not from the loaded configuration: the path of a file that is wrong is wanted most of all.
    user, project = user_path(os.environ), find_project_file(Path.cwd())
    if as_json:
        shape = {"user": str(user), "exists": user.exists(), "project": str(project) if project else None}
        output.json_line({"schema": SCHEMA, **shape})
        return
    output.line(_clean(str(user)))
    if project:
        output.note(f"the project has one besides: {_clean(str(project))}")


def _value(app: App, key: str) -> tuple[JSON, Origin]:
    from logist_core.config import parse_key, resolve, setting_named

    parsed = parse_key(key)
    if not parsed.kind:
        return app.config.get(parsed.dotted), app.config.origin(parsed.dotted)
    record = app.registry.record(parsed.kind, parsed.plugin)
    setting_named(record, parsed.kind, parsed.plugin, parsed.setting)
    found = resolve(record, parsed.kind, parsed.plugin, app.config)[parsed.setting]
    return found.value, found.origin


def _everything(app: App) -> dict[str, tuple[JSON, Origin]]:
    """Return the core's keys, and the settings that a file sets for plugins that are installed."""
    from logist_core.config import CORE_SETTINGS, SETTINGS_TABLES, resolve

    found: dict[str, tuple[JSON, Origin]] = {}
    for key in CORE_SETTINGS:
        found[key] = app.config.get(key), app.config.origin(key)
    for kind, table in SETTINGS_TABLES.items():
        named = {name for layer in app.config.layers() for name in layer.plugins(kind)}
        for name in sorted(named & set(app.registry.names(kind))):
            for setting, value in resolve(app.registry.record(kind, name), kind, name, app.config).items():
                if value.origin.layer != "default":
                    found[f"{table}.{name}.{setting}"] = value.value, value.origin
    return found


def _shape(key: str, value: JSON, origin: Origin) -> dict[str, JSON]:
    return {
        "key": key,
        "value": value,
        "origin": origin.layer,
        "path": str(origin.path) if origin.path else None,
    }


def _text(value: JSON) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return _clean(",".join(value))
    return _clean(str(value))


def _clean(text: str) -> str:
    from logist_core.cli.text import one_line

    return one_line(text, 2000)


def _warn(app: App) -> None:
    from logist_core.cli import output

    for warning in app.config.warnings:
        output.note(warning, "yellow")
