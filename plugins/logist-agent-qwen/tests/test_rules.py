"""The rules that read Qwen Code's standard error keep the contract of pattern plugins."""

from __future__ import annotations

from functools import cache

import pytest
from logist_agent_qwen.plugin import load_rules

from logist_core.api import PatternSet
from logist_core.testing.pattern_contract import PatternContract

pytestmark = pytest.mark.fast

rules_once = cache(load_rules)


class TestQwenPatterns(PatternContract):
    @pytest.fixture
    def patterns(self) -> PatternSet:
        return rules_once()
