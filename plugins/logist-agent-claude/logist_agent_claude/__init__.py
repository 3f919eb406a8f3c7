"""The Claude Code CLI as a Logist agent."""
