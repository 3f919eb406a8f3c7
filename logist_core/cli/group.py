"""The group of commands: finds the module of the one that was called.

Invariant: only the module of the command that was called is imported; names and short helps of all commands are in
the table below, so that `logist --help` and completion import none.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

import click

from logist_core.cli.app import UNSAFE_FS, App
from logist_core.errors import ExitCode, UsageError

#: Every command with its short help, which is the first sentence of its module's `command`.
COMMANDS: Mapping[str, str] = {
    "run": "Run an agent as a durable job.",
    "ls": "List jobs.",
    "status": "Show how a job stands, and the evidence for it.",
    "show": "Show what an agent did, turn by turn.",
    "explain": "Say why a job stands where it stands, and what comes next.",
    "logs": "Print a job's output.",
    "attach": "Take part in a running job's terminal.",
    "send": "Type a line into a running job.",
    "stop": "Ask jobs to stop.",
    "kill": "End jobs at once.",
    "retry": "Run an ended job again, from the beginning.",
    "resume": "Go on with a job's conversation.",
    "wait": "Wait until jobs end or reach a state.",
    "events": "Print a job's journal.",
    "replay": "Judge a recorded job again, with today's dictionary and sentinel.",
    "recover": "Bring the records in line with what really runs.",
    "rm": "Remove ended jobs.",
    "supervise": "Run, look at or stop the supervisor of this home.",
    "sentinel": "Say what the sentinel has found and done.",
    "patterns": "List, try, check and measure the dictionary.",
    "plugins": "List, describe and check installed plugins.",
    "agents": "List installed agents.",
    "runtimes": "List installed runtimes.",
    "config": "Read and write the configuration.",
    "doctor": "Check that jobs can run here.",
    "dashboard": "Watch all jobs, live.",
    "version": "Print versions.",
}

_EPILOG = """\
Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 needs input, 5 job failed, 6 locked, 7 plugin or runtime
unavailable, 124 wait timed out, 130 interrupted.

Completion of commands, jobs and plugins: eval "$(_LOGIST_COMPLETE=bash_source logist)" (or zsh_source, or
_LOGIST_COMPLETE=fish_source logist | source).
"""


class LazyGroup(click.Group):
    """A group whose commands live in `logist_core.cli.cmd_<name>`, each exposing `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; None where there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"logist_core.cli.cmd_{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with; an unknown one is answered with the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
            hint = f"logist {near[0] if near else '--help'}"
            raise UsageError(f"there is no command {name!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog with its paragraphs."""
        formatter.write_paragraph()
        formatter.write_text(_EPILOG)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete a command's name from the table."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from logist_core import __version__

    click.echo(f"logist {__version__}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--home",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Where jobs are kept (default: $LOGIST_HOME, else the platform's state directory).",
)
@click.option("--unsafe-fs", is_flag=True, help="Use a home on a network file system, where locks can't be trusted.")
@click.option("--debug", is_flag=True, help="Show tracebacks (also: LOGIST_DEBUG=1).")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.pass_context
def cli(ctx: click.Context, home: str | None, unsafe_fs: bool, debug: bool) -> None:
    """Run AI agents as durable, observed jobs.

    A job outlives the terminal, this command and every other Logist process. JOB is an id, the unique beginning of
    one, a name, or @last.
    """
    if home is not None:
        # Through the environment, so that the supervisor and everything else that is started agrees.
        os.environ["LOGIST_HOME"] = os.path.abspath(home)
    if unsafe_fs:
        os.environ[UNSAFE_FS] = "1"
    if debug:
        os.environ["LOGIST_DEBUG"] = "1"
    ctx.obj = App()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def invoke(arguments: list[str]) -> int:
    """Run the command line; return its exit code.

    Raises:
        LogistError: Also for what click finds wrong with the arguments.
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        result = cli.main(args=arguments, prog_name="logist", standalone_mode=False)
        return int(result) if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else "logist"
        raise UsageError(_message(error), hint=f"{path} --help") from error
    except click.ClickException as error:
        raise UsageError(_message(error)) from error


def _message(error: click.ClickException) -> str:
    """Return click's message in our form: no capital, no full stop."""
    text = error.format_message().strip().rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
