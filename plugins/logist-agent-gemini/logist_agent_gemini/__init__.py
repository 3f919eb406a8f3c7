"""The Gemini CLI as a Logist agent."""
