"""What the plugin offers."""

from __future__ import annotations

import pytest
from logist_patterns_default.plugin import logist_patterns

from logist_core.api import Claim

pytestmark = pytest.mark.fast


def test_one_record_whose_factory_gives_the_rules() -> None:
    (record,) = logist_patterns()
    assert record.name == "default"
    assert record.factory().name == "default"


def test_every_signal_of_the_vocabulary_has_a_rule() -> None:
    (record,) = logist_patterns()
    assert {rule.claim for rule in record.factory().rules} == set(Claim)
