"""What one text says on its own."""

from __future__ import annotations

import pytest

from logist_core.observe import Matcher, classify, signals_in
from logist_core.types.signals import Source

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "channel", "state"),
    [
        ("usage limit reached", "text", "rate_limited"),
        ("usage limit reached", "stderr", "rate_limited"),
        ("PANIC: gone", "text", "crashed"),
        ("nothing special", "text", "unknown"),
        ("Do you want to go?\n\u276f 1. Yes", "screen", "permission_prompt"),
        ("esc to interrupt\n? for help", "screen", "working"),
        ("* busy", "title", "working"),
        ("", "text", "unknown"),
    ],
)
def test_a_text_s_state(matcher: Matcher, text: str, channel: str, state: str) -> None:
    assert classify(matcher, text, channel).state == state


def test_the_channel_gives_the_source(matcher: Matcher) -> None:
    assert [s.source for s in signals_in(matcher, "esc to interrupt", "screen", 0.0)] == [Source.SCREEN]
    assert [s.stream for s in signals_in(matcher, "esc to interrupt", "stderr", 0.0)] == ["err"]
