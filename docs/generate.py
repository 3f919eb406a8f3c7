"""Rewrites the parts of the documentation that the code knows better: `python docs/generate.py [--check]`.

A part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; NAME is a function of this file, or
`file PATH` for a file of the repository. Invariant: everything outside of such marks is left as it is. A test runs
`--check`, which writes nothing and names the pages that aren't current.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from logist_core import agentkit, api, hookspecs
from logist_core.config.schema import CORE_SETTINGS, SETTINGS_TABLES
from logist_core.config.settings import settings_of
from logist_core.errors import LogistError
from logist_core.hookspecs import GROUPS, Setting
from logist_core.jobs.transitions import FIELDS, Phase, rows
from logist_core.observe.arbitrate import DEFAULT_LEASES_S
from logist_core.registry import Registry
from logist_core.registry.faults import Reason
from logist_core.types.signals import Claim, Source

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"(<!-- generated: ([^\n]+?) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
_SECTION = re.compile(r"^(Attributes|Args|Raises|Returns|Example|Called from|Errors|Since):(.*)$")


def pages() -> list[Path]:
    """Return every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def current(text: str) -> str:
    """Return a page's text with every generated part made anew."""

    def part(match: re.Match[str]) -> str:
        name = match[2]
        made = _file(name.removeprefix("file ")) if name.startswith("file ") else PARTS[name]()
        return f"{match[1]}\n{made.strip()}\n\n{match[3]}"

    return _BLOCK.sub(part, text)


# --- What is generated ---------------------------------------------------------------------------------------------


def hooks() -> str:
    """Return the page of hooks: signature, docstring."""
    tree = _tree(hookspecs)
    made = []
    for name in (*(hook for _, hook in GROUPS.values()), "logist_job_event"):
        node = _named(tree, ast.FunctionDef, name)
        made += [f"## `{name}`", _code(_signature(node)), _markdown(ast.get_docstring(node) or "")]
    return _join(made)


def records() -> str:
    """Return the records that hooks return."""
    return _join(_class(name, "##") for name in ("Setting", *_named_like("Record")))


def api_records() -> str:
    """Return the frozen dataclasses of the API that aren't returned by hooks."""
    skip = {"Setting", *_named_like("Record")}
    return _join(_class(name, "###") for name in _api_names(_is_record) if name not in skip)


def api_protocols() -> str:
    """Return the protocols with their methods."""
    return _join(_protocol(name) for name in _api_names(lambda value: getattr(value, "_is_protocol", False)))


def api_enums() -> str:
    """Return the enums of the API with their members."""
    return _join(_enum(name) for name in _api_names(lambda value: inspect.isclass(value) and issubclass(value, Enum)))


def api_functions() -> str:
    """Return the functions of the API."""
    return _join(_function(name) for name in _api_names(inspect.isfunction))


def agent_kit() -> str:
    """Return the classes and the functions of `logist_core.agentkit`."""
    names = sorted(agentkit.__all__, key=lambda name: (inspect.isfunction(_public(name)), name))
    return _join(_function(name) if inspect.isfunction(_public(name)) else _class(name, "###") for name in names)


def api_errors() -> str:
    """Return the errors of the API: what each means, and the exit code of a command that ends with it."""
    names = _api_names(lambda value: inspect.isclass(value) and issubclass(value, LogistError))
    rows = []
    for name in names:
        error = getattr(api, name)
        rows.append((f"`{name}`", f"`{error.kind}`", str(int(error.exit_code)), _one_line(error.__doc__)))
    return _table(("error", "kind", "exit code", "meaning"), rows)


def journal_transitions() -> str:
    """Return the state machine as a table."""
    return _table(("event", "may come when the job is", "and makes it", "meaning"), _code_first(rows()))


def journal_fields() -> str:
    """Return the fields of every event."""
    return _table(
        ("event", "data"),
        (
            (f"`{kind}`", ", ".join(f"`{n}` {_type(t)}" for n, t in data.items()) or "none")
            for kind, data in FIELDS.items()
        ),
    )


def journal_phases() -> str:
    """Return the phases of a job."""
    return ", ".join(f"`{phase.value}`" for phase in Phase)


