"""Decides which plugin is used where several could be, and words what to say where none can.

Invariant: the order is command line, project's file, user's file, the only one installed, the default; a project's
file chooses among what is installed, and can't make Logist advise installing anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from logist_core.config import Config
from logist_core.config.text import listed, nearest, printable, quoted
from logist_core.errors import PluginUnavailable, UsageError
from logist_core.registry.discovery import NAME, Entry
from logist_core.registry.faults import PluginFault

#: Kind -> what is used where nobody chose and several are installed.
DEFAULTS: Mapping[str, str] = MappingProxyType({"agent": "mock", "runtime": "host", "sentinel": "default"})

INSTALL_DEFAULTS = 'pip install "logist-core[default]"'

_WHY = {"project": "project config", "user": "user config"}


@dataclass(frozen=True, slots=True)
class Selection:
    """The plugin to use, and why.

    Attributes:
        name: The plugin's.
        why: `command line`, `project config`, `user config`, `only one installed` or `default`.
    """

    name: str
    why: str


def select(kind: str, installed: Sequence[str], asked: str | None, config: Config) -> Selection:
    """Choose one of `installed`; see `Registry.select`."""
    if asked is not None:
        if asked not in installed:
            raise not_installed(kind, asked, installed)
        return Selection(asked, "command line")
    for layer in config.layers():
        name = layer.core.get(kind)
        if name is None:
            continue
        if name in installed:
            return Selection(name, _WHY[layer.name])
        if layer.name == "user":
            raise not_installed(kind, name, installed, f"{layer.at(kind)}: ")
        config.warn(
            f"{layer.at(kind)}: {kind} {quoted(name, 40)} isn't installed (installed: {listed(installed)}); ignored"
        )
    if not installed:
        raise nothing_installed(kind)
    if len(installed) == 1:
        return Selection(installed[0], "only one installed")
    if DEFAULTS.get(kind) in installed:
        return Selection(DEFAULTS[kind], "default")
    raise UsageError(
        f"several {kind}s are installed and none is chosen: {listed(installed)}",
        hint=f"--{kind} {installed[0]}, or for good: logist config set {kind} {installed[0]}",
    )


def nothing_installed(kind: str) -> PluginUnavailable:
    """Return the error of a core without plugins."""
    return PluginUnavailable(f"no {kind} is installed", hint=INSTALL_DEFAULTS)


def not_installed(kind: str, name: str, installed: Sequence[str], where: str = "") -> PluginUnavailable:
    """Return the error of an unknown name: the nearest names, what is installed, and how to install it.

    Args:
        kind: Of plugin.
        name: What was asked for.
        installed: All names of that kind.
        where: `FILE:LINE: ` where it was asked for, or nothing for the command line.
    """
    if not installed and not NAME.fullmatch(name):
        return nothing_installed(kind)
    shown = printable(name, 60)
    message = f"{where}{kind} '{shown}' isn't installed (installed: {listed(installed)})"
    advice = []
    if close := nearest(name, installed):
        advice.append(" or ".join(close))
    if NAME.fullmatch(name):
        advice.append(install_line(kind, name))
    if not installed:
        advice.append(INSTALL_DEFAULTS)
    return PluginUnavailable(message, hint=", or: ".join(advice) or f"one of {listed(installed)}")


def install_line(kind: str, name: str) -> str:
    """Return the command that installs a plugin which follows the naming convention."""
    if DEFAULTS.get(kind) == name:
        return INSTALL_DEFAULTS
    return f"pip install logist-{kind}-{name}"


def unusable(entry: Entry, fault: PluginFault) -> PluginUnavailable:
    """Return the error of a plugin that is installed and at fault."""
    return PluginUnavailable(
        f"{entry.kind} {entry.name} of {entry.dist} {entry.version} can't be used: {fault.detail}",
        hint=fault.hint or f"logist plugins info {entry.kind}/{entry.name}",
    )
