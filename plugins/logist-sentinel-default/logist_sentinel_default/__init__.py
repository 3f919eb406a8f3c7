"""The default hang detector of Logist."""
