"""Benchmarks: Logist beside its peers, in one run, as ratios.

    uv run python tests/benchmarks [--small | --part | --thousand] [--only NAME] [--json FILE] [--page FILE]

They measure; they never fail for being slow. What they do assert, at every size, is that nothing was lost and that
every exit code is right: a quick answer that is wrong isn't worth a row.
"""
