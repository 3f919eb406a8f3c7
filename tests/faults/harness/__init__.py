"""Kills and errors at every operation of Logist's processes, and the oracle that is asked after each of them."""
