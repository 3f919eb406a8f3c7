"""The GitHub Copilot CLI as a Logist agent."""
