"""The record, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

from logist_agent_claude.plugin import SETTINGS, logist_agents

from logist_core.api import API_VERSION, Agent


def test_the_record_makes_an_agent_from_its_defaults() -> None:
    (record,) = logist_agents()
    assert (record.name, record.api) == ("claude", API_VERSION)
    agent = record.factory({name: setting.default for name, setting in record.settings.items()})
    assert isinstance(agent, Agent)


def test_a_repository_cannot_set_what_is_run_or_permitted() -> None:
    assert {name for name, setting in SETTINGS.items() if setting.project} == {"model", "partial_messages"}


def test_importing_the_plugin_imports_none_of_its_engine() -> None:
    code = (
        "import sys, logist_core.api; before = set(sys.modules); import logist_agent_claude.plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(said.stdout.split()) == {"logist_agent_claude", "logist_agent_claude.plugin"}
