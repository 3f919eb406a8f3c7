"""Whether the CLI could run now: found, which version, logged in. Reads, and never writes, the user's configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from logist_core.api import Readiness

INSTALL = "npm install -g @anthropic-ai/claude-code"
VERSION_TIMEOUT_S = 4.0

#: Variables that hold a credential: their values are redacted wherever output is shown.
CREDENTIALS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_FOUNDRY_API_KEY",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
#: Variables that name another provider, with a login of its own.
_OTHER_PROVIDERS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")


def find_program(executable: str, environment: Mapping[str, str], cwd: str | None = None) -> str | None:
    """Return the absolute path of `executable` as a process with `environment` in `cwd` would find it, or None."""
    if os.sep in executable:
        executable = os.path.join(cwd or os.getcwd(), os.path.expanduser(executable))
    found = shutil.which(executable, path=environment.get("PATH", os.defpath))
    return os.path.join(cwd or os.getcwd(), found) if found else None


def readiness(executable: str, environment: Mapping[str, str]) -> Readiness:
    """Return what can be told without a request. Takes `VERSION_TIMEOUT_S` at most."""
    path = find_program(executable, environment)
    if path is None:
        return Readiness(installed=False, problems=(f"{executable} is not in PATH",), hint=INSTALL)
    logged_in = _logged_in(environment)
    problems = [] if logged_in is not False else ["not logged in"]
    hint = None if logged_in is not False else "claude (then /login), or set ANTHROPIC_API_KEY"
    version, problem = _version(path, environment)
    if problem is not None:
        problems.insert(0, problem)
        hint = INSTALL
    return Readiness(
        installed=True, version=version, path=path, logged_in=logged_in, problems=tuple(problems), hint=hint
    )


def _version(path: str, environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the version, or a problem."""
    try:
        said = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**environment, "DISABLE_AUTOUPDATER": "1"},
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"{path} --version didn't answer within {VERSION_TIMEOUT_S:g} s"
    except OSError as error:
        return None, f"{path} can't be run: {error.strerror or error}"
    words = said.stdout.decode("utf-8", "replace").split()
    if said.returncode != 0 or not words:
        return None, f"{path} --version failed with exit code {said.returncode}"
    return words[0][:40], None


def _logged_in(environment: Mapping[str, str]) -> bool | None:
    if any(environment.get(name) for name in CREDENTIALS[:3]):
        return True
    if any(environment.get(name) for name in _OTHER_PROVIDERS):
        return None
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    directory = Path(environment.get("CLAUDE_CONFIG_DIR") or home / ".claude")
    if (directory / ".credentials.json").is_file():
        return True
    # A helper program may print a key, and macOS keeps the login in its keychain: neither can be told from here.
    if sys.platform == "darwin" or "apiKeyHelper" in _json(directory / "settings.json"):
        return None
    main = _json(directory / ".claude.json") or _json(home / ".claude.json")
    return bool(main.get("primaryApiKey"))


def _json(path: Path) -> Mapping[str, object]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
