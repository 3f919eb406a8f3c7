"""The rules that read aider's text keep the contract of pattern plugins."""

from __future__ import annotations

from functools import cache

import pytest
from logist_agent_aider.plugin import load_rules

from logist_core.api import PatternSet
from logist_core.testing.pattern_contract import PatternContract

pytestmark = pytest.mark.fast

rules_once = cache(load_rules)


class TestAiderPatterns(PatternContract):
    @pytest.fixture
    def patterns(self) -> PatternSet:
        return rules_once()