def claims() -> str:
    """Return how long each claim is believed."""
    from logist_core.observe.arbitrate import _CONFIRM, CONFIRM_S

    made = []
    for claim in Claim:
        lease = DEFAULT_LEASES_S.get(claim)
        confirmed = f"after {CONFIRM_S:g} s" if claim in _CONFIRM else "at once"
        if claim is Claim.CRASHED:
            confirmed = "once the attempt has ended"
        made.append((f"`{claim.value}`", "until overruled" if lease is None else f"{lease:g} s", confirmed))
    return _table(("claim", "believed without renewal", "believed from text, screen or title"), made)


def arbitration() -> str:
    """Return the truth table of arbitration; the last column is what the code answers."""
    from logist_core.observe import arbitrate

    sys.path.insert(0, str(ROOT / "tests"))
    from support.arbitration import rows as truth_table
    from support.arbitration import signals_of

    made = []
    for row in truth_table():
        state = arbitrate(signals_of(row), row["at"], ended=row.get("ended", False)).state
        claims = ", ".join(f"`{text}`" for text in row["signals"]) or "nothing"
        made.append((row["says"], claims, f"{row['at']:g} s" + (", ended" if row.get("ended") else ""), f"`{state}`"))
    return _table(("", "claims (what, source, second)", "asked at", "activity"), made)


def sources() -> str:
    """Return the sources, strongest first."""
    return " > ".join(f"`{source.value}`" for source in Source)


def dictionary() -> str:
    """Return how many rules the shipped dictionary has, by agent and claim."""
    counted: dict[str, dict[str, int]] = {}
    for pattern_set in _registry().patterns():
        for rule in pattern_set.rules:
            for agent in rule.agents:
                claims = counted.setdefault("any" if agent == "*" else agent, {})
                claims[rule.claim.value] = claims.get(rule.claim.value, 0) + 1
    return _table(
        ("agent", "rules", "claims"),
        (
            (agent, str(sum(claims.values())), ", ".join(f"`{claim}`" for claim in sorted(claims)))
            for agent, claims in sorted(counted.items(), key=lambda item: (item[0] != "any", item[0]))
        ),
    )


def dictionary_by_claim() -> str:
    """Return how many rules there are for each claim, by agent."""
    counted: dict[str, dict[str, int]] = {}
    for pattern_set in _registry().patterns():
        for rule in pattern_set.rules:
            for agent in rule.agents:
                claims = counted.setdefault("any" if agent in ("*", "any") else agent, {})
                claims[rule.claim.value] = claims.get(rule.claim.value, 0) + 1
    agents = sorted(counted, key=lambda name: (name != "any", name))
    rows = [(f"`{claim}`", *(str(counted[agent].get(claim, "")) for agent in agents)) for claim in Claim]
    return _table(("claim", *agents), [*rows, ("all", *(str(sum(counted[agent].values())) for agent in agents))])


def dictionary_scores() -> str:
    """Return the figures of the samples that are part of the project, with the command."""
    from logist_core.dictionary.reading import TextReader
    from logist_core.dictionary.scores import read_samples, samples_from_jsonl, scores
    from logist_core.observe import Dictionary

    where = Path("plugins/logist-patterns-default/tests/held_out.jsonl")
    registry = _registry()
    samples = samples_from_jsonl((ROOT / where).read_text("utf-8"))
    made = scores(read_samples(TextReader(Dictionary(registry.patterns()), registry), samples))
    rows = [
        (how, *(f"{made['overall'][how][name]:.3f}" for name in ("precision", "recall", "f1")))
        for how in ("strict", "lenient")
    ]
    table = _table(("", "precision", "recall", "F1"), rows)
    silent = made["none_false_positive_rate"]
    command = f"```sh\nlogist patterns eval {where}\n```"
    return f"{command}\n\n{table}\n\nOf the samples that say nothing, {silent:.1%} raise an alarm."


def faults() -> str:
    """Return the reasons for which a plugin is refused."""
    notes = _comments(Reason)
    return _table(
        ("reason", "meaning"), ((f"`{r.value}`", notes.get(r.name) or r.value.replace("-", " ")) for r in Reason)
    )


