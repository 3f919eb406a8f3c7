"""`logist wait`."""

from __future__ import annotations

import click

from logist_core.cli.app import App
from logist_core.cli.params import DURATION, jobs_argument, json_option
from logist_core.errors import ExitCode, UsageError
from logist_core.types.job import JobStatus, Lifecycle
from logist_core.types.signals import Claim

_STATES = frozenset({*(state.value for state in Lifecycle), *(claim.value for claim in Claim), "ended"})


@click.command("wait")
@jobs_argument
@click.option(
    "--until",
    metavar="STATE[,STATE...]",
    help="Wait for one of these instead: a lifecycle (running, held ...), an activity (permission_prompt ...), ended.",
)
@click.option("--timeout", metavar="DURATION", type=DURATION, help="Give up after so long, with exit code 124.")
@json_option
@click.pass_context
def command(ctx: click.Context, jobs: tuple[str, ...], until: str | None, timeout: float | None, as_json: bool) -> None:
    """Wait until jobs end or reach a state.

    Exit code 0: all succeeded, or reached the state. 4: one is held for a person. 5: one ended otherwise.
    124: time ran out.
    """
    from logist_core.cli import output
    from logist_core.cli.waiting import wait_for

    app: App = ctx.obj
    states = _states(until)
    job_ids = list(dict.fromkeys(app.store.resolve(job) for job in jobs))
    waited = wait_for(app, job_ids, lambda status: _is_over(status, states), timeout)
    if as_json:
        output.json_line([status.to_json() for status in waited.statuses])
    else:
        for status in waited.statuses:
            output.line(_line(status))
    if waited.timed_out:
        ctx.exit(ExitCode.WAIT_TIMED_OUT)
    ctx.exit(max((_code(status, states) for status in waited.statuses), default=ExitCode.OK))


def _states(until: str | None) -> frozenset[str]:
    if until is None:
        return frozenset()
    states = frozenset(word.strip() for word in until.split(",") if word.strip())
    for state in sorted(states - _STATES):
        import difflib

        near = difflib.get_close_matches(state, _STATES, n=1)
        raise UsageError(f"--until: there is no state {state!r}", hint=f"--until {near[0] if near else 'ended'}")
    if not states:
        raise UsageError("--until names no state", hint="--until running")
    return states


def _reached(status: JobStatus, states: frozenset[str]) -> bool:
    if status.lifecycle.ended:
        return status.lifecycle.value in states or "ended" in states
    return status.lifecycle.value in states or status.activity.state in states


def _is_over(status: JobStatus, states: frozenset[str]) -> bool:
    if status.lifecycle.ended or (not states and status.lifecycle is Lifecycle.HELD):
        return True
    return _reached(status, states)


def _code(status: JobStatus, states: frozenset[str]) -> int:
    if _reached(status, states) or (not states and status.lifecycle is Lifecycle.SUCCEEDED):
        return ExitCode.OK
    return ExitCode.NEEDS_INPUT if status.lifecycle is Lifecycle.HELD else ExitCode.JOB_FAILED


def _line(status: JobStatus) -> str:
    from logist_core.cli.show import exit_phrase, telling_reason

    parts = [status.lifecycle.value]
    if not status.lifecycle.ended and status.activity.state != "unknown":
        parts.append(status.activity.state)
    if status.lifecycle.ended and (phrase := exit_phrase(status.exit)):
        parts.append(phrase)
    if reason := telling_reason(status):
        parts.append(reason)
    return f"{status.id}  {', '.join(parts)}"
