"""aider as a Logist agent."""
