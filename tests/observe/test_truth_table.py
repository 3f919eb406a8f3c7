"""Arbitration answers each row of the truth table in the documentation as it is written there."""

from __future__ import annotations

from typing import Any

import pytest
from support.arbitration import rows, signals_of

from logist_core.observe import arbitrate
from logist_core.types.signals import Claim

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["says"])
def test_each_row_of_the_truth_table_holds(row: dict[str, Any]) -> None:
    assert arbitrate(signals_of(row), row["at"], ended=row.get("ended", False)).state == row["state"]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["says"])
def test_the_answer_does_not_depend_on_repetition(row: dict[str, Any]) -> None:
    twice = [signal for signal in signals_of(row) for _ in range(2)]
    assert arbitrate(twice, row["at"], ended=row.get("ended", False)).state == row["state"]


def test_every_state_of_the_table_is_a_word_of_the_vocabulary() -> None:
    assert {row["state"] for row in rows()} <= {*Claim, "unknown"}
