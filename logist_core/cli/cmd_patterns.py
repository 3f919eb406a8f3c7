"""`logist patterns`: what the dictionary holds, how it reads a text and why, how good it is, and how to add to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from logist_core.cli.app import App
from logist_core.cli.params import complete_plugin, json_option
from logist_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from logist_core.dictionary.reading import TextReader
    from logist_core.observe.matcher import Dictionary

MOST_INPUT_BYTES = 256 << 20

_agent_option = click.option(
    "-a", "--agent", metavar="AGENT", default="any", shell_complete=complete_plugin("agent"), help="Whose output it is."
)
_stream_option = click.option(
    "--stream",
    metavar="STREAM",
    default="text",
    help="How it was printed: text (a pipe), stderr, tty (a terminal's rows), title, json. Default: text.",
)
_patterns_option = click.option(
    "--patterns", "paths", metavar="FILE", multiple=True, help="Rules on top of all others, as with `logist run`."
)


@click.group("patterns")
def command() -> None:
    """List, try, check and measure the dictionary.

    The dictionary is what a job in the present directory would be read with: the rules of installed packages, then
    the user's own (patterns/*.toml beside the user's configuration), then the project's (.logist/patterns/*.toml).
    """


@command.command("list")
@click.option("-a", "--agent", metavar="AGENT", help="Only rules that read this agent's output.")
@click.option("--claim", metavar="CLAIM", help="Only rules that claim this.")
@click.option("--claims", is_flag=True, help="List the claims that there are, and what they mean.")
@_patterns_option
@json_option
@click.pass_obj
def list_rules(
    app: App, agent: str | None, claim: str | None, claims: bool, paths: tuple[str, ...], as_json: bool
) -> None:
    """List all rules in force."""
    from logist_core.cli import pattern_views

    if claims:
        pattern_views.print_claims(as_json=as_json)
        return
    dictionary = _dictionary(app, paths)
    rules = dictionary.rules if agent is None else tuple(dictionary.rules_for(agent))
    pattern_views.print_rules([(i, r) for i, r in rules if claim in (None, r.claim.value)], as_json=as_json)


@command.command("lint")
@click.argument("files", metavar="[FILE...]", nargs=-1)
@click.option("--set", "name", metavar="SET", help="Only the rules of this set.")
@json_option
@click.pass_context
def lint_rules(ctx: click.Context, files: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Check rules: that they compile, match their examples and nothing else, and take bounded time.

    Without FILE: all rules in force. Exit code 1 where something is wrong.
    """
    from logist_core.cli import pattern_views
    from logist_core.dictionary.layers import JOB
    from logist_core.dictionary.lint import lint

    dictionary = _dictionary(ctx.obj, files, checked=False)
    wanted = JOB if files else name
    only = None if wanted is None else frozenset(i for i, _ in dictionary.rules if i.split("/")[0] == wanted)
    if only is not None and not only:
        raise UsageError(f"there is no rule of a set {wanted!r:.60}", hint="logist patterns list")
    findings = list(lint(dictionary.rules, only=only))
    pattern_views.print_findings(findings, len(dictionary.rules) if only is None else len(only), as_json=as_json)
    if any(finding.severity == "error" for finding in findings):
        ctx.exit(int(ExitCode.FAILURE))


@command.command("test")
@click.argument("file", metavar="FILE|-")
@_agent_option
@_stream_option
@_patterns_option
@json_option
@click.pass_obj
def test_text(app: App, file: str, agent: str, stream: str, paths: tuple[str, ...], as_json: bool) -> None:
    """Show what a text claims: every signal in it, and the activity that they amount to.

    With --json one object a line: the signals, then {"activity": ...}.
    """
    import time

    from logist_core.cli import pattern_views
    from logist_core.dictionary.reading import check_stream

    reader = _reader(app, paths)
    text, now = _text(file), time.time()
    signals = reader.signals(text, agent=agent, stream=check_stream(stream), now=now)
    activity = reader.activity(text, agent=agent, stream=stream, now=now)
    pattern_views.print_signals(signals, activity, as_json=as_json)


class _TextCommand(click.Command):
    """Takes a text that begins with a hyphen, as what agents print often does, for no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move words that can't be options behind the others."""
        texts = [word for word in args if word.startswith("-") and any(letter.isspace() for letter in word)]
        if texts and "--" not in args:
            args = [word for word in args if word not in texts] + ["--", *texts]
        return super().parse_args(ctx, args)


