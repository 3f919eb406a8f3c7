"""Values of declared secrets are taken out of what is written about a job, wherever in it they stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.supervise.redact import Secrets

SECRET = 'sk-"quoted"-0123456789'

pytestmark = pytest.mark.fast

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(SECRET) | st.just(f"a {SECRET} b"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.just(SECRET), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_no_secret_is_left_at_any_depth(value: object) -> None:
    scrubbed = Secrets([SECRET]).scrub(value)
    assert SECRET not in repr(scrubbed)
    assert json.dumps(SECRET)[1:-1] not in json.dumps(scrubbed)


@given(values)
def test_without_secrets_nothing_is_changed(value: object) -> None:
    assert Secrets([]).scrub(value) is value
    assert Secrets(["yes"]).scrub(value) is value


def test_a_secret_inside_of_a_json_string_is_found() -> None:
    assert Secrets([SECRET]).scrub(json.dumps({"key": SECRET})) == '{"key": "[redacted]"}'


@pytest.mark.parametrize("end", ["", "…"])
def test_a_secret_that_was_cut_off_with_its_line_is_found(end: str) -> None:
    assert Secrets([SECRET]).scrub(f"invalid key {SECRET[:9]}{end}") == f"invalid key [redacted]{end}"
    assert Secrets([SECRET]).scrub(f"invalid key sk-{end}") == f"invalid key sk-{end}"


def test_of_two_secrets_the_longer_one_is_taken_out_whole() -> None:
    assert Secrets(["token", "token-and-more"]).scrub("a token-and-more, a token") == "a [redacted], a [redacted]"
