"""The regex dictionary that Logist reads agents' output with."""