@command.command("why", cls=_TextCommand)
@click.argument("words", metavar="TEXT|-", nargs=-1, required=True)
@_agent_option
@_stream_option
@click.option("--version", metavar="VERSION", help="The agent's version, for rules that are for some versions only.")
@_patterns_option
@json_option
@click.pass_obj
def why(
    app: App,
    words: tuple[str, ...],
    agent: str,
    stream: str,
    version: str | None,
    paths: tuple[str, ...],
    as_json: bool,
) -> None:
    """Explain how a line is read: which rules match it, which would but for a guard, and what decides.

    TEXT is what the agent printed, as one argument; '-' reads it from standard input.
    """
    import time

    from logist_core.cli import pattern_views
    from logist_core.dictionary.reading import check_stream
    from logist_core.dictionary.why import decided, looks

    if len(words) > 1:
        raise UsageError(
            f"{len(words)} words were given as TEXT, which is one", hint=f'logist patterns why "{words[0]} …"'
        )
    text = _text("-") if words[0] == "-" else words[0]
    reader = _reader(app, paths)
    found = looks(reader, text, agent=agent, stream=check_stream(stream), version=version)
    activity, notes = decided(reader, text, agent=agent, stream=stream, now=time.time())
    pattern_views.print_why(found, activity, notes, as_json=as_json)


@command.command("eval")
@click.argument("corpus", metavar="CORPUS.jsonl|-")
@click.option(
    "--leave-one-source-out", is_flag=True, help="Read each sample without the rules known from its source alone."
)
@click.option("--only", metavar="AGENT", multiple=True, help="Only this agent's samples; repeatable.")
@_patterns_option
@json_option
@click.pass_obj
def evaluate(
    app: App, corpus: str, leave_one_source_out: bool, only: tuple[str, ...], paths: tuple[str, ...], as_json: bool
) -> None:
    """Measure the dictionary on labelled samples: precision, recall, F1, and every sample that is read wrongly.

    The format of a corpus is described in docs/plugins/patterns.md.
    """
    from logist_core.cli import pattern_views
    from logist_core.dictionary.scores import read_samples, samples_from_jsonl, scores, without_each_source

    samples = samples_from_jsonl(_text(corpus), corpus)
    if only:
        samples = [sample for sample in samples if sample.agent in only]
    reader = _reader(app, paths)
    readings = without_each_source(reader, samples) if leave_one_source_out else read_samples(reader, samples)
    pattern_views.print_scores(scores(readings), readings, as_json=as_json)


@command.command("noise")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@_agent_option
@_stream_option
@json_option
@click.pass_context
def count_noise(ctx: click.Context, paths: tuple[str, ...], agent: str, stream: str, as_json: bool) -> None:
    """Count false alarms: what is claimed of files in which no agent speaks (sources, changelogs, build logs).

    Exit code 1 where a claim is made by which a job would wait, be held or end.
    """
    from logist_core.cli import pattern_views
    from logist_core.dictionary.noise import noise
    from logist_core.dictionary.reading import STREAMS, check_stream

    for path in paths:
        if not Path(path).exists():
            raise UsageError(f"there is no file {path!r:.200}")
    matcher = _dictionary(ctx.obj, ()).for_agent(agent)
    found = noise(matcher, [Path(path) for path in paths], STREAMS[check_stream(stream)])
    pattern_views.print_noise(found, as_json=as_json)
    if found.alarms:
        ctx.exit(int(ExitCode.FAILURE))


@command.command("new")
@click.argument("name", metavar="NAME")
@click.option("--user", is_flag=True, help="One file of rules beside the user's configuration; no Python.")
@click.option("--into", metavar="DIR", default=".", help="Where to make the distribution (default: here).")
def new(name: str, user: bool, into: str) -> None:
    """Begin a pattern set: a distribution with its test, or, with --user, one file of rules that is in force at once.

    NAME is the agent whose texts it reads.
    """
    from logist_core.cli import output
    from logist_core.dictionary import skeleton

    if user:
        from logist_core.dictionary.layers import user_folder

        folder = user_folder()
        skeleton.write(folder, {f"{name}.toml": skeleton.rules_file(name)})
        output.line(str(folder / f"{name}.toml"))
        output.note(
            f"next: edit it, then: logist patterns lint --set user; logist patterns why --agent {name} 'a line'"
        )
        return
    made = Path(into) / f"logist-patterns-{name}"
    skeleton.write(made, skeleton.distribution(name))
    output.line(str(made))
    output.note(f"next: pip install -e {made} 'logist-core[testing]'; pytest {made}")


def _dictionary(app: App, paths: tuple[str, ...], *, checked: bool = True) -> Dictionary:
    from logist_core.cli.app import current_directory
    from logist_core.cli.output import note
    from logist_core.dictionary.layers import dictionary_here

    dictionary, warnings = dictionary_here(app.registry, current_directory(), paths, checked=checked)
    for warning in warnings:
        note(warning, "yellow")
    return dictionary


def _reader(app: App, paths: tuple[str, ...]) -> TextReader:
    from logist_core.dictionary.reading import TextReader

    return TextReader(_dictionary(app, paths), app.registry)


def _text(file: str) -> str:
    try:
        source: Any = sys.stdin.buffer if file == "-" else open(file, "rb")  # noqa: SIM115  closed below
        with source:
            data: bytes = source.read(MOST_INPUT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file!r:.200}: can't be read: {error.strerror}") from error
    if len(data) > MOST_INPUT_BYTES:
        raise UsageError(f"{file!r:.200}: is larger than {MOST_INPUT_BYTES >> 20} MiB")
    return data.decode("utf-8", "replace")
