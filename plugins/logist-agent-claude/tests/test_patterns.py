"""The rules for the CLI's text keep the contract of pattern plugins."""

from __future__ import annotations

from functools import cache

import pytest
from logist_agent_claude.patterns import load

from logist_core.testing.pattern_contract import PatternContract

pytestmark = pytest.mark.fast

patterns_once = cache(load)


class TestClaudePatterns(PatternContract):
    @pytest.fixture
    def patterns(self):
        return patterns_once()
