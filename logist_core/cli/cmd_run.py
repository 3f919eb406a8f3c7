"""`logist run`."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from logist_core.cli.app import App
from logist_core.cli.params import ASSIGNMENT, DURATION, SIZE, complete_job, complete_plugin
from logist_core.errors import ExitCode, LogistError, UsageError

if TYPE_CHECKING:
    from logist_core.jobs.home import Home
    from logist_core.supervise.submit import SubmitRequest

#: The key in `ctx.meta` under which the words after `--` are kept.
_RAW = "logist.raw_args"


class _RunCommand(click.Command):
    """Keeps what follows `--` apart from PROMPT; click would join them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words after the first `--` out of the way, then parse the others."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_RAW] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show the raw arguments in the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- RAW_ARGS...]"]


@click.command("run", cls=_RunCommand)
@click.argument("prompt", metavar="[PROMPT|-]", nargs=-1)
@click.option("-a", "--agent", metavar="AGENT", shell_complete=complete_plugin("agent"), help="Which agent.")
@click.option("-r", "--runtime", metavar="RUNTIME", shell_complete=complete_plugin("runtime"), help="Where it runs.")
@click.option("-C", "--cwd", metavar="DIR", help="Its working directory (default: the present one).")
@click.option("-f", "--file", "path", metavar="FILE", help="Read the prompt from FILE.")
@click.option("--name", metavar="NAME", help="A name to call the job by; unique among jobs that have not ended.")
@click.option("--label", "labels", metavar="KEY=VALUE", type=ASSIGNMENT, multiple=True, help="Labels, to find it by.")
@click.option(
    "--env",
    "env",
    metavar="KEY=VALUE",
    multiple=True,
    help="Variables for the agent. They are stored: for a secret use --secret.",
)
@click.option(
    "--secret",
    "secrets",
    metavar="NAME",
    multiple=True,
    help="A variable of this shell whose value must never be shown. All variables are passed on, and none is stored.",
)
@click.option("--timeout", metavar="DURATION", type=DURATION, help="End an attempt after so long (90, 5m, 2h).")
@click.option("--max-turns", metavar="N", type=int, help="Budget of the whole job: turns of the agent.")
@click.option("--max-tokens", metavar="N", type=int, help="Budget: tokens, in and out.")
@click.option("--max-cost", "max_cost_usd", metavar="USD", type=float, help="Budget: US dollars.")
@click.option("--max-wall", "max_wall_s", metavar="DURATION", type=DURATION, help="Budget: time in which it runs.")
@click.option(
    "--max-interventions", metavar="N", type=click.IntRange(min=0), help="Budget: acts of the sentinel on the job."
)
@click.option(
    "--on-budget",
    type=click.Choice(["pause", "stop"]),
    help="What a used-up budget does: hold the job for a person, or fail it (default: pause).",
)
@click.option(
    "--max-restarts",
    metavar="N",
    type=click.IntRange(min=0),
    help="Start a crashed agent again so often within 15 minutes (default: 4; 0: never).",
)
@click.option("--priority", metavar="N", type=int, default=0, help="Higher runs first (default: 0).")
@click.option(
    "--after",
    metavar="JOB",
    multiple=True,
    shell_complete=complete_job,
    help="Start when JOB has succeeded; repeatable.",
)
@click.option("-d", "--detach", is_flag=True, help="Print the job's id and return.")
@click.option("--pty/--no-pty", default=None, help="Give it a terminal, or don't (default: the agent decides).")
@click.option(
    "--max-log-bytes",
    metavar="SIZE",
    type=SIZE,
    help="Keep so much of each log (64m, 2g; 0: all): its beginning and its end. Default: 1g.",
)
@click.option(
    "--patterns",
    metavar="FILE",
    multiple=True,
    help="Rules for reading this job's output, on top of all others; kept with the job (logist patterns new).",
)
@click.option("--linger", is_flag=True, help="Leave processes alive that outlive the agent.")
@click.option(
    "--agent-set", metavar="KEY=VALUE", type=ASSIGNMENT, multiple=True, help="A setting of the agent (logist agents)."
)
@click.option("--runtime-set", metavar="KEY=VALUE", type=ASSIGNMENT, multiple=True, help="A setting of the runtime.")
@click.option(
    "--sentinel", metavar="NAME", shell_complete=complete_plugin("sentinel"), help="The policy that watches for hangs."
)
@click.option("--sentinel-set", metavar="KEY=VALUE", type=ASSIGNMENT, multiple=True, help="A setting of the sentinel.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print no output but the job's status as JSON: when it has ended, or with -d at once.",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Run an agent as a durable job.

    PROMPT is the task; '-' reads it from standard input. What follows -- goes to the agent as it is:

        logist run --agent command -- pytest -x

    In the foreground the job's output is shown until it ends; the exit code is 0 if it succeeded and 5 if not.
    Ctrl-C asks the job to stop, a second one kills it; Ctrl-Q or Ctrl-B d leave it running. Closing the terminal
    leaves it running, too.
    """
    from logist_core.cli.output import line, note
    from logist_core.supervise.submit import submit

    app: App = ctx.obj
    request = _request(options, ctx.meta.get(_RAW, ()))
    home = app.make_home()
    job_id = submit(app.store, app.registry, app.config, request).id
    for warning in app.config.warnings:
        note(warning, "yellow")
    if options["detach"] and not options["as_json"]:
        line(job_id)
    _say_chosen(app, options["agent"])
    _start(home, job_id)
    if options["as_json"]:
        ctx.exit(_as_json(app, job_id, detach=options["detach"]))
    if not options["detach"]:
        from logist_core.cli.foreground import stay_with

        ctx.exit(stay_with(app, job_id))


def _as_json(app: App, job_id: str, *, detach: bool) -> int:
    """Print the status, after the end unless detached; return the exit code."""
    from logist_core.cli.output import json_line

    if detach:
        json_line(app.store.status(job_id).to_json())
        return ExitCode.OK
    from logist_core.cli.narrate import exit_code, is_over
    from logist_core.cli.waiting import wait_for

    (status,) = wait_for(app, [job_id], is_over, None).statuses
    json_line(status.to_json())
    return exit_code(status)


def _request(options: dict[str, Any], raw_args: tuple[str, ...]) -> SubmitRequest:
    from logist_core.cli.app import current_directory
    from logist_core.cli.prompt import read_prompt
    from logist_core.supervise.submit import SubmitRequest

    words = options["prompt"]
    if len(words) > 1:
        raise UsageError(
            f"{len(words)} words were given as PROMPT, which is one", hint=f'logist run "{" ".join(words)}"'
        )
    prompt = read_prompt(words[0] if words else None, options["path"])
    here = current_directory() if options["cwd"] is None else options["cwd"]
    size = shutil.get_terminal_size((120, 40))
    on_terminal = sys.stdout.isatty()
    return SubmitRequest(
        cwd=os.path.abspath(here),
        environment=dict(os.environ),
        agent=options["agent"],
        runtime=options["runtime"],
        sentinel=options["sentinel"],
        prompt=prompt,
        args=raw_args,
        name=options["name"],
        env=_variables(options["env"]),
        secrets=_secrets(options["secrets"], options["env"]),
        labels=_unique("--label", options["labels"]),
        timeout_s=options["timeout"],
        priority=options["priority"],
        after=options["after"],
        pty=options["pty"],
        cols=size.columns if on_terminal else 120,
        rows=size.lines if on_terminal else 40,
        linger=options["linger"],
        max_log_bytes=options["max_log_bytes"],
        patterns=options["patterns"],
        max_turns=options["max_turns"],
        max_tokens=options["max_tokens"],
        max_cost_usd=options["max_cost_usd"],
        max_wall_s=options["max_wall_s"],
        max_interventions=options["max_interventions"],
        on_budget=options["on_budget"],
        max_restarts=options["max_restarts"],
        agent_set=_unique("--agent-set", options["agent_set"]),
        runtime_set=_unique("--runtime-set", options["runtime_set"]),
        sentinel_set=_unique("--sentinel-set", options["sentinel_set"]),
    )


def _unique(option: str, pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            raise UsageError(f"{option} {key} was given twice, with different values", hint="leave one of them out")
    return found


def _variables(words: tuple[str, ...]) -> dict[str, str]:
    pairs = []
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise UsageError(
                f"--env {name!r} has no value; the whole environment of this shell is passed on anyway",
                hint=f"leave it out, or set it: --env {name}=VALUE",
            )
        pairs.append((name, value))
    return _unique("--env", tuple(pairs))


def _secrets(names: tuple[str, ...], variables: tuple[str, ...]) -> tuple[str, ...]:
    given = {word.partition("=")[0] for word in variables}
    for name in names:
        if "=" in name:
            key = name.partition("=")[0]
            raise UsageError(
                "--secret takes a name, not a value: a value on the command line is no secret",
                hint=f"export {key}=..., then --secret {key}",
            )
        if name in given:
            raise UsageError(
                f"{name} is given with --env, whose values are stored, and as a --secret", hint=f"export {name} instead"
            )
    return tuple(dict.fromkeys(names))


def _say_chosen(app: App, asked: str | None) -> None:
    """Where nobody chose the agent and it is the one that only pretends, say so: it would be taken for a real one."""
    from logist_core.cli import output

    chosen = app.registry.select("agent", asked, app.config)
    if chosen.name == "mock" and chosen.why in ("default", "only one installed"):
        output.note(
            "no agent was chosen: this is the mock agent, which only pretends. Choose one: logist run --agent NAME"
        )


def _start(home: Home, job_id: str) -> None:
    from logist_core.supervise import client

    try:
        client.notify(home, job_id)
    except LogistError as error:
        # The job is safe on disk; say so, so that nobody submits it twice.
        hint = f"the job is queued as {job_id}; {error.hint}" if error.hint else f"the job is queued as {job_id}"
        raise LogistError(error.message, hint=hint) from error
