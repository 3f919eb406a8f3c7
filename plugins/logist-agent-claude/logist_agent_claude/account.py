"""Whose account a run of the Claude Code CLI works on, so that its jobs share what they know of limits.

Invariant: nothing here returns a secret or a part of one; what can't be told is None.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from logist_core.api import credential_id

#: Switches of the CLI to other providers of the same models.
_ELSEWHERE = (
    ("CLAUDE_CODE_USE_BEDROCK", "bedrock"),
    ("CLAUDE_CODE_USE_VERTEX", "vertex"),
    ("CLAUDE_CODE_USE_FOUNDRY", "foundry"),
)
#: Secrets in the environment, in the order in which the CLI prefers them -> what they are.
_SECRETS = (
    ("ANTHROPIC_AUTH_TOKEN", "token"),
    ("ANTHROPIC_API_KEY", "key"),
    ("CLAUDE_CODE_OAUTH_TOKEN", "login"),
)
_HOME = "api.anthropic.com"


def provider(environment: Mapping[str, str]) -> str:
    """Return who answers the requests: `anthropic`, or the host of a gateway."""
    for variable, name in _ELSEWHERE:
        if environment.get(variable, "").lower() in ("1", "true", "yes", "on"):
            return name
    try:
        parts = urlsplit(environment.get("ANTHROPIC_BASE_URL") or f"https://{_HOME}")
        host, port = parts.hostname or _HOME, parts.port
    except ValueError:
        return "anthropic"
    if host == _HOME:
        return "anthropic"
    return host if port is None else f"{host}:{port}"


def credential(of: str, environment: Mapping[str, str]) -> str | None:
    """Return a name for the account; None where it can't be told (cloud providers, helper programs, keychains).

    Args:
        of: The provider.
        environment: Of the run.
    """
    if of in {name for _, name in _ELSEWHERE}:
        return None
    for variable, kind in _SECRETS:
        if secret := environment.get(variable):
            return credential_id(of, kind, secret)
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    chosen = environment.get("CLAUDE_CONFIG_DIR")
    main = Path(chosen) / ".claude.json" if chosen else home / ".claude.json"
    account = _identity(main)
    return None if account is None else credential_id(of, "login", account)


def _identity(path: Path) -> str | None:
    """Return the id of the account that is logged in: tokens are renewed every few hours, it stays."""
    try:
        record = json.loads(path.read_bytes())
        account = record["oauthAccount"]["accountUuid"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return account if isinstance(account, str) and account else None
