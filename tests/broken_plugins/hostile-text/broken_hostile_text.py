"""Everything that it says tries to reach the terminal."""

raise RuntimeError("\x1b]0;owned\x07\x1b[2J\u202egnp.exe\nstate: ok" + "A" * 100_000)
