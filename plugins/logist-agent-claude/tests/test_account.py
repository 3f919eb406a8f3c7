from __future__ import annotations

import json
from pathlib import Path

import pytest
from logist_agent_claude import account

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "anthropic"),
        ({"ANTHROPIC_BASE_URL": "https://api.anthropic.com/"}, "anthropic"),
        ({"ANTHROPIC_BASE_URL": "http://user:secret@gateway.example:8080/v1"}, "gateway.example:8080"),
        ({"ANTHROPIC_BASE_URL": "http://[broken"}, "anthropic"),
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, "bedrock"),
        ({"CLAUDE_CODE_USE_VERTEX": "0"}, "anthropic"),
    ],
)
def test_the_provider_is_whoever_answers(environment: dict[str, str], name: str) -> None:
    assert account.provider(environment) == name


def test_a_key_names_its_account_without_being_in_the_name() -> None:
    one, other = ({"ANTHROPIC_API_KEY": f"sk-ant-{n}", "HOME": "/nowhere"} for n in (1, 2))
    name = account.credential("anthropic", one)
    assert name is not None and name.startswith("anthropic:key-") and "sk-ant" not in name
    assert name == account.credential("anthropic", dict(one)) != account.credential("anthropic", other)
    assert account.credential("bedrock", one) is None


def test_a_login_is_known_by_its_account_though_its_tokens_change(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert account.credential("anthropic", home) is None
    path = tmp_path / ".claude.json"
    path.write_text(json.dumps({"oauthAccount": {"accountUuid": "4f1c"}}))
    name = account.credential("anthropic", home)
    assert name is not None and name.startswith("anthropic:login-")
    assert account.credential("anthropic", {"CLAUDE_CONFIG_DIR": str(tmp_path), "HOME": "/nowhere"}) == name
    for damaged in ("", "[]", '{"oauthAccount": 1}', '{"oauthAccount": {"accountUuid": 7}}'):
        path.write_text(damaged)
        assert account.credential("anthropic", home) is None
