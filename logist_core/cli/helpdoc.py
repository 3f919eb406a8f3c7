"""Writes the help of all commands into docs/reference/cli.md: `python -m logist_core.cli.helpdoc [--check] FILE`.

Invariant: what stands between the two marks is exactly what the commands say of themselves; a test holds it to that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from logist_core.cli.group import cli

BEGIN = "<!-- begin: written by python -m logist_core.cli.helpdoc -->\n"
END = "<!-- end -->\n"
#: Help is as wide as this in the documentation, whatever the terminal is.
WIDTH = 100


def generate() -> str:
    """Return the help of the program and of every command, as Markdown."""
    return "\n".join(_section(path, text) for path, text in _helps(cli, "logist", None))


def _helps(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command, info_name=path.rsplit(maxsplit=1)[-1], parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )
    context.help_option_names = ["-h", "--help"]
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _helps(child, f"{path} {name}", context)


def _section(path: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    level = "##" if " " not in path else "###" if path.count(" ") == 1 else "####"
    return f"{level} `{path}`\n\n```text\n{lines}\n```\n"


def updated(page: str) -> str:
    """Return `page` with the generated part replaced.

    Raises:
        ValueError: It has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no marks for the generated part")
    return f"{before}{BEGIN}\n{generate()}\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Rewrite FILE; with `--check` only say whether it is current."""
    *options, name = arguments
    path = Path(name)
    page = path.read_text()
    new = updated(page)
    if "--check" in options:
        return int(page != new)
    if page != new:
        path.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
