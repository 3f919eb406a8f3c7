"""What an error of a provider means, in the words of several providers and of those who pass them on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.agentkit import classify
from logist_core.api import Claim

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("words", "claim"),
    [
        ("Your credit balance is too low to access the Anthropic API.", Claim.BILLING),
        ("429 You exceeded your current quota, please check your plan and billing details.", Claim.BILLING),
        ("402 Insufficient credits", Claim.BILLING),
        ("prompt is too long: 250000 tokens > 200000 maximum", Claim.CONTEXT_EXHAUSTED),
        ("This model's maximum context length is 128000 tokens.", Claim.CONTEXT_EXHAUSTED),
        ("The input token count (9) exceeds the maximum number of tokens allowed (8).", Claim.CONTEXT_EXHAUSTED),
        ("Rate limit reached for gpt-5 on tokens per min (TPM): Limit 3, Requested 4.", Claim.RATE_LIMITED),
        ("Request too large for gpt-5 on tokens per min (TPM): Limit 3", Claim.RATE_LIMITED),
        ("You've hit your usage limit.", Claim.RATE_LIMITED),
        ("Resource has been exhausted (e.g. check quota).", Claim.RATE_LIMITED),
        ("The model `gpt-9` does not exist or you do not have access to it.", Claim.MODEL_UNAVAILABLE),
        ("models/gemini-9 is not found for API version v1beta", Claim.MODEL_UNAVAILABLE),
        ("model: claude-9", Claim.MODEL_UNAVAILABLE),
        ("Incorrect API key provided: sk-x.", Claim.AUTH_FAILED),
        ("API key not valid. Please pass a valid API key.", Claim.AUTH_FAILED),
        ("unexpected status 403 Forbidden", Claim.AUTH_FAILED),
        ("Overloaded", Claim.OVERLOADED),
        ("HTTP 502: Bad Gateway", Claim.OVERLOADED),
        ("The server had an error while processing your request.", Claim.OVERLOADED),
        ("stream disconnected before completion", Claim.NETWORK_DOWN),
        ("fetch failed", Claim.NETWORK_DOWN),
        ("getaddrinfo ENOTFOUND api.example.net", Claim.NETWORK_DOWN),
        ("error code: 429 - slow down", Claim.RATE_LIMITED),
        ("", None),
        ("the tests failed", None),
        ("expected 429 rows, found 401", None),
    ],
)
def test_words(words: str, claim: Claim | None) -> None:
    assert classify(words) is claim


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        (401, Claim.AUTH_FAILED),
        (402, Claim.BILLING),
        (404, Claim.MODEL_UNAVAILABLE),
        (413, Claim.CONTEXT_EXHAUSTED),
        (429, Claim.RATE_LIMITED),
        (500, Claim.OVERLOADED),
        (529, Claim.OVERLOADED),
        (400, None),
        (200, None),
    ],
)
def test_status(status: int, claim: Claim | None) -> None:
    assert classify(status=status) is claim


def test_words_say_more_than_a_status() -> None:
    assert classify("You exceeded your current quota", status=429) is Claim.BILLING
    assert classify("You've reached your usage limit for this billing cycle.", status=403) is Claim.RATE_LIMITED


def test_a_status_says_more_than_general_words() -> None:
    assert classify("temporarily unavailable", status=401) is Claim.AUTH_FAILED


def test_an_agents_own_words_come_first() -> None:
    own = ((Claim.RATE_LIMITED, re.compile("current quota")),)
    assert classify("You exceeded your current quota", first=own) is Claim.RATE_LIMITED


def test_an_agents_own_codes_are_known() -> None:
    assert classify("what?", code="Gone", codes={"Gone": Claim.MODEL_UNAVAILABLE}) is Claim.MODEL_UNAVAILABLE


@given(st.text(max_size=200), st.none() | st.integers())
def test_it_takes_anything(words: str, status: int | None) -> None:
    assert classify(words, status=status) in {*Claim, None}
