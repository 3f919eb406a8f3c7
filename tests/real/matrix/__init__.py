"""Every agent, every failure: real programs, run by Logist, against a fake provider; and the table of what came of it."""
