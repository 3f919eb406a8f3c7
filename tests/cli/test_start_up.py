"""What a command loads beyond a bare `import click`. The budgets may only go down."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PROBE = """
import contextlib, io, json, sys
import click
bare = set(sys.modules)
from logist_core.cli.main import run
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    code = run(sys.argv[1:])
print(json.dumps([code, sorted(set(sys.modules) - bare)]))
"""

#: These cost more than the rest of the command together.
HEAVY = {
    *("asyncio", "filelock", "regex", "rich", "importlib_metadata", "importlib.metadata", "pluggy", "ahocorasick_rs"),
    *("tomlkit", "tomllib", "asyncinotify", "subprocess", "socket", "logging", "ctypes"),
}


def loaded(*args: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", PROBE, *args], capture_output=True, text=True, timeout=60, check=True)
    code, modules = json.loads(ran.stdout)
    assert code == 0, args
    return [str(module) for module in modules]


@pytest.mark.parametrize(
    ("args", "budget"),
    [
        (("ls",), 42),
        (("ls", "--json"), 36),
        (("ls", "--state", "failed"), 46),
        (("status",), 47),
        (("status", "--json"), 40),
        (("events",), 46),
        (("logs",), 46),
        (("--help",), 28),
    ],
)
def test_a_reading_command_stays_within_its_budget_and_loads_nothing_heavy(
    jobs: Any, args: tuple[str, ...], budget: int
) -> None:
    jobs.ended(1, prompt="x")
    jobs.running(jobs.activity("working"))
    modules = loaded(*args)
    assert not HEAVY & set(modules)
    assert not [module for module in modules if module.startswith("logist_") and not module.startswith("logist_core")]
    assert len(modules) <= budget, (len(modules), modules)


def test_a_plain_list_does_not_even_load_the_parser_of_options(jobs: Any) -> None:
    jobs.ended()
    probe = PROBE.replace("import click\n", "")
    ran = subprocess.run([sys.executable, "-c", probe, "ls"], capture_output=True, text=True, timeout=60, check=True)
    assert "click" not in json.loads(ran.stdout)[1]


def test_the_version_loads_no_engine() -> None:
    assert not {"logist_core.jobs.store", "logist_core.registry", "logist_core.supervise", "asyncio"} & set(
        loaded("version")
    )
