"""opencode as a Logist agent."""
