"""The table of cases, `cases.toml`, says the truth: what it calls a test exists, under the case's number."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES: list[dict[str, Any]] = tomllib.loads((HERE / "cases.toml").read_text())["case"]

pytestmark = pytest.mark.fast


def defined_in(path: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), flags=re.MULTILINE))


TESTS = {name for path in HERE.glob("test_*.py") for name in defined_in(path)}


def test_every_case_is_listed_once_in_order() -> None:
    numbers = [case["number"] for case in CASES]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, 71))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["number"]))
def test_a_case_has_a_test_of_its_number_or_says_where_or_why_not(case: dict[str, Any]) -> None:
    assert set(case) <= {"number", "title", "status", "where", "why"}
    assert case["title"]
    here = {name for name in TESTS if re.match(rf"test_case_0*{case['number']}_", name)}
    if case["status"] == "test":
        assert here, "no test bears its number"
        assert not case.get("where"), "a test is found by its number"
        return
    assert case["status"] in ("elsewhere", "not here")
    assert case.get("why")
    assert not here, "there is a test of its number"
    for place in case.get("where", []):
        path, _, name = place.partition("::")
        assert (ROOT / path).is_file(), place
        if name:
            assert name in defined_in(ROOT / path), place
    assert case["status"] == "not here" or case["where"]


def test_every_test_of_a_case_is_of_a_listed_one() -> None:
    found = {int(match[1]) for name in TESTS if (match := re.match(r"test_case_0*(\d+)_", name))}
    assert found <= {case["number"] for case in CASES}
