"""A model provider on loopback for tests with real agent programs, and the namespace that they run in."""
