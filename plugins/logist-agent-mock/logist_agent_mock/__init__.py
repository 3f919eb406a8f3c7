"""A deterministic agent for Logist that costs nothing: scenarios, scripts and replays."""
