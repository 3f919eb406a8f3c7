"""The written form of rules: TOML tables to `Rule` and back. Rules are data; this is the only reader of that data.

Invariant: a table that isn't a complete, well-typed rule is refused with its place and what is wrong, never guessed.

A file of rules:

    agents = ["acme"]             # for all rules of this file that don't say otherwise
    disable = ["any/retrying"]    # ids of other sets' rules that are left out

    [fragments]                   # %name% in a regex stands for this text; `FRAGMENTS` are always there
    mark = '^[ ■]{0,4}'

    [[rule]]
    id = "acme/usage-limit"
    claim = "rate_limited"
    regex = '%mark%Usage limit reached; resets (?P<resets_at>.+)'
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

#: What a regex may use by its name in any file; a file's own fragment of that name goes before.
FRAGMENTS: Mapping[str, str] = MappingProxyType(
    {
        # The beginning of a message: indentation, box borders and bullets, but nothing that opens a string, a
        # comment, a list item, a quotation, a diff or a table row.
        "lead": r"""^(?!\s*(?:[-+/*(#>|`"]|(?:if|elif|return|assert|raise|throw|await|const|let|var|def|export|echo"""
        r"""|grep) |[\w.]{1,40} ?= ))(?:[^\w"'`\\#/<>({=|*$@+;:-]|ℹ){0,16}""",
        # "Error: ", "[ERROR] ", "2025-01-01T00:00:00Z WARN some::module: ", "litellm.SomeError: "
        "err": r"""(?:[^\n"'`\\#*={}<>|]{0,90}?(?:error|warn(?:ing)?|fatal|failed|failure|exception|retries)\b"""
        r"""[^\n"'`\\#*={}<>|]{0,60}?[:\]·]\s*\[?)?""",
        # The beginning of a line up to a message, with up to four prefixes of its program: time, level, logger, names
        # that end in a colon. For rules that leave quotations to the guard.
        "pre": r"""^[^\w\n"'`{}\\#/<>(*=+@$;-]{0,16}"""
        r"""(?!(?:note|tip|hint|example|e\.g|i\.e|todo|fix(?:ed|es)?|add(?:ed|s)?|changed?|expected|received|actual"""
        r"""|see|summary|description|title|subject|question|answer|usage|goal|task|step \d+|plan|case|scenario"""
        r"""|when|if|where|why|how)\b)"""
        r"""(?:\[?(?:ERROR|ERR|WARN(?:ING)?|FATAL|INFO|CRITICAL|E|W)\]?:?\s+"""
        r"""|\[?\d{2,4}[-/:]\d[\d:T.,Z/+ -]{4,30}\]?\s+|\+\d+m?s\s+|\[[\w. -]{1,30}\]\s+){0,4}"""
        r"""(?:[^\n:"'`{}=<>\[\]]{1,80}(?:\[[\w. -]{1,40}\])?(?::\s+|\s[·—–-]\s)){0,4}\[?""",
        # What follows a message that stands for itself, and isn't the subject of a sentence.
        "only": r"""(?!["'`]|\s*(?:errors?|handl\w+|responses?|is|are|was|were|will|should|would|could|can|may|must"""
        r"""|tests?|cases?|messages?|when|if|in the|support\w*|logic|checks?|detection)\b)""",
        # The end of a message's first clause.
        "stop": r"""(?=\s+[(\[]|\s*(?:[.!:·∙•–—]|,\s*\w|[│┃]?\s*$))""",
        # A selection row with a cursor on it.
        "cursor": r"""^[\s│┃]*[❯›●▶→>]\s*""",
    }
)

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
    if name in ("final", "guard") and isinstance(value, bool):
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

    Raises:
        ConfigError: It isn't TOML, or not a file of rules.
    """
    return _file(text, where)[0]


def _file(text: str, where: str) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules of a file, and the ids that it disables."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: is not TOML: {error}") from error
    unknown = sorted(set(document) - {"agents", "disable", "fragments", "rule"})
    if unknown:
        raise ConfigError(
            f"{where}: unknown key {unknown[0]!r:.80}", hint="a file has agents, disable, fragments and [[rule]]"
        )
    fragments = document.get("fragments", {})
    disable = document.get("disable", [])
    if not isinstance(disable, list) or not all(isinstance(rule_id, str) for rule_id in disable):
        raise ConfigError(f"{where}: disable must be a list of rule ids")
    tables = document.get("rule", [])
    if not isinstance(fragments, dict) or not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise ConfigError(f"{where}: fragments must be a table, rule an array of tables")
    rules = []
    defaults = {"agents": document["agents"]} if "agents" in document else {}
    for number, table in enumerate(tables, 1):
        place = f"{where}: rule {number}"
        values = {**defaults, **table}
        if isinstance(values.get("regex"), str):
            values["regex"] = _expanded(values["regex"], {**FRAGMENTS, **fragments}, place)
        rules.append(rule_from_mapping(values, place))
    return tuple(rules), tuple(disable)


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
    disabled: list[str] = []
    for where, text in files.items():
        found, disable = _file(text, where)
        disabled += disable
        for rule in found:
            if rule.id in rules:
                raise ConfigError(f"{where}: there is another rule {rule.id!r}")
            rules[rule.id] = rule
    return PatternSet(name=name, rules=tuple(rules.values()), disable=tuple(dict.fromkeys(disabled)))


def set_to_mapping(pattern_set: PatternSet) -> dict[str, JSON]:
    """Return a pattern set as plain JSON."""
    rules = [rule_to_mapping(rule) for rule in pattern_set.rules]
    return {"name": pattern_set.name, "rules": rules, "disable": list(pattern_set.disable)}


def set_from_mapping(table: Mapping[str, JSON]) -> PatternSet:
    """Return the pattern set that `set_to_mapping` wrote.

    Raises:
        ConfigError: It isn't one.
    """
    name, rules, disable = table.get("name"), table.get("rules"), table.get("disable", [])
    if not isinstance(name, str) or not isinstance(rules, list) or not isinstance(disable, list):
        raise ConfigError("a pattern set has a name, rules and disable")
    read = tuple(rule_from_mapping(rule, f"{name}: rule {number}") for number, rule in enumerate(rules, 1))
    return PatternSet(name=name, rules=read, disable=tuple(str(rule_id) for rule_id in disable))