def core_settings() -> str:
    """Return the keys of a configuration file that the core knows."""
    return _settings(CORE_SETTINGS)


def plugin_settings() -> str:
    """Return the settings of the plugins that are installed with `logist-core[default]`."""
    registry = _registry()
    made = []
    for kind, table in SETTINGS_TABLES.items():
        for entry in registry.entries(kind):
            settings = settings_of(registry.record(kind, entry.name))
            if entry.dist in _SHIPPED and settings:
                made += [f"### `[{table}.{entry.name}]`", _settings(settings)]
    return _join(made)


def fault_cases() -> str:
    """Return the cases of the plan of attacks that are no tests of its folder: where they are proved, or why not."""
    body = []
    for case in tomllib.loads((ROOT / "tests/faults/cases.toml").read_text())["case"]:
        if case["status"] != "test":
            where = case.get("where", "")
            places = where if isinstance(where, str) else ", ".join(place.split("::")[0] for place in where)
            proved = "no" if case["status"] == "not here" else places
            body.append((str(case["number"]), case["title"], proved, case.get("why", "")))
    return _table(("case", "what", "proved in", "how far"), body)


def _file(path: str) -> str:
    language = {".py": "python", ".toml": "toml"}.get(Path(path).suffix, "text")
    title = path.split("/", 2)[-1]
    return f'```{language} title="{title}"\n{(ROOT / path).read_text().rstrip()}\n```'


