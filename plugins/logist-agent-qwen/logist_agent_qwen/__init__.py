"""Qwen Code as a Logist agent."""
