"""Logist: AI agents as durable, observed jobs. Plugins import `logist_core.api` and nothing else from here."""

__version__ = "0.1.0"
