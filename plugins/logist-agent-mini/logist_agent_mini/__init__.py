"""mini-swe-agent as a Logist agent."""
