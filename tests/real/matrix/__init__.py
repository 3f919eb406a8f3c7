"""Every agent, every failure: real programs run by Logist, and the table of what came of it."""
