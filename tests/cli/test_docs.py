"""The reference pages say what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logist_core import errors
from logist_core.cli import checks, helpdoc
from logist_core.errors import ExitCode, LogistError
from logist_core.registry import PluginFault
from logist_core.supervise.recover import RecoverReport
from logist_core.supervise.singleton import SupervisorRecord
from logist_core.types.job import Lifecycle

Run = Callable[..., Any]

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SHAPES = (REFERENCE / "json.md").read_text()


def examples(heading: str) -> list[Any]:
    """Return the JSON examples under the heading that begins so."""
    (section,) = [part for part in re.split(r"^## ", SHAPES, flags=re.MULTILINE) if part.startswith(heading)]
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]


def test_the_help_in_the_documentation_is_current() -> None:
    assert helpdoc.main(["--check", str(REFERENCE / "cli.md")]) == 0, (
        "write it anew: python -m logist_core.cli.helpdoc docs/reference/cli.md"
    )


def test_a_page_that_is_not_current_is_found_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "cli.md"
    page.write_text(f"before\n{helpdoc.BEGIN}old\n{helpdoc.END}after\n")
    assert helpdoc.main(["--check", str(page)]) == 1
    assert helpdoc.main([str(page)]) == 0
    assert helpdoc.main(["--check", str(page)]) == 0
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    with pytest.raises(ValueError, match="no marks"):
        helpdoc.updated("nothing")


def test_every_exit_code_and_every_kind_of_error_is_documented() -> None:
    page = (REFERENCE / "exit-codes.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| (\w+) \|", page, re.MULTILINE))
    assert rows == {str(code.value): code.name.lower() for code in ExitCode}
    kinds = {
        error.kind for error in vars(errors).values() if isinstance(error, type) and issubclass(error, LogistError)
    }
    assert not [kind for kind in kinds if f"`{kind}`" not in page]


def test_the_shape_of_a_job_is_documented(jobs: Any, logist_here: Run) -> None:
    (example,) = examples("A job")
    job = jobs.running(jobs.activity("working"))
    status = logist_here("status", job, "--json").json
    assert list(example) == list(status)
    assert list(example["activity"]) == list(status["activity"])
    assert list(example["attempts"][0]) == list(status["attempts"][0])
    ended = logist_here("status", jobs.ended(), "--json").json
    assert list(example["exit"]) == list(ended["exit"])
    assert not [state for state in Lifecycle if f"`{state.value}`" not in SHAPES]


def test_the_shape_of_an_event_is_documented(jobs: Any, logist_here: Run) -> None:
    (example,) = examples("An event")
    assert list(json.loads(logist_here("events", jobs.ended(), "--json").out.splitlines()[0])) == list(example)


def test_the_other_shapes_are_documented(jobs: Any, logist_here: Run) -> None:
    jobs.make()
    for heading, args in {
        "Recovery": ("recover", "--dry-run", "--json"),
        "The supervisor": ("supervise", "--status", "--json"),
        "The doctor": ("doctor", "--json"),
        "Versions": ("version", "--json"),
    }.items():
        (example,) = examples(heading)
        assert list(example) == list(logist_here(*args).json), heading
    (recovery,), (supervisor,), (doctor,) = examples("Recovery"), examples("The supervisor"), examples("The doctor")
    assert list(recovery["jobs"][0]) == list(RecoverReport.__slots__)
    assert list(supervisor["supervisor"]) == list(SupervisorRecord.__slots__)
    assert list(doctor["checks"][0]) == list(checks.Check.__slots__)


def test_the_shapes_of_plugins_and_configuration_are_documented(logist_here: Run) -> None:
    plugin, fault = examples("Plugins")
    found = logist_here("agents", "--json").json
    assert set(found) == {"schema", "agents", "selected"}
    assert list(found["agents"][0]) == list(plugin)
    assert list(fault) == list(PluginFault.__slots__)
    (value,) = examples("Configuration")
    assert list(logist_here("config", "get", "agent", "--json").json) == ["schema", *value]


def test_the_shape_of_an_error_is_documented(logist_here: Run) -> None:
    page = (REFERENCE / "exit-codes.md").read_text()
    example = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    assert list(example["error"]) == list(logist_here("status", "nope", "--json").error)
