"""The written form of rules: TOML tables to `Rule` and back. Rules are data; this is the only reader of that data.

Invariant: a table that isn't a complete, well-typed rule is refused with its place and what is wrong, never guessed.

A file of rules:

    agents = ["acme"]             # for all rules of this file that don't say otherwise

    [fragments]                   # %lead% in a regex stands for this text
    lead = '^[ ■]{0,4}'

    [[rule]]
    id = "acme/usage-limit"
    claim = "rate_limited"
    regex = '%lead%Usage limit reached; resets (?P<resets_at>.+)'
    literals = ["usage limit reached"]
    fields = { resets_at = "time" }
    examples = ["Usage limit reached; resets 3pm"]
    counter_examples = ['"Usage limit reached; resets {time}"', "- Say when the usage limit is reached"]
    source = "the program's own text"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType

from logist_core.errors import ConfigError
from logist_core.types._json import JSON, plain
from logist_core.types.signals import Claim, PatternSet, Rule

_STRINGS = frozenset({"id", "regex", "versions", "source"})
_LISTS = frozenset({"agents", "channels", "literals", "examples", "counter_examples", "overlaps"})
_NUMBERS = frozenset({"lease_s", "confidence"})
_KNOWN = {f.name: f for f in fields(Rule)}
_ID = re.compile(r"[a-z][a-z0-9-]{0,31}/[a-z0-9][a-z0-9-]{0,63}")
_FRAGMENT = re.compile(r"%([a-z][a-z0-9_]*)%")


def rule_from_mapping(table: Mapping[str, JSON], where: str = "rule") -> Rule:
    """Return the rule that a TOML or JSON table describes.

    Args:
        table: Names and values as `rule_to_mapping` returns them; what is left out has `Rule`'s default.
        where: For the error's text.

    Raises:
        ConfigError: A name is unknown or missing, or a value has the wrong type.
    """
    where = f"{where} {table.get('id', '')!s}".rstrip()
    unknown = sorted(set(table) - set(_KNOWN))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}", hint=f"one of {', '.join(_KNOWN)}")
    for name, field in _KNOWN.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{where}: {name!r} is missing")
    values = {name: _checked(name, value, where) for name, value in table.items()}
    if not _ID.fullmatch(values["id"]):
        raise ConfigError(f"{where}: an id looks like 'agent-or-any/kebab-case-name'")
    return Rule(**values)


def _checked(name: str, value: JSON, where: str) -> JSON:
    if name == "claim":
        try:
            return Claim(value)
        except ValueError:
            raise ConfigError(f"{where}: unknown claim {value!r}", hint=f"one of {', '.join(Claim)}") from None
    if name in _LISTS and isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if name in _STRINGS and (isinstance(value, str) or (value is None and name == "versions")):
        return value
    if name in _NUMBERS and (_is_number(value) or (value is None and name == "lease_s")):
        return None if value is None else float(value)
    if name == "before" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if name == "final" and isinstance(value, bool):
        return value
    if name == "fields" and isinstance(value, Mapping) and all(isinstance(kind, str) for kind in value.values()):
        return MappingProxyType(dict(value))
    raise ConfigError(f"{where}: {name!r} has the wrong type")


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def rule_to_mapping(rule: Rule) -> dict[str, JSON]:
    """Return `rule` as plain JSON, without what equals `Rule`'s defaults."""
    table: dict[str, JSON] = plain(rule)
    for name, field in _KNOWN.items():
        default = field.default if field.default is not MISSING else MISSING
        if field.default_factory is not MISSING:
            default = field.default_factory()
        if default is not MISSING and table[name] == plain(default):
            del table[name]
    return table


def rules_from_toml(text: str, where: str = "rules") -> tuple[Rule, ...]:
    """Return the rules of a TOML file's text, in its order.

    Args:
        text: See the module's docstring.
        where: The file's name, for the error's text.

    Raises:
        ConfigError: It isn't TOML, or not a file of rules.
    """
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: is not TOML: {error}") from error
    unknown = sorted(set(document) - {"agents", "fragments", "rule"})
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}", hint="a file has agents, fragments and [[rule]]")
    fragments = document.get("fragments", {})
    tables = document.get("rule", [])
    if not isinstance(fragments, dict) or not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise ConfigError(f"{where}: fragments must be a table, rule an array of tables")
    rules = []
    defaults = {"agents": document["agents"]} if "agents" in document else {}
    for number, table in enumerate(tables, 1):
        place = f"{where}: rule {number}"
        values = {**defaults, **table}
        if isinstance(values.get("regex"), str):
            values["regex"] = _expanded(values["regex"], fragments, place)
        rules.append(rule_from_mapping(values, place))
    return tuple(rules)


def _expanded(regex: str, fragments: Mapping[str, JSON], where: str) -> str:
    def text(match: re.Match[str]) -> str:
        fragment = fragments.get(match[1])
        if not isinstance(fragment, str):
            raise ConfigError(f"{where}: no fragment %{match[1]}%")
        return fragment

    for _ in range(4):  # a fragment may use fragments, but not without end
        if not _FRAGMENT.search(regex):
            return regex
        regex = _FRAGMENT.sub(text, regex)
    raise ConfigError(f"{where}: fragments are nested too deep")


def pattern_set_from_files(name: str, files: Mapping[str, str]) -> PatternSet:
    """Return the pattern set whose rules are in TOML texts, in the order of `files`.

    Args:
        name: Of the set.
        files: File name to text.

    Raises:
        ConfigError: A text is wrong, or two rules have the same id.
    """
    rules: dict[str, Rule] = {}
    for where, text in files.items():
        for rule in rules_from_toml(text, where):
            if rule.id in rules:
                raise ConfigError(f"{where}: there is another rule {rule.id!r}")
            rules[rule.id] = rule
    return PatternSet(name=name, rules=tuple(rules.values()))
