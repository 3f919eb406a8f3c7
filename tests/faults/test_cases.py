"""The list of cases says the truth: what it calls a test is one, what isn't tested says why."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = tomllib.loads((HERE / "cases.toml").read_text())["case"]
ROOT = HERE.parent.parent

pytestmark = pytest.mark.fast


def numbers_in_names() -> set[int]:
    """Return the numbers in tests' names: `test_case_07_...`, `test_cases_15_and_16_...`, `test_cases_17_to_20_...`."""
    numbers: set[int] = set()
    for path in HERE.glob("test_*.py"):
        for first, word, second in re.findall(r"def test_cases?_(\d+)(?:_(and|to)_(\d+))?_", path.read_text()):
            numbers |= set(range(int(first), int(second) + 1)) if word else {int(first)}
    return numbers


def test_the_cases_are_sorted_and_each_stands_once() -> None:
    numbers = [case["number"] for case in CASES]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["number"]))
def test_a_case_has_its_test_or_its_reason(case: dict[str, object]) -> None:
    assert case["title"]
    if case["status"] == "test":
        assert case["number"] in numbers_in_names()
    elif case["status"] == "elsewhere":
        named = re.findall(r"[\w./-]+/[\w./-]+", str(case["where"]))
        assert named and all((ROOT / name).exists() for name in named)
    else:
        assert case["status"] == "not here" and case["why"]


def test_every_numbered_test_is_in_the_list() -> None:
    assert numbers_in_names() <= {case["number"] for case in CASES}
