"""Shows the dictionary and what it reads: the tables and JSON shapes of `logist patterns`.

Invariant: rules, samples and texts may come from anybody; they reach a terminal only as printable text.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from logist_core.cli import formats, output
from logist_core.cli.text import one_line
from logist_core.types._json import JSON, plain
from logist_core.types.dictionary import rule_to_mapping

if TYPE_CHECKING:
    from logist_core.dictionary.lint import Finding
    from logist_core.dictionary.noise import Noise
    from logist_core.dictionary.scores import Reading
    from logist_core.dictionary.why import Look
    from logist_core.types.signals import Activity, Rule, Signal

SCHEMA = 1

MEANINGS: Mapping[str, str] = {
    "working": "it does something: prints, thinks, runs a tool",
    "waiting_input": "it asks a question or shows an empty prompt: text may be sent",
    "permission_prompt": "it asks for a decision: never answered by Logist",
    "rate_limited": "a usage or rate limit; heals by itself",
    "overloaded": "the provider is in trouble; back off",
    "auth_failed": "the login is missing, wrong or expired",
    "billing": "credit or plan is used up; doesn't heal by itself",
    "context_exhausted": "the conversation is full",
    "tool_error": "a tool of the agent failed; the agent goes on",
    "crashed": "the agent itself broke: a panic, a traceback, out of memory",
    "completed": "the task is done, the agent says",
    "failed": "the task has failed, the agent says",
    "interrupted": "it was interrupted, and says so",
    "network_down": "no connection to the provider",
    "update_prompt": "it asks whether to update itself",
    "model_unavailable": "the model doesn't exist, or not for this account",
    "budget_exceeded": "a limit of turns or money that was set for it is reached",
    "hook_blocked": "a hook of the agent's own configuration refused something",
}


def print_claims(*, as_json: bool) -> None:
    """Print the vocabulary."""
    if as_json:
        output.json_line({"schema": SCHEMA, "claims": dict(MEANINGS)})
        return
    _table(("CLAIM", "MEANING"), list(MEANINGS.items()))


def print_rules(rules: Sequence[tuple[str, Rule]], *, as_json: bool) -> None:
    """Print rules, one a row."""
    if as_json:
        output.json_line({"schema": SCHEMA, "rules": [{"rule": i, **rule_to_mapping(rule)} for i, rule in rules]})
        return
    rows = [
        (
            i,
            rule.claim.value,
            ",".join(rule.agents),
            ",".join(rule.channels),
            rule.versions or "-",
            f"{rule.confidence:g}",
        )
        for i, rule in rules
    ]
    _table(("RULE", "CLAIM", "AGENTS", "CHANNELS", "VERSIONS", "SURE"), rows)
    output.note(f"{formats.plural(len(rows), 'rule')}; a rule in full: logist patterns list --json")


def print_findings(findings: Sequence[Finding], checked: int, *, as_json: bool) -> None:
    """Print what lint found."""
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        output.json_line({"schema": SCHEMA, "ok": not errors, "checked": checked, "findings": plain(list(findings))})
        return
    for finding in findings:
        style = "red" if finding.severity == "error" else "yellow"
        output.line(f"{output.paint(finding.severity, style)}: {one_line(finding.rule)}: {one_line(finding.text)}")
    found = f"{formats.plural(errors, 'error')}, {formats.plural(len(findings) - errors, 'warning')}"
    output.note(f"{formats.plural(checked, 'rule')} checked, {found}")


def print_signals(signals: Iterable[Signal], activity: Activity, *, as_json: bool) -> None:
    """Print each signal, and the activity."""
    if as_json:
        for signal in signals:
            _json_record(plain(signal))
        _json_record({"activity": plain(activity)})
        return
    rows = [
        (str(s.offset), s.claim.value if s.claim else "-", s.rule, _fields(s.fields), f"“{one_line(s.text, 100)}”")
        for s in signals
    ]
    if rows:
        _table(("BYTE", "CLAIM", "RULE", "FIELDS", "TEXT"), rows)
    output.line(_conclusion(activity))


def print_why(looks: Sequence[Look], activity: Activity, notes: Sequence[str], *, as_json: bool) -> None:
    """Print what the rules made of each line."""
    if as_json:
        output.json_line(
            {"schema": SCHEMA, "looks": plain(list(looks)), "notes": list(notes), "activity": plain(activity)}
        )
        return
    if looks:
        rows = [
            (str(look.line), look.verdict, look.rule, look.claim, _said(look.detail, look.captured)) for look in looks
        ]
        _table(("LINE", "VERDICT", "RULE", "CLAIM", "WHY"), rows)
    else:
        output.line("no rule matches any line, nor would one but for a guard")
    for text in notes:
        output.line(one_line(text))
    output.line(_conclusion(activity))


def print_scores(scores: Mapping[str, JSON], readings: Sequence[Reading], *, as_json: bool) -> None:
    """Print the figures of a corpus."""
    if as_json:
        output.json_line(scores)
        return
    for title, name in (("LABEL", "per_label"), ("AGENT", "per_agent")):
        _table((title, *_HEAD), [_row(key, counts) for key, counts in scores[name].items()])
        output.line()
    labelled = sum(reading.sample.label != "none" for reading in readings)
    _table(("", *_HEAD), [_row("all", {"samples": labelled, **scores["overall"]})])
    silent = sum(reading.sample.label == "none" for reading in readings)
    output.line(f"of {silent} samples that say nothing, {scores['none_false_positive_rate']:.1%} raise an alarm")
    texts = {reading.sample.id: reading.sample.text for reading in readings}
    confused: Counter[tuple[str, str]] = Counter((e["expected"], e["got"]) for e in scores["errors"])
    for (expected, got), count in confused.most_common():
        output.line(f"{count} of {expected} read as {got}")
        for error in [e for e in scores["errors"] if (e["expected"], e["got"]) == (expected, got)][:5]:
            by = f"  ({error['rule']})" if error["rule"] else ""
            output.line(f"    {one_line(error['id'], 60)}{one_line(by)}: “{one_line(texts[error['id']], 120)}”")


def print_noise(noise: Noise, *, as_json: bool) -> None:
    """Print false alarms."""
    made = noise.to_json()
    if as_json:
        output.json_line({"schema": SCHEMA, **made})
        return
    for claim, count in made["claims"].items():
        output.line(f"{claim}  {count}")
    for file, rule, text in noise.alarms:
        output.line(f"{one_line(file)}: {one_line(rule)}: “{one_line(text, 160)}”")
    output.line(
        f"{formats.plural(noise.files, 'file')}, {formats.size(noise.size)}: {sum(noise.claims.values())} claims, "
        f"{made['claims_per_mb']:g} per MB, {made['terminal_claims']} of them terminal"
    )


_HEAD = ("SAMPLES", "PRECISION", "RECALL", "F1", "STRICT F1")


def _row(name: str, counts: Mapping[str, JSON]) -> tuple[str, ...]:
    lenient, strict = counts["lenient"], counts["strict"]
    figures = (lenient["precision"], lenient["recall"], lenient["f1"], strict["f1"])
    return (name, str(counts["samples"]), *(f"{figure:.3f}" for figure in figures))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    total = shutil.get_terminal_size().columns if output.is_terminal(sys.stdout) else None
    safe = [[one_line(cell) for cell in row] for row in (head, *rows)]
    padded = formats.columns(safe, total=total)
    output.line(output.paint("  ".join(padded[0]).rstrip(), "dim"))
    for cells in padded[1:]:
        output.line("  ".join(cells).rstrip())


def _json_record(value: JSON) -> None:
    import json

    output.line(json.dumps(value))


def _fields(fields: Mapping[str, JSON]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items()) or "-"


def _said(detail: str, captured: Mapping[str, str]) -> str:
    return f"{detail}, {_fields(captured)}" if captured else detail


def _conclusion(activity: Activity) -> str:
    if activity.state == "unknown":
        return "unknown: nothing in it is a claim that decides"
    return f"{activity.state}  (rule {one_line(activity.rule or '')}) “{one_line(activity.text or '', 100)}”"
