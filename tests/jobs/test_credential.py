"""Accounts have names, and the names give nothing away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.api import credential_id

pytestmark = pytest.mark.fast

WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)


@given(WORDS, WORDS, st.text(min_size=9))
def test_a_credential_s_name_says_nothing_of_its_secret(provider: str, kind: str, secret: str) -> None:
    name = credential_id(provider, kind, secret)
    assert name.startswith(f"{provider}:{kind}-")
    assert len(name) == len(provider) + len(kind) + 10
    assert name == credential_id(provider, kind, secret)
    assert name != credential_id(provider, kind, secret + "x")
