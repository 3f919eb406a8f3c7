"""Explains how a text is read: which rules see it, which nearly do, what refuses them, and what decides in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logist_core.dictionary.reading import STREAMS, TextReader
from logist_core.observe.arbitrate import WEAK
from logist_core.observe.lint import compile_regex, in_range
from logist_core.observe.matcher import WHILE_VISIBLE, Matcher, reads
from logist_core.observe.quoting import quoted_as
from logist_core.types.dictionary import FRAGMENTS
from logist_core.types.signals import Activity, Rule


@dataclass(frozen=True, slots=True)
class Look:
    """What one rule made of one line.

    Attributes:
        line: Number of the line, from 1.
        rule: Full id.
        claim: What it would claim.
        verdict: `hit`, or what refused it: `quoted`, `lead`, `channel`, `agent`, `version`, `literal`.
        detail: One line.
        captured: Named groups of a hit.
    """

    line: int
    rule: str
    claim: str
    verdict: str
    detail: str
    captured: dict[str, str]


def looks(reader: TextReader, text: str, *, agent: str, stream: str, version: str | None = None) -> list[Look]:
    """Return, for each line, what the rules made of it that match, or that would but for one guard."""
    channel = STREAMS[stream]
    found = []
    lines = text.splitlines() or [""]
    for number in range(1, len(lines) + 1):
        for rule_id, rule in reader.dictionary.rules:
            look = _look(rule_id, rule, lines[:number], channel, agent, version)
            if look is not None:
                found.append(look)
    order = {
        verdict: rank
        for rank, verdict in enumerate(("hit", "quoted", "lead", "literal", "channel", "version", "agent"))
    }
    return sorted(found, key=lambda look: (look.line, order[look.verdict]))


def decided(reader: TextReader, text: str, *, agent: str, stream: str, now: float) -> tuple[Activity, list[str]]:
    """Return the activity of the text, and a line for each claim of it that was made and doesn't speak."""
    signals = reader.signals(text, agent=agent, stream=stream, now=now)
    activity = reader.activity(text, agent=agent, stream=stream, now=now)
    notes = []
    for signal in signals:
        if signal.claim is None or (signal.claim == activity.state and signal.rule == activity.rule):
            continue
        reason = "is weak" if signal.confidence < WEAK else "something newer or stronger speaks"
        notes.append(f"{signal.claim} by {signal.rule} doesn't decide: {reason}")
    return activity, list(dict.fromkeys(notes))


def _look(rule_id: str, rule: Rule, lines: list[str], channel: str, agent: str, version: str | None) -> Look | None:
    def made(verdict: str, detail: str, captured: dict[str, str] | None = None) -> Look:
        return Look(len(lines), rule_id, rule.claim.value, verdict, detail, captured or {})

    data = "\n".join(lines[-13:]).encode("utf-8", "replace")
    matches = _last_line_hit(rule_id, rule, data, rule.channels[0])
    if matches is None:
        return _nearly(rule, made, lines[-1])
    if "*" not in rule.agents and agent not in rule.agents:
        return made("agent", f"it is for {', '.join(rule.agents)}")
    if not reads(rule, channel):
        return made("channel", f"it reads {', '.join(rule.channels)}, not {channel}")
    if not in_range(version, rule.versions):
        return made("version", f"it is for versions {rule.versions}, not {version}")
    if not Matcher([(rule_id, rule)]).scan(data, channel):
        return made("literal", "none of its literals is in the line: lint it")
    return made("hit", f"confidence {rule.confidence:g}", matches)


def _last_line_hit(rule_id: str, rule: Rule, data: bytes, channel: str) -> dict[str, str] | None:
    hits = Matcher([(rule_id, rule)]).naive(data, channel)
    last = data.rfind(b"\n") + 1
    return next((dict(hit.captured) for hit in hits if hit.offset == last), None)


def _nearly(rule: Rule, made: object, line: str) -> Look | None:
    """Return the look of a rule that would match but for its guards."""
    assert callable(made)
    for verdict, detail, found in _relaxed(rule, line):
        if found:
            look = made(verdict, detail)
            assert isinstance(look, Look)
            return look
    return None


def _relaxed(rule: Rule, line: str) -> Iterator[tuple[str, str, bool]]:
    try:
        whole = compile_regex(rule.regex).search(line, timeout=0.1)
        if whole is not None and rule.guard and rule.claim not in WHILE_VISIBLE:
            kind = quoted_as(line, whole.start(), whole.end())
            yield "quoted", f"the line looks like {kind}", kind is not None
        if FRAGMENTS["lead"] in rule.regex:
            loose = compile_regex(rule.regex.replace(FRAGMENTS["lead"], ""))
            yield (
                "lead",
                "its words are there, but the message doesn't begin the line",
                bool(loose.search(line, timeout=0.1)),
            )
    except (TimeoutError, ValueError):
        return
