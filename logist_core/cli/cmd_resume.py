"""`logist resume`."""

from __future__ import annotations

import os

import click

from logist_core.cli.app import App
from logist_core.cli.params import job_argument


@click.command("resume")
@job_argument
@click.argument("prompt", required=False)
@click.option("-f", "--follow", is_flag=True, help="Stay with it as `logist run` does.")
@click.pass_context
def command(ctx: click.Context, job: str, prompt: str | None, follow: bool) -> None:
    """Go on with a job's conversation.

    An ended job goes on in a further attempt; one that is held, or waits for a time, goes on now. PROMPT is what to
    say to the agent ('-': from standard input); without it the agent is told to go on. An agent that can't take up a
    session starts afresh, and the journal says so.
    """
    from logist_core.cli.again import go_on, last_seq
    from logist_core.cli.prompt import read_prompt
    from logist_core.cli.supervision import me
    from logist_core.supervise import control
    from logist_core.supervise.submit import check_prompt

    app: App = ctx.obj
    job_id = app.store.resolve(job)
    text = read_prompt(prompt, None)
    if text is not None:
        check_prompt(text)
    after_seq = last_seq(app, job_id)
    control.resume(app.store, job_id, by=me(), prompt=text, environment=dict(os.environ))
    ctx.exit(go_on(app, job_id, after_seq=after_seq, follow=follow))
