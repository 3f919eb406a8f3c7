"""The distribution: found by its entry point, light to import, and described by its README."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import logist_agent_mock
from logist_agent_mock import plugin
from logist_agent_mock.events import _READERS
from logist_agent_mock.steps import VERBS

from logist_core.api import Agent, AgentRecord

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_entry_point_leads_to_the_record():
    (point,) = entry_points(group="logist.agents", name="mock")
    (record,) = point.load().logist_agents()
    assert isinstance(record, AgentRecord)
    assert record.name == point.name
    assert isinstance(record.factory({}), Agent)


def test_its_version_is_its_distributions():
    assert logist_agent_mock.__version__ == version("logist-agent-mock")


def test_importing_the_plugin_does_not_import_the_agent():
    code = (
        "import sys; import logist_agent_mock.plugin; "
        "print([m for m in ('logist_agent_mock.agent', 'tomllib', 'json', 'uuid') if m in sys.modules])"
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, env=bare)
    assert done.stdout == "[]\n"


def test_the_program_imports_little_before_it_runs():
    program = Path(logist_agent_mock.__file__).with_name("program.py")
    code = f"import sys; sys.path.insert(0, {str(program.parent)!r}); import program; print(len(sys.modules))"
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert int(done.stdout) < 70


def test_the_readme_names_every_setting_scenario_step_and_event():
    for name in (*plugin.SETTINGS, *plugin.SCENARIOS, *VERBS, *_READERS):
        assert f"`{name}`" in README, name


def test_every_default_fits_its_setting():
    types = {"str": str, "int": int, "float": float, "list": list}
    for name, setting in plugin.SETTINGS.items():
        assert isinstance(setting.default, types[setting.type]), name
        assert setting.type != "str" or not setting.choices or setting.default in setting.choices
