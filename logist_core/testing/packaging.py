"""What every distribution of plugins must hold: subclass `PackagingContract` in your tests, and pytest runs all of it.

    from logist_core.testing.packaging import PackagingContract

    class TestPackaging(PackagingContract):
        dist = "logist-agent-echo"

Needs the extra `logist-core[testing]`, and the distribution installed (editable is fine). Invariant: the kit looks at
what is installed, the way a user's Logist does; it imports plugins only in processes of their own.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

import importlib_metadata
import pytest

from logist_core.config.values import TYPE_NAMES
from logist_core.hookspecs import API_VERSION
from logist_core.registry.discovery import Entry, scan
from logist_core.registry.inspection import Report, inspect

#: Modules that cost a command tens of milliseconds each; a plugin imports them in its factory, or not at all.
HEAVY = frozenset(
    {
        *("asyncio", "multiprocessing", "concurrent.futures", "http.client", "http.server", "urllib.request"),
        *("xml", "sqlite3", "unittest", "tkinter", "ctypes", "email", "regex", "filelock", "psutil", "rich"),
        *("textual", "pydantic", "requests", "httpx", "aiohttp", "yaml", "docker", "numpy", "pandas", "jinja2"),
    }
)

#: Seconds for one plugin; generous, because test machines are busy.
LIMIT_S = 60.0

# What is loaded already when a command imports a plugin costs nothing more.
_IMPORT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); import pluggy, logist_core.api, logist_core.registry;"
    "known = set(sys.modules); import importlib; importlib.import_module(sys.argv[2]);"
    "print(json.dumps(sorted(set(sys.modules) - known)), file=sys.__stdout__)"
)


class PackagingContract:
    """The checks, each a test method.

    Attributes:
        dist: Name of the distribution under test.
        heavy: Modules that its `plugin.py` must not import.
        follows_naming: Whether the distribution is named `logist-<kind>-<name>`, so that Logist can tell a user how
            to install what is missing.
    """

    dist: str = ""
    heavy: frozenset[str] = HEAVY
    follows_naming: bool = True

    @pytest.fixture(scope="class")
    @classmethod
    def entries(cls) -> list[Entry]:
        """The plugins that the distribution announces."""
        assert cls.dist, "set `dist` to the name of your distribution"
        found = [entry for entry in scan().entries if entry.dist == cls.dist]
        assert found, (
            f"{cls.dist} is not installed, or announces no plugin: see [project.entry-points] in its pyproject"
        )
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def reports(cls, entries: list[Entry]) -> list[Report]:
        """How each of them loads, in a process of its own."""
        return inspect(entries, limit_s=LIMIT_S)

    def test_every_entry_point_resolves_to_a_valid_record(self, reports: list[Report]) -> None:
        """Import, hook, record, factory and product, as `logist plugins check` sees them."""
        faults = [fault for report in reports for fault in report.faults if fault.reason not in _NOT_ITS_FAULT]
        assert not faults, "\n".join(f"{fault.name}: {fault.reason}: {fault.detail}" for fault in faults)

    def test_it_is_written_for_this_plugin_api(self, reports: list[Report]) -> None:
        """A record with another major version would be refused."""
        assert {report.api for report in reports} == {API_VERSION}

    def test_each_summary_is_one_line(self, reports: list[Report]) -> None:
        """`logist plugins list` shows it in a table."""
        for report in reports:
            assert report.summary and len(report.summary) <= 100, f"{report.entry.name}: 1 to 100 characters"
            assert "\\" not in report.summary, f"{report.entry.name}: only printable characters"

    def test_every_setting_is_documented(self, reports: list[Report]) -> None:
        """Each has a help text, a known type, and no default outside of its choices."""
        for report in reports:
            for name, setting in report.settings.items():
                assert setting["help"].strip(), f"{report.entry.name}: the setting {name} has no help text"
                assert setting["type"] in TYPE_NAMES

    def test_importing_it_is_light(self, entries: list[Entry]) -> None:
        """The hook module loads nothing heavy: that belongs into the record's factory."""
        for entry in entries:
            loaded = set(_loaded_by(entry))
            heavy = sorted(name for name in self.heavy if name in loaded)
            assert not heavy, f"importing {entry.module} loads {', '.join(heavy)}; do that in the factory"

    def test_its_types_are_published(self, entries: list[Entry]) -> None:
        """Each package has a `py.typed`."""
        for folder in {_folder(entry) for entry in entries}:
            assert (folder / "py.typed").is_file(), f"{folder.name} has no py.typed"

    def test_it_imports_nothing_but_the_public_api(self, entries: list[Entry]) -> None:
        """The public modules are promised to stay; everything else of the core may change in any release."""
        for folder in {_folder(entry) for entry in entries}:
            for path in sorted(folder.rglob("*.py")):
                private = [name for name in _imports(path) if not _is_public(name)]
                assert not private, f"{path.name} imports {', '.join(private)}; use logist_core.api"

    def test_it_says_which_core_it_needs(self) -> None:
        """Its metadata requires logist-core, below some version: a later major may not run it."""
        needs = [line for line in importlib_metadata.requires(self.dist) or [] if line.startswith("logist-core")]
        assert needs, f"{self.dist} doesn't require logist-core"
        assert "<" in needs[0] or "~=" in needs[0], f"{needs[0]}: add an upper bound"

    def test_its_name_tells_how_to_install_it(self, entries: list[Entry]) -> None:
        """For an unknown name Logist advises `pip install logist-<kind>-<name>`."""
        if not self.follows_naming:
            pytest.skip("follows_naming is False")
        assert self.dist in {f"logist-{entry.kind}-{entry.name}" for entry in entries}


_NOT_ITS_FAULT = frozenset({"not-ready", "slow-import"})


def _loaded_by(entry: Entry) -> list[str]:
    module = entry.module.partition(":")[0].strip()
    command = [sys.executable, "-P", "-c", _IMPORT, json.dumps(sys.path), module]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def _folder(entry: Entry) -> Path:
    """Return the folder of the entry's top-level package, without importing it."""
    package = entry.module.partition(":")[0].partition(".")[0]
    spec = PathFinder.find_spec(package)
    assert spec is not None, f"{package} is not on the path"
    assert spec.submodule_search_locations, f"{package} is a single module; make it a package, so that it can be typed"
    return Path(next(iter(spec.submodule_search_locations)))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            if node.module == "logist_core":
                yield from (f"logist_core.{alias.name}" for alias in node.names)
            else:
                yield node.module


def _is_public(module: str) -> bool:
    ours = module == "logist_core" or module.startswith("logist_core.")
    public = ("logist_core.api", "logist_core.agentkit", "logist_core.testing", "logist_core.__version__")
    return not ours or any(module == name or module.startswith(f"{name}.") for name in public)
