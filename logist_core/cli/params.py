"""Options and arguments that several commands share, and how they complete in a shell.

Invariant: completion reads records and plugin metadata only; it imports no plugin, takes no lock, and a failure in
it completes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from logist_core.errors import LogistError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from logist_core.cli.app import App

#: What `JOB` may be, for the help of commands where it can be left out.
LAST = "@last"


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer versions of click only
    """A duration as text (`90`, `5m`, `2h30m`), converted to seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; raises `UsageError` with what a duration looks like."""
        from logist_core.config.durations import parse_duration

        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except UsageError as error:
            option = param.opts[-1] if param is not None else "duration"
            raise UsageError(f"{option}: {error.message}", hint=error.hint) from error


class Assignment(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`KEY=VALUE`, converted to a pair."""

    name = "assignment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return (key, value); the key isn't empty."""
        if isinstance(value, tuple):
            return value
        key, sign, text = str(value).partition("=")
        if not sign or not key:
            option = param.opts[-1] if param is not None else "value"
            raise UsageError(f"{option} takes KEY=VALUE, not {value!r}", hint=f"{option} {key or 'KEY'}=VALUE")
        return key, text


_SIZE_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number of bytes (`0`, `65536`, `64m`, `1.5g`), converted to a whole number."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes; raises `UsageError` with what a size looks like."""
        if isinstance(value, int):
            return value
        text = str(value).strip().lower().removesuffix("ib").removesuffix("b")
        unit = text[-1:] if text[-1:].isalpha() else ""
        number = text.removesuffix(unit).strip()
        if unit not in _SIZE_UNITS or not number.replace(".", "", 1).isdecimal() or not number.isascii():
            option = param.opts[-1] if param is not None else "size"
            raise UsageError(f"{option}: {str(value)[:80]!r} is no size", hint="a number of bytes, or 64k, 64m, 2g")
        return int(float(number) * (1 << _SIZE_UNITS[unit]))


DURATION = Duration()
SIZE = Size()
ASSIGNMENT = Assignment()

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/reference/json.md).")


def complete_job(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a job reference from ids and names, newest first."""
    from click.shell_completion import CompletionItem

    from logist_core.cli.text import one_line

    found = []
    try:
        statuses = list(_app(ctx).store.statuses())
    except (LogistError, OSError):
        return []
    for status in reversed(statuses):
        about = f"{status.lifecycle.value} {one_line(status.name or status.agent, 40)}"
        for word in (status.name, status.id):
            if word and word.startswith(incomplete):
                found.append(CompletionItem(word, help=about))
    if LAST.startswith(incomplete):
        found.append(CompletionItem(LAST, help="the job that was created last"))
    return found


def complete_plugin(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return the completion of the names of installed plugins of `kind`."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        try:
            names = _app(ctx).registry.names(kind)
        except (LogistError, OSError):
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return complete


def _app(ctx: click.Context) -> App:
    """Return the shared state; completion runs without the group's callback, so it may have to be made."""
    from logist_core.cli.app import App

    root = ctx.find_root()
    if not isinstance(root.obj, App):
        root.obj = App()
    return root.obj


job_argument = click.argument("job", metavar="JOB", shell_complete=complete_job)
last_job_argument = click.argument("job", metavar="[JOB]", default=LAST, shell_complete=complete_job)
jobs_argument = click.argument("jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_job)
