"""The pi coding agent as a Logist agent."""
