"""Accounts are named without their secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.agentkit import by_key, host_of

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.openai.com/v1", "api.openai.com"),
        ("http://USER:secret@Example.net:8080/x?key=secret", "example.net:8080"),
        ("http://[::1]:80/", "::1:80"),
        ("", None),
        (None, None),
        ("not a url", None),
        ("http://host:port/", None),
        ("http://\x1b[31m/", None),
    ],
)
def test_a_host_is_all_that_is_taken_of_a_url(url: str | None, host: str | None) -> None:
    assert host_of(url) == host


@given(st.text(max_size=60))
def test_any_url_is_taken(url: str) -> None:
    host = host_of(url)
    assert host is None or host.isprintable()


def test_the_first_key_names_the_account() -> None:
    one = by_key({"A": "", "B": "secret-key"}, ("A", "B"), provider="openai")
    assert one.provider == "openai"
    assert one.credential is not None and one.credential.startswith("openai:key-") and "secret" not in one.credential
    assert one == by_key({"B": "secret-key", "C": "other"}, ("B", "C"), provider="openai")
    assert one != by_key({"B": "another-key"}, ("B",), provider="openai")


def test_another_address_is_another_provider() -> None:
    there = by_key({"K": "x", "URL": "http://h:1/v1"}, ("K",), provider="openai", base_urls=("URL",))
    assert there.provider == "h:1"


def test_nothing_known_is_nothing_said() -> None:
    assert by_key({"K": "x"}, ("K",), provider=None).credential is None
    assert by_key({}, ("K",), provider="openai").credential is None
