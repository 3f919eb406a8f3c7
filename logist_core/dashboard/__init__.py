"""The dashboard: what it shows (`board`, pure) and how it is drawn (`screen`, with rich)."""
