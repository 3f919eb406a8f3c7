"""A very small agent for Logist."""
