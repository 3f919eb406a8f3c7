"""The OpenAI Codex CLI as a Logist agent."""