PARTS: dict[str, Callable[[], str]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        *(hooks, records, api_records, api_protocols, api_enums, api_functions, api_errors, agent_kit),
        *(journal_transitions, journal_fields, journal_phases, claims, arbitration, sources, dictionary),
        *(faults, fault_cases, dictionary_by_claim, dictionary_scores),
        *(core_settings, plugin_settings),
    )
}
_SHIPPED = {path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml")}


# --- From code to Markdown -----------------------------------------------------------------------------------------


@cache
def _registry() -> Registry:
    return Registry.discover()


@cache
def _tree(module: ModuleType | None) -> ast.Module:
    assert module is not None
    return ast.parse(inspect.getsource(module))


def _named(tree: ast.Module, kind: type, name: str) -> Any:
    return next(node for node in tree.body if isinstance(node, kind) and getattr(node, "name", None) == name)


def _api_names(wanted: Callable[[Any], bool]) -> list[str]:
    return [name for name in api.__all__ if wanted(getattr(api, name))]


def _named_like(suffix: str) -> list[str]:
    return [name for name in api.__all__ if name.endswith(suffix)]


def _is_record(value: object) -> bool:
    return inspect.isclass(value) and hasattr(value, "__dataclass_fields__")


def _function(name: str) -> str:
    node = _named(_tree(inspect.getmodule(_public(name))), ast.FunctionDef, name)
    return _join([f"### `{name}`", _code(_signature(node)), _markdown(ast.get_docstring(node) or "")])


def _public(name: str) -> Any:
    """Return what one of the public modules calls `name`."""
    return getattr(api, name) if hasattr(api, name) else getattr(agentkit, name)


def _class_node(name: str) -> ast.ClassDef:
    node: ast.ClassDef = _named(_tree(inspect.getmodule(_public(name))), ast.ClassDef, name)
    return node


def _signature(node: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"def {node.name}({ast.unparse(node.args)}){returns}"
    return line if len(line) <= 110 else line.replace("(", "(\n    ", 1).replace(")" + returns, ",\n)" + returns)


def _class(name: str, level: str) -> str:
    node = _class_node(name)
    source = inspect.getsource(inspect.getmodule(_public(name)) or api)
    fields = [ast.get_source_segment(source, item) or "" for item in node.body if isinstance(item, ast.AnnAssign)]
    fields = [re.sub(r"field\(default_factory=lambda: MappingProxyType\(\{\}\)\)", "{}", field) for field in fields]
    body = "\n".join(f"    {field}" for field in fields)
    made = [f"{level} `{name}`", _code(f"class {name}:\n{body}"), _markdown(ast.get_docstring(node) or "")]
    for method in _methods(node):
        made += [_code(_signature(method)), _markdown(ast.get_docstring(method) or "")]
    return _join(made)


def _protocol(name: str) -> str:
    node = _class_node(name)
    made = [f"### `{name}`", _markdown(ast.get_docstring(node) or "")]
    attributes = [ast.unparse(item) for item in node.body if isinstance(item, ast.AnnAssign)]
    if attributes:
        made.append(_code("\n".join(attributes)))
    for method in _methods(node):
        made += [f"#### `{name}.{method.name}`", _code(_signature(method)), _markdown(ast.get_docstring(method) or "")]
    return _join(made)


def _methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    return (item for item in node.body if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"))


def _enum(name: str) -> str:
    kind = getattr(api, name)
    notes = _comments(kind)
    lines = [
        f"- `{name}.{member.name}` = `{json.dumps(member.value)}`{_after(notes.get(member.name))}" for member in kind
    ]
    return _join([f"### `{name}`", _markdown(inspect.getdoc(kind) or ""), "\n".join(lines)])


def _after(note: str | None) -> str:
    return f": {note}" if note else ""


def _comments(kind: type[Enum]) -> dict[str, str]:
    """Return the comments behind an enum's members: their documentation."""
    found = re.findall(r"^    (\w+) = [^#\n]+#\s*(.+)$", inspect.getsource(kind), re.MULTILINE)
    return dict(found)


def _settings(settings: Any) -> str:
    def default(setting: Setting) -> str:
        return "" if setting.default is None else f"`{setting.default}`" if setting.default != "" else '`""`'

    return _table(
        ("setting", "type", "default", "a project may set it", "meaning"),
        (
            (
                f"`{name}`",
                setting.type,
                default(setting),
                "yes" if setting.project else "no",
                setting.help + (f" One of {', '.join(f'`{c}`' for c in setting.choices)}." if setting.choices else ""),
            )
            for name, setting in settings.items()
        ),
    )


def _type(text: str) -> str:
    shown = {
        "texts": "list of text",
        "ints": "list of int",
        "texts_by_name": "object of text",
        "job id": "job id",
    }
    optional = text.endswith("?")
    bare = text.removesuffix("?")
    bare = shown.get(bare, bare.replace("|", " or "))
    return f"({bare}{', or null' if optional else ''})"


def _code_first(table: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    return ((f"`{first}`", *others) for first, *others in table)


def _markdown(docstring: str) -> str:
    """Return a Google-style docstring as Markdown."""
    made: list[str] = []
    body: list[str] = []
    heading, rest = "", ""

    def close() -> None:
        text = textwrap.dedent("\n".join(body)).strip("\n")
        body.clear()
        if heading == "Example":
            made.append(_code(text))
        elif heading in ("Attributes", "Args", "Raises"):
            made.append(("" if heading == "Attributes" else f"{heading}:\n\n") + _items(text))
        elif heading:
            made.append(f"{heading}: {_one_line(rest + ' ' + text)}")
        elif text:
            made.append(_paragraphs(text))

    for line in docstring.splitlines():
        if match := _SECTION.match(line):
            close()
            heading, rest = match[1], match[2]
        else:
            body.append(line)
    close()
    return _join(made)


def _items(text: str) -> str:
    items: list[str] = []
    for line in text.splitlines():
        if line[:1].isspace() or not line:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line.strip())
    made = []
    for item in items:
        names, _, meaning = item.partition(": ")
        made.append(f"- {', '.join(f'`{name.strip()}`' for name in names.split(','))}: {meaning.strip()}")
    return "\n".join(made)


def _paragraphs(text: str) -> str:
    made = []
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.startswith("    "):
            made.append(_code(textwrap.dedent(paragraph)))
        else:
            made.append(_one_line(paragraph))
    return _join(made)


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _table(head: tuple[str, ...], body: Iterable[tuple[str, ...]]) -> str:
    def row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([row(head), "|" + "---|" * len(head), *(row(cells) for cells in body)])


def main(arguments: list[str]) -> int:
    """Rewrite the pages, or with `--check` say which aren't current; return the exit code."""
    stale = [page for page in pages() if page.read_text() != current(page.read_text())]
    for page in stale:
        print(page.relative_to(ROOT))
        if "--check" not in arguments:
            page.write_text(current(page.read_text()))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
