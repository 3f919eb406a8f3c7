"""Checks rules: what would make them wrong, slow or quarrelsome, each finding with the rule and what to do.

Invariant: every finding can be shown on a text of the rule itself. `PatternContract` asserts the same findings.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from logist_core.observe.lint import compile_regex, rule_problems
from logist_core.observe.matcher import MATCH_TIMEOUT_S, Matcher
from logist_core.types.signals import Rule

#: Runs on which careless regexes take exponential or quadratic time.
PUMPS = (
    *("a", " ", "a ", "0", "1 ", "-", "(", "\\", '"', "a.", "://", "x=", "é", "\u276f ", "aA0 _", "\t", "%", "0.0."),
    *("│ ", "⏺", "error: ", "a-", ", ", "[x] "),
)
PUMPED_CHARS = 8_000

_NO_LITERALS = "has no literals"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a rule: `severity` is `error` or `warning`."""

    severity: str
    rule: str
    text: str


def lint(rules: Sequence[tuple[str, Rule]], *, only: frozenset[str] | None = None) -> Iterator[Finding]:
    """Yield what is wrong, rule by rule.

    Args:
        rules: Full ids and rules of all sets in force: overlaps are looked for between them.
        only: Full ids of the rules to check; None: all.
    """
    usable = [(rule_id, rule) for rule_id, rule in rules if _compiles(rule)]
    by_agent = _Meeting(usable)
    for rule_id, rule in rules:
        if only is not None and rule_id not in only:
            continue
        problems = rule_problems(rule_id, rule)
        for text in problems:
            severity = "warning" if _NO_LITERALS in text else "error"
            yield Finding(severity, rule_id, text.removeprefix(f"{rule_id}: "))
        if any(_NO_LITERALS not in text for text in problems):
            continue
        yield from _texts(rule_id, rule)
        yield from _time(rule_id, rule)
        yield from by_agent.overlaps(rule_id, rule)


def _compiles(rule: Rule) -> bool:
    try:
        compile_regex(rule.regex)
    except ValueError:
        return False
    return True


def _texts(rule_id: str, rule: Rule) -> Iterator[Finding]:
    if not rule.examples:
        yield Finding("error", rule_id, "has no example: a text that it must match")
    if len(rule.counter_examples) < 2:
        yield Finding("error", rule_id, "has fewer than two counter-examples: texts that it must not match")
    if not rule.source.strip():
        yield Finding("error", rule_id, "doesn't say in `source` where its text is known from")
    matcher = Matcher([(rule_id, rule)])
    for channel in rule.channels:
        for text in rule.examples:
            if not matcher.scan(text.encode("utf-8", "replace"), channel):
                naive = matcher.naive(text.encode("utf-8", "replace"), channel)
                why = (
                    "no literal is in its last line"
                    if naive
                    else "the regex or the guard against quotations refuses it"
                )
                yield Finding("error", rule_id, f"doesn't match its example in {channel}: {text!r:.200}: {why}")
        for text in rule.counter_examples:
            if matcher.naive(text.encode("utf-8", "replace"), channel):
                yield Finding("error", rule_id, f"matches its counter-example in {channel}: {text!r:.200}")


def _time(rule_id: str, rule: Rule) -> Iterator[Finding]:
    """Its examples' beginnings, then a long run that can't match: the classic way to hang a regex."""
    matcher = Matcher([(rule_id, rule)])
    for head in dict.fromkeys(text[: len(text) * part // 4] for text in rule.examples[:2] for part in (0, 2, 4)):
        for pump in PUMPS:
            line = (head + pump * (PUMPED_CHARS // len(pump)) + "\x00!").encode("utf-8", "replace")
            began = time.process_time()
            matcher.naive(line, rule.channels[0])
            if time.process_time() - began > MATCH_TIMEOUT_S or matcher.problems:
                yield Finding("error", rule_id, f"takes too long on {head!r:.80} followed by many {pump!r}")
                return


def _names(rule: Rule, other: Rule) -> bool:
    """Whether `rule` says that it overlaps `other`: by its id, or as one of a family (`any/*`)."""
    return other.id in rule.overlaps or f"{other.id.partition('/')[0]}/*" in rule.overlaps


class _Meeting:
    """The rules that can meet on one line: for a common agent, in a common channel.

    Two that claim the same may both match: either is right. Two that disagree have to know of one another.
    """

    def __init__(self, rules: Iterable[tuple[str, Rule]]) -> None:
        self._rules = dict(rules)
        self._matchers: dict[tuple[tuple[str, ...], str], Matcher] = {}

    def overlaps(self, rule_id: str, rule: Rule) -> Iterator[Finding]:
        for channel in rule.channels:
            matcher = self._matcher(rule.agents, channel)
            for text in rule.examples:
                for other_id in sorted({hit.rule_id for hit in matcher.scan(text.encode("utf-8", "replace"), channel)}):
                    other = self._rules[other_id]
                    if other.claim is not rule.claim and not (_names(rule, other) or _names(other, rule)):
                        yield Finding(
                            "error",
                            rule_id,
                            f"its example {text!r:.120} is matched by {other_id} as well; "
                            "name that in `overlaps`, if it is right",
                        )
                        return

    def _matcher(self, agents: tuple[str, ...], channel: str) -> Matcher:
        key = (agents, channel)
        if key not in self._matchers:
            mates = [
                (rule_id, rule)
                for rule_id, rule in self._rules.items()
                if channel in rule.channels
                and ("*" in agents or "*" in rule.agents or not set(agents).isdisjoint(rule.agents))
            ]
            self._matchers[key] = Matcher(mates)
        return self._matchers[key]
