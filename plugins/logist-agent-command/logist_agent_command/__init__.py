"""Any command line as a Logist agent."""

__version__ = "0.1.0"
