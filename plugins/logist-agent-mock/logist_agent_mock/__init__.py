"""A deterministic agent for Logist that costs nothing: scenarios, scripts and replays."""

__version__ = "0.1.0"
