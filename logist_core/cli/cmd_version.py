"""`logist version`."""

from __future__ import annotations

import click


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/reference/json.md).")
def command(as_json: bool) -> None:
    """Print versions.

    The versions of logist-core, of Python, of the plugin API and of the layout of files.
    """
    import os
    import sys

    from logist_core import __version__
    from logist_core.cli.output import json_line, line
    from logist_core.hookspecs import API_VERSION

    facts = {
        "logist_core": __version__,
        "api": API_VERSION,
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": " ".join((os.uname().sysname, os.uname().release, os.uname().machine)),
    }
    if as_json:
        json_line({"schema": 1, **facts})
        return
    line(f"logist {__version__} (plugin API {API_VERSION}, Python {facts['python']}, {facts['platform']})")
