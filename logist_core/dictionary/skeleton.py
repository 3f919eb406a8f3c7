"""Writes the beginnings of a pattern set: one file of rules for a user, or a distribution with its test.

Invariant: what is written works as it is, and nothing that is there already is overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from logist_core import __version__
from logist_core.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")

_RULES = """\
# What @NAME@ prints. Try a line:  logist patterns why --agent @NAME@ 'the line'
agents = ["@NAME@"]               # for whom; "*" is any agent

[[rule]]
id = "@NAME@/quota"
claim = "rate_limited"            # logist patterns list --claims
regex = '(?i)%lead%quota used up; (?:resets|try again) in (?P<retry_in_s>\\d+ \\w+)'
fields = { retry_in_s = "seconds" }
examples = ["Quota used up; resets in 20 minutes"]
counter_examples = [
    "    raise Quota('Quota used up; resets in 20 minutes')",
    "The quota is used up sooner with images.",
]
source = "where you saw it: a version, a file, a page"
"""

_PYPROJECT = """\
[project]
name = "@DIST@"
version = "0.1.0"
description = "What @NAME@ prints, as Logist patterns."
requires-python = ">=3.11"
dependencies = ["logist-core>=@CORE@"]

[project.entry-points."logist.patterns"]
@NAME@ = "@PACKAGE@.plugin"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["@PACKAGE@"]
"""

_PLUGIN = '''\
"""Offers the pattern set `@NAME@`; its rules are data, in `rules.toml`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from logist_core.api import PatternSet, PatternsRecord, hookimpl, pattern_set_from_files


def load() -> PatternSet:
    """Return the rules."""
    return pattern_set_from_files("@NAME@", {"rules.toml": (files("@PACKAGE@") / "rules.toml").read_text("utf-8")})


@hookimpl
def logist_patterns() -> Iterable[PatternsRecord]:
    """Return the one record of this plugin."""
    return [PatternsRecord(name="@NAME@", summary="What @NAME@ prints.", factory=load)]
'''

_TEST = '''\
"""The set keeps the contract of pattern plugins."""

from __future__ import annotations

import pytest
from @PACKAGE@.plugin import load

from logist_core.testing.pattern_contract import PatternContract


class Test@CLASS@(PatternContract):
    @pytest.fixture
    def patterns(self):
        return load()
'''

_README = """\
# @DIST@

What @NAME@ prints, as rules for Logist's dictionary: `@PACKAGE@/rules.toml`.

    pip install -e . "logist-core[testing]"
    logist patterns lint --set @NAME@
    pytest
"""


def rules_file(name: str) -> str:
    """Return the text of a file of rules for agent `name`."""
    return _filled(_RULES, name)


def distribution(name: str) -> Mapping[str, str]:
    """Return path -> text of a distribution for agent `name`.

    Raises:
        UsageError: The name can't be one.
    """
    package = f"logist_patterns_{name.replace('-', '_')}"
    files = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        f"{package}/__init__.py": '"""What @NAME@ prints, as Logist patterns."""\n',
        f"{package}/py.typed": "",
        f"{package}/plugin.py": _PLUGIN,
        f"{package}/rules.toml": _RULES,
        "tests/test_patterns.py": _TEST,
    }
    return {path: _filled(text, name) for path, text in files.items()}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write `files` below `folder`.

    Raises:
        UsageError: One of them is there already, or can't be written; nothing that was there is changed.
    """
    for path in files:
        if (folder / path).exists() or (folder / path).is_symlink():
            raise UsageError(f"{folder / path} is there already", hint="choose another name, or remove it")
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{folder}: can't be written: {error.strerror}") from error


def _filled(text: str, name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > 32:
        raise UsageError(f"{name!r:.60} can't be a set's name", hint="lower-case letters, digits and hyphens: my-agent")
    values = {
        "NAME": name,
        "DIST": f"logist-patterns-{name}",
        "PACKAGE": f"logist_patterns_{name.replace('-', '_')}",
        "CLASS": "".join(part.capitalize() for part in name.split("-")),
        "CORE": ".".join(__version__.split(".")[:2]),
    }
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], text)
