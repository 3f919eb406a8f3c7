"""Says what is wrong with a rule, without trying its examples. Owns what a rule may say: channels, ranges, literals.

Invariant: a rule that has no problem here compiles, and its literals, channels, fields and versions mean something.
"""

from __future__ import annotations

import re
from typing import Any

from logist_core.observe.literals import rule_literals
from logist_core.observe.text import clean_block, haystack
from logist_core.types.signals import Rule

#: `json`: a structured line of which the agent's plugin knows nothing to say.
CHANNELS = ("text", "stderr", "screen", "title", "json")
#: Most lines of context that a rule may ask for.
MAX_BEFORE = 12
#: A warning rather than a mistake: the rule works, at a price.
NO_LITERALS = "has no literals, and none can be derived from its regex: every line is tried against it"


def compile_regex(source: str) -> Any:
    """Return the compiled regex of a rule.

    Raises:
        ValueError: It isn't valid; the message says where.
    """
    import regex  # type: ignore[import-untyped]

    try:
        return regex.compile(source, regex.VERSION0 | regex.MULTILINE)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"the regex does not compile: {error}") from error


def literal_is_usable(literal: str) -> bool:
    """Whether the prefilter can look for `literal`: lower case as the prefilter lowers, blanks as it leaves them."""
    try:
        data = literal.encode()
    except UnicodeEncodeError:
        return False
    clean = literal == literal.strip() != "" and "\n" not in literal and haystack(clean_block(data)) == data
    return clean and not any(_has_case(character) for character in literal)


def _has_case(character: str) -> bool:
    return not character.isascii() and character.lower() != character.upper()


def rule_problems(rule_id: str, rule: Rule) -> list[str]:
    """Return what is wrong with a rule, a line each, without trying its examples."""
    problems: list[str] = []
    try:
        groups = set(compile_regex(rule.regex).groupindex)
    except ValueError as error:
        return [f"{rule_id}: {error}"]
    if not rule_literals(rule).first:
        problems.append(f"{rule_id}: {NO_LITERALS}")
    problems += [
        f"{rule_id}: literal {literal!r} can't be looked for: write it in lower case, with single blanks, none outside"
        for literal in rule.literals
        if not literal_is_usable(literal)
    ]
    problems += [
        f"{rule_id}: unknown channel {channel!r}; there are {', '.join(CHANNELS)}"
        for channel in rule.channels
        if channel not in CHANNELS
    ]
    problems += [f"{rule_id}: field {name!r} is no group of the regex" for name in rule.fields if name not in groups]
    problems += [
        f"{rule_id}: field {name!r} has the unknown kind {kind!r}"
        for name, kind in rule.fields.items()
        if kind not in ("str", "int", "float", "seconds", "time")
    ]
    if not 0 <= rule.before <= MAX_BEFORE:
        problems.append(f"{rule_id}: before must be 0 to {MAX_BEFORE}")
    if rule.versions is not None and not _RANGE.fullmatch(rule.versions.replace(" ", "")):
        problems.append(f"{rule_id}: version range {rule.versions!r} is not of the form '>=2.0,<3'")
    return problems


_CONDITION = r"(?:>=|<=|==|!=|<|>)\d+(?:\.\d+)*"
_RANGE = re.compile(rf"{_CONDITION}(?:,{_CONDITION})*")


def in_range(version: str | None, wanted: str | None) -> bool:
    """Whether `version` lies in a range such as `>=2.0,<3`; an unknown version or an unreadable range does."""
    if version is None or wanted is None:
        return True
    numbers = re.search(r"\d+(?:\.\d+)*", version)
    wanted = wanted.replace(" ", "")
    if numbers is None or not _RANGE.fullmatch(wanted):
        return True
    have = _release(numbers[0])
    return all(_holds(have, condition) for condition in wanted.split(","))


def _release(text: str) -> tuple[int, ...]:
    numbers = [int(part[:9]) for part in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _holds(have: tuple[int, ...], condition: str) -> bool:
    operator = condition[:2] if condition[1] == "=" else condition[0]
    than = _release(condition[len(operator) :])
    return {
        ">=": have >= than,
        "<=": have <= than,
        "==": have == than,
        "!=": have != than,
        ">": have > than,
        "<": have < than,
    }[operator]
