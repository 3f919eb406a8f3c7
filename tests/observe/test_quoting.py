"""Talk about a message is told from the message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.observe.quoting import quoted_as

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("- Retry when the rate limit is exceeded", "a list item"),
        ("+  throw new Error('Too many requests');", "a diff"),
        ("src/errors.rs:42:    rate limit exceeded", "a search result"),
        ("## Rate limit exceeded", "a heading"),
        ("| 429 | too many requests |", "a table row"),
        ("> rate limit exceeded", "a quotation"),
        ("// rate limit exceeded", "a comment"),
        ("1a2b3c4 retry when the rate limit is exceeded", "a commit"),
        ("fix(api): rate limit exceeded", "a commit"),
        ("tests/test_a.py::test_rate_limit_exceeded PASSED", "a test's line"),
        ("  ✓ throws when rate limit exceeded (12 ms)", "a test's line"),
        ("raise RateLimit('rate limit exceeded')", "source code"),
        ("message = rate limit exceeded", "source code"),
        ("RateLimitExceeded,", "source code"),
        ("ValueError: If the rate limit is exceeded", "documentation"),
        ('"rate limit exceeded"', "a quoted string"),
        ("Rate limit exceeded for {model}", "a template"),
    ],
)
def test_a_quotation_is_named(line: str, kind: str) -> None:
    assert quoted_as(line, 0, len(line)) == kind


@pytest.mark.parametrize(
    "line",
    [
        "Error: rate limit exceeded",
        "✕ [API Error: rate limit exceeded]",
        "│ ■ rate limit exceeded, try again in 5s │",
        'API Error: 429 {"type":"error","error":{"message":"rate limit exceeded"}}',
        "2026-01-01T00:00:00Z ERROR core: rate limit exceeded",
        "litellm.RateLimitError: rate limit exceeded",
    ],
)
def test_a_message_is_none(line: str) -> None:
    assert quoted_as(line, 0, len(line)) is None


def test_a_match_inside_of_a_string_is_a_quotation() -> None:
    line = 'It says "rate limit exceeded" there'
    assert quoted_as(line, line.index("rate"), len(line) - 7) == "a quoted string"


@given(text=st.text(max_size=300), a=st.integers(0, 300), b=st.integers(0, 300))
def test_any_text_can_be_asked_about(text: str, a: int, b: int) -> None:
    start, end = sorted((min(a, len(text)), min(b, len(text))))
    assert quoted_as(text, start, end) is None or quoted_as(text, start, end)
