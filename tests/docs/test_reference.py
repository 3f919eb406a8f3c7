"""The documentation says what the code does: nothing is missing, nothing is out of date, nothing points nowhere."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from support import pages
from support.logist import Logist
from support.pages import ROOT

from logist_core import api, hookspecs
from logist_core.cli.group import cli
from logist_core.hookspecs import GROUPS
from logist_core.jobs.fold import ATTEMPT_CONDITIONS, CANCELLING
from logist_core.jobs.transitions import FIELDS
from logist_core.registry import Registry
from logist_core.supervise import reconcile, sentinel_loop, settle
from logist_core.types.signals import Claim

REFERENCE = ROOT / "docs" / "reference"
SOURCES = [
    *sorted((ROOT / "logist_core").rglob("*.py")),
    *(path for path in sorted((ROOT / "plugins").rglob("*.py")) if "tests" not in path.parts),
]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("logist_docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Pages


def test_the_generated_parts_are_current() -> None:
    made = generator()
    stale = [str(page.relative_to(ROOT)) for page in made.pages() if page.read_text() != made.current(page.read_text())]
    assert not stale, f"write them anew: python docs/generate.py ({', '.join(stale)})"


def test_a_part_that_is_not_current_is_found_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = generator()
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- generated: sources -->\nold\n<!-- end of sources -->\nafter\n")
    (tmp_path / "CONTRIBUTING.md").write_text("nothing generated\n")
    monkeypatch.setattr(made, "ROOT", tmp_path)
    assert made.main(["--check"]) == 1
    assert "old" in page.read_text()
    assert made.main([]) == 0
    assert made.main(["--check"]) == 0
    assert "`event` > `title`" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert capsys.readouterr().out == "README.md\nREADME.md\n"


@pytest.mark.parametrize("page", pages.all_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_and_anchor_leads_somewhere(page: Path) -> None:
    broken = []
    for link in pages.links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        leads = target.is_relative_to(ROOT) and target.exists()
        if not leads or (anchor and anchor not in pages.anchors(target)):
            broken.append(link)
    assert not broken


def test_every_page_is_reachable_from_the_map() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [
            (page.parent / link.partition("#")[0]).resolve()
            for link in pages.links(page)
            if "://" not in link and link.partition("#")[0]
        ]
    assert not set(pages.all_pages()) - reached


@pytest.mark.parametrize("page", pages.all_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_machine_and_no_registry(page: Path) -> None:
    text = page.read_text()
    assert not re.findall(r"(?<![\w.~$}])/(?:root|home|work|Users|opt|mnt)/(?!ann/)\S+", text)
    assert not re.findall(r"\b(?:pypi\.org|npmjs\.(?:com|org)|files\.pythonhosted\.org|localhost:\d+)", text)
    assert not re.search(r"pip install (?:-U |--upgrade )?[\"']?logist(?![-\w])", text)


@pytest.mark.parametrize("page", pages.documentation(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_module_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`([\w./-]+)`", pages.prose(page)))
    paths = {name for name in named if re.match(r"(?:logist_core|plugins|tests|docs|\.ci)/[\w.]", name)}
    layers = {path.name for path in (ROOT / "logist_core").iterdir() if path.is_dir()}
    modules = {name for name in named if re.fullmatch(rf"(?:logist_core\.)?(?:{'|'.join(layers)})\.[a-z_.]+", name)}
    modules -= {name for name in modules if name in FIELDS or name.endswith((".json", ".rec"))}
    wrong = [path for path in paths if not (ROOT / path).exists()]
    for name in modules:
        dotted = name.removeprefix("logist_core.").split(".")
        path = ROOT / "logist_core" / Path(*dotted)
        if not path.with_suffix(".py").exists() and not path.is_dir():
            wrong.append(name)
    assert not wrong


# The API


def test_every_hook_stands_with_its_exact_signature_in_the_reference() -> None:
    page = (REFERENCE / "hooks.md").read_text()
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, "logist_spec")]
    assert set(hooks) == {*(hook for _, hook in GROUPS.values()), "logist_job_event"}
    for name in hooks:
        signature = str(inspect.signature(getattr(hookspecs, name))).replace("'", "")
        assert f"```python\ndef {name}{signature}\n```" in page


@pytest.mark.parametrize("name", api.__all__)
def test_every_public_name_is_in_the_reference_of_the_api(name: str) -> None:
    assert f"`{name}`" in (REFERENCE / "api.md").read_text()


@pytest.mark.parametrize("name", ["Agent", "Runtime", "Sentinel", "Watch", "AttachChannel"])
def test_every_method_of_a_protocol_is_in_the_reference_of_the_api(name: str) -> None:
    page = (REFERENCE / "api.md").read_text()
    methods = [method for method, value in vars(getattr(api, name)).items() if inspect.isfunction(value)]
    assert methods
    assert not [m for m in methods if not m.startswith("_") and f"#### `{name}.{m}`" not in page]


def test_every_claim_has_a_meaning() -> None:
    page = (REFERENCE / "signals.md").read_text()
    described = set(re.findall(r"^\| `(\w+)` \| [a-z]", page, re.MULTILINE))
    assert {claim.value for claim in Claim} <= described


# The command line


def named_commands() -> Iterator[tuple[str, list[str]]]:
    """Yield (where, words) of every `logist ...` that a page shows, in blocks and in the text."""
    for page in pages.all_pages():
        text = page.read_text()
        shown = re.findall(
            r"(?:^|[`(]|\$ |&& |then |uv run )logist ((?:[a-z@-]|\"[^\"]*\"|'[^']*')[^`\n|;&]*)", text, re.M
        )
        for found in shown:
            yield str(page.relative_to(ROOT)), found.split(" -- ")[0].split("#")[0].split()


def test_every_command_and_option_that_is_named_exists() -> None:
    wrong = []
    seen = 0
    for where, words in named_commands():
        context = click.Context(cli, info_name="logist")
        command: click.Command = cli
        options = {option for parameter in cli.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            if isinstance(command, click.Group) and re.fullmatch(r"[a-z]+", word):
                inner = command.get_command(context, word)
                if inner is None:
                    wrong.append(f"{where}: logist {' '.join(words)}: no command {word}")
                    break
                command = inner
                options |= {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
                seen += 1
            elif word.startswith("--") and len(word) > 2 and word.partition("=")[0].rstrip(".,)") not in options:
                wrong.append(f"{where}: logist {' '.join(words)}: no option {word}")
    assert not wrong
    assert seen > 50


# Files, events, conditions, variables


def constants(pattern: str, *folders: str) -> set[str]:
    """Return every text in the code below `folders` that is, as a whole, of the form `pattern`."""
    found = set()
    for path in SOURCES:
        if any(str(path.relative_to(ROOT)).startswith(folder) for folder in folders):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(pattern, node.value):
                    found.add(node.value)
    return found


STORED_BY = ("logist_core/jobs", "logist_core/supervise", "logist_core/observe", "plugins/logist-runtime-host")


def test_every_file_name_in_the_code_is_in_the_reference() -> None:
    names = constants(r"[a-z-]+\.(json|log|lock|err|torn|rec)|VERSION|trash|\.reserve", *STORED_BY)
    assert {"events.log", "state.json", "exit.json", "shim.lock", "supervisor.json"} <= names
    page = (REFERENCE / "files.md").read_text()
    assert not [name for name in sorted(names) if f"`{name}" not in page]


def test_every_file_of_a_real_home_is_in_the_reference(logist: Logist) -> None:
    plain = logist.submit("-a", "mock", "hello")
    screen = logist.submit("-a", "mock", "--pty", "--agent-set", "scenario=hang", "hello")
    logist.until(screen, "running")
    logist("stop", screen)
    for job in (plain, screen):
        logist.ended(job)
    page = (REFERENCE / "files.md").read_text()
    files = {path.name for path in logist.home.rglob("*") if path.is_file()}
    assert len(files) > 15
    assert not [name for name in sorted(files) if f"`{name}`" not in page]
    places = {path.name for path in logist.home.rglob("*") if path.is_dir()} - {plain, screen, "1"}
    assert places == {"jobs", "attempts", "trash"}


def test_every_kind_of_event_that_is_written_is_in_the_reference() -> None:
    written = constants(
        r"(job|attempt|activity|session|condition|sentinel|input|plugin|usage|person)\.[a-z_]+", "logist_core"
    )
    written -= {"job.lock", "sentinel.json", "sentinel.rec"}  # files
    assert set(FIELDS) <= written
    page = (REFERENCE / "journal.md").read_text()
    assert not [kind for kind in sorted(written) if f"| `{kind}` |" not in page]


def raised() -> set[str]:
    """Return the names of conditions that the code writes, wherever it does."""
    named: dict[str, Any] = {**vars(settle), **vars(sentinel_loop), **vars(reconcile)}
    found = {CANCELLING, *ATTEMPT_CONDITIONS, *reconcile.PROBED, *sentinel_loop._MARKS.values()}
    found |= set(sentinel_loop._ENDING.values())
    for path in SOURCES:
        text = path.read_text()
        for name in re.findall(r'self\._raise_condition\((\w+|"\w+")|conditions(?:=\(|\.append\()("\w+")', text):
            word = "".join(name)
            found.add(word.strip('"') if word.startswith('"') else named[word])
    return found


def test_every_condition_that_is_raised_is_in_the_reference() -> None:
    names = raised()
    assert {"orphaned", "timing_out", "sentinel_stop", "unresponsive", "unkillable"} <= names
    page = (REFERENCE / "journal.md").read_text()
    assert not [name for name in sorted(names) if f"| `{name}` |" not in page]


def test_every_variable_of_the_environment_is_in_the_reference() -> None:
    names = constants(r"LOGIST_[A-Z_]+[A-Z]", "logist_core", "plugins")
    assert "LOGIST_HOME" in names
    page = (REFERENCE / "configuration.md").read_text()
    assert not [name for name in sorted(names) if f"`{name}`" not in page]


def test_every_setting_of_a_shipped_plugin_is_in_its_readme() -> None:
    missing = []
    registry = Registry.discover()
    for kind in ("agent", "runtime", "sentinel"):
        for entry in registry.entries(kind):
            readme = ROOT / "plugins" / entry.dist / "README.md"
            if readme.exists():
                text = readme.read_text()
                settings = registry.record(kind, entry.name).settings
                missing += [f"{entry.dist}: {name}" for name in settings if f"`{name}`" not in text]
    assert not missing
