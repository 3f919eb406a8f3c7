"""Any command line as a Logist agent."""
