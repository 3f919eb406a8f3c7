"""A very small runtime for Logist."""
