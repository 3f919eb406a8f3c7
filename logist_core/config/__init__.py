"""Configuration: the files, their layers and how far each is trusted, durations, and plugins' settings."""

from __future__ import annotations

from logist_core.config.durations import format_duration, parse_duration
from logist_core.config.layers import Config, Origin
from logist_core.config.schema import CORE_SETTINGS, SETTINGS_TABLES, parse_key
from logist_core.config.settings import Resolved, resolve, resolve_settings, setting_named

__all__ = [
    "CORE_SETTINGS",
    "SETTINGS_TABLES",
    "Config",
    "Origin",
    "Resolved",
    "format_duration",
    "parse_duration",
    "parse_key",
    "resolve",
    "resolve_settings",
    "setting_named",
]
