"""Fixtures: a matcher over the small dictionary, and an attempt to observe."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.observing import RULES, Attempt

from logist_core.observe import Dictionary, Matcher
from logist_core.types.signals import PatternSet


@pytest.fixture
def matcher() -> Matcher:
    return Dictionary([PatternSet(name="test", rules=RULES)]).for_agent("any-agent")


@pytest.fixture
def attempt(tmp_path: Path, matcher: Matcher) -> Attempt:
    return Attempt(tmp_path, matcher)
