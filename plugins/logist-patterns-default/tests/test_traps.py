"""Texts that talk about trouble without being in any: no terminal claim may come of them."""

from __future__ import annotations

from pathlib import Path

import logist_patterns_default
import pytest
from logist_patterns_default.plugin import load

import logist_core
from logist_core.observe import Dictionary, classify, signals_in

pytestmark = pytest.mark.fast

AGENTS = ("claude", "codex", "gemini", "aider", "mock", "unheard-of")

TRAPS = [
    "- Retry requests that failed with status 429 or 503.",
    '* Fixed: "rate limit exceeded" was shown twice',
    '    raise RateLimitError("You\'ve hit your usage limit")',
    "    it('shows Invalid API key when the key is wrong', async () => {",
    "+    print('Prompt is too long')",
    "-    if response.status_code == 401:",
    "| 429 | too many requests | wait |",
    "> API Error: 529 Overloaded",
    "grep -rn 'Segmentation fault' logs/",
    "`Do you want to proceed?` is what it asks.",
    "# Error: Unable to connect",
    "The rate limit is 50 requests a minute.",
    "Tests: 3 passed, 0 failed",
    '    ERROR_TEXT = "Connection error."',
    "// Usage limit reached for {model}",
    "You can press Esc to interrupt the agent at any time, see the manual.",
    "Commit 1a2b3c4 fix: handle 'context length exceeded'",
    '"type": "overloaded_error",',
    "I fixed the login form; it said 'invalid credentials' before.",
    "coverage: 95% of statements",
]


@pytest.mark.parametrize("text", TRAPS)
@pytest.mark.parametrize("channel", ["text", "stderr", "screen"])
def test_talk_about_trouble_is_no_trouble(text: str, channel: str) -> None:
    dictionary = Dictionary([load()])
    found = {agent: classify(dictionary.for_agent(agent), text, channel).state for agent in AGENTS}
    assert set(found.values()) == {"unknown"}, found


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_that_prints_our_own_source_raises_no_alarm(agent: str) -> None:
    matcher = Dictionary([load()]).for_agent(agent)
    alarms = []
    for package in (logist_core, logist_patterns_default):
        for path in Path(package.__path__[0]).rglob("*"):
            if path.suffix in (".py", ".toml"):
                text = path.read_text("utf-8")
                alarms += [(path.name, s.rule, s.text) for s in signals_in(matcher, text, "text", 0.0)]
    assert alarms == []
