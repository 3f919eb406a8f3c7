"""`logist plugins`: what is installed, whether it works, and what is wrong where it doesn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from logist_core.cli.app import App
from logist_core.cli.params import DURATION, json_option
from logist_core.errors import ExitCode, PluginUnavailable

if TYPE_CHECKING:
    from logist_core.registry.inspection import Report

_timeout_option = click.option(
    "--timeout",
    "limit_s",
    type=DURATION,
    default=None,
    metavar="DURATION",
    help="How long one plugin may take to load before it is killed (default: 10s).",
)


@click.group("plugins")
def command() -> None:
    """List, describe and check installed plugins.

    Each plugin is loaded in a process of its own, so that a broken one can't harm the command.
    """


@command.command("list")
@click.option("--no-check", is_flag=True, help="Read metadata alone; load nothing.")
@_timeout_option
@json_option
@click.pass_obj
def list_plugins(app: App, no_check: bool, limit_s: float | None, as_json: bool) -> None:
    """List all plugins with their state."""
    from logist_core.cli import output, plugin_tables

    checked = not no_check
    reports = plugin_tables.gather(app.registry, None, checked=checked, limit_s=limit_s)
    loose = plugin_tables.loose_faults(app.registry)
    disabled = app.registry.disabled()
    if as_json:
        from logist_core.types._json import plain

        output.json_line(
            {
                "schema": plugin_tables.SCHEMA,
                "plugins": [plugin_tables.as_json(report, checked=checked) for report in reports],
                "faults": plain(loose),
                "disabled": plain(disabled),
            }
        )
        return
    rows = [_row(report, checked=checked) for report in reports]
    for fault in loose:
        rows.append([fault.kind, fault.name, "fault", fault.dist, fault.version, f"{fault.reason}: {fault.detail}"])
    rows += [[entry.kind, entry.name, "disabled", entry.dist, entry.version, ""] for entry in disabled]
    if rows:
        head = ("KIND", "NAME", "STATE", "DISTRIBUTION", "VERSION", "SUMMARY" if checked else "")
        plugin_tables.table(head, rows, [row[2] for row in rows], 2)
    else:
        from logist_core.registry.selection import INSTALL_DEFAULTS

        output.note(f"no plugin is installed; try: {INSTALL_DEFAULTS}")
    if any(row[2] == "fault" for row in rows):
        output.note("what to do about faults: logist plugins check")


@command.command("info")
@click.argument("name", metavar="[KIND/]NAME")
@_timeout_option
@json_option
@click.pass_obj
def info(app: App, name: str, limit_s: float | None, as_json: bool) -> None:
    """Describe a plugin: where it comes from, its settings, its faults."""
    from logist_core.cli import output, plugin_tables

    kind, plugin = _split(app, name)
    reports = app.registry.reports(kind, name=plugin, limit_s=limit_s)
    if as_json:
        shapes = [plugin_tables.as_json(report, checked=True) for report in reports]
        output.json_line({"schema": plugin_tables.SCHEMA, "plugins": shapes})
        return
    for number, report in enumerate(reports):
        if number:
            output.line()
        _describe(report)


@command.command("check")
@click.argument("name", metavar="[[KIND/]NAME]", required=False)
@_timeout_option
@json_option
@click.pass_context
def check(ctx: click.Context, name: str | None, limit_s: float | None, as_json: bool) -> None:
    """Load every plugin and report what is wrong; exit with 1 where one can't be used."""
    from logist_core.cli import output, plugin_tables

    registry = ctx.find_object(App).registry  # type: ignore[union-attr]  # the root group sets it
    kind, plugin = _split(ctx.obj, name) if name is not None else (None, None)
    reports = registry.reports(kind, name=plugin, limit_s=limit_s)
    faults = [fault for report in reports for fault in report.faults]
    if name is None:
        faults = [*plugin_tables.loose_faults(registry), *faults]
    failed = any(fault.severity == "error" for fault in faults)
    if as_json:
        from logist_core.types._json import plain

        output.json_line(
            {"schema": plugin_tables.SCHEMA, "ok": not failed, "checked": len(reports), "faults": plain(faults)}
        )
    else:
        plugin_tables.print_faults(faults)
        bad = sum(1 for report in reports if not report.ok)
        output.note(f"{len(reports)} checked, {bad} can't be used")
    if failed:
        ctx.exit(int(ExitCode.FAILURE))


def _row(report: Report, *, checked: bool) -> list[str]:
    from logist_core.cli import plugin_tables

    entry = report.entry
    words = plugin_tables.remark(report)
    return [entry.kind, entry.name, plugin_tables.state(report, checked=checked), entry.dist, entry.version, words]


def _split(app: App, name: str) -> tuple[str | None, str]:
    """Take `[KIND/]NAME` apart; raises `PluginUnavailable` where there is no such plugin."""
    from logist_core.config.text import listed, nearest, quoted

    entries = app.registry.entries()
    kind, slash, plugin = name.rpartition("/")
    if any(plugin == entry.name and kind in ("", entry.kind) for entry in entries):
        return (kind if slash else None), plugin
    known = sorted({f"{entry.kind}/{entry.name}" for entry in entries})
    close = nearest(name, [*known, *(entry.name for entry in entries)])
    raise PluginUnavailable(
        f"no plugin {quoted(name, 60)} is installed (installed: {listed(known)})",
        hint=" or ".join(f"logist plugins info {match}" for match in close) or "logist plugins list",
    )


def _describe(report: Report) -> None:
    from logist_core.cli import output, plugin_tables

    entry = report.entry
    output.line(f"{entry.kind}/{entry.name}  {report.summary or ''}".rstrip())
    output.line(f"  distribution  {entry.dist} {entry.version}")
    output.line(f"  module        {entry.module}")
    output.line(f"  state         {plugin_tables.state(report, checked=True)}")
    if report.api is not None:
        output.line(f"  plugin API    {report.api}")
    if report.import_s is not None:
        output.line(f"  import        {report.import_s * 1000:.0f} ms")
    if report.settings:
        output.line("  settings")
        for name, setting in report.settings.items():
            _describe_setting(name, setting)
    plugin_tables.print_faults(report.faults)


def _describe_setting(name: str, setting: dict[str, object]) -> None:
    from logist_core.cli import output
    from logist_core.cli.text import one_line

    facts = [one_line(str(setting["type"]))]
    choices = setting["choices"]
    if isinstance(choices, list) and choices:
        facts.append(" | ".join(choices))
    if setting["default"] is not None:
        facts.append(f"default {one_line(str(setting['default']), 80)}")
    if setting["project"]:
        facts.append("a project may set it")
    output.line(f"    {name}  ({'; '.join(facts)})")
    output.line(f"        {setting['help']}")
