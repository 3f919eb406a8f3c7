"""Plugins: discovery by metadata, guarded loading, faults, selection."""

from __future__ import annotations

from logist_core.registry.catalog import Registry
from logist_core.registry.discovery import Entry
from logist_core.registry.faults import PluginFault, Reason
from logist_core.registry.selection import Selection

__all__ = ["Entry", "PluginFault", "Reason", "Registry", "Selection"]
