"""The agent `codex`: plans and resumes runs of the Codex CLI, and knows whose account they use.

The facts about the CLI were verified with version 0.169.0 and a fake provider (docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from logist_agent_codex import events
from logist_agent_codex.conversation import READERS
from logist_core.agentkit import (
    CliAgent,
    CliTraits,
    Conversation,
    Identity,
    by_key,
    entries_of,
    host_of,
    read_json_file,
)
from logist_core.api import Entry, Signal, StopLadder, StopStep, credential_id

TRAITS = CliTraits(
    name="codex",
    title="the Codex CLI",
    install="npm install -g @openai/codex",
    login="log in (`codex login`) or set a valid key",
    final="turn.completed",
    credentials=("CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_ACCESS_TOKEN", "AZURE_OPENAI_API_KEY"),
    env_remove=("CODEX_SANDBOX*", "CODEX_THREAD_ID", "CODEX_CI", "CODEX_INTERNAL_*", "CODEX_MANAGED_*"),
    # It ends cleanly on an interrupt; on TERM it leaves the tool's processes behind.
    stop=StopLadder(steps=(StopStep(signal="INT", grace_s=10.0), StopStep(signal="TERM", grace_s=5.0))),
    unstick=b"\x1b",
    heals_s=300.0,  # stream_idle_timeout_ms; it then reconnects
    refused=("--json", "--output-schema", "--experimental-json"),
)

#: Set for every run: no telemetry, and no look for a newer version, which offline take seconds.
_QUIET = ("-c", "analytics.enabled=false", "-c", "check_for_update_on_startup=false")


class CodexAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; `-` makes it read its prompt from standard input."""
        head = [run.program] if run.pty else [run.program, "exec"]
        if run.resume:
            head.append("resume")
        argv = [*head, *([] if run.pty else ["--json", "--skip-git-repo-check"]), *_QUIET, *self._permissions()]
        if model := self.setting("model"):
            argv += ["--model", str(model)]
        argv += run.args
        if run.resume:
            argv.append(run.resume)
        if run.prompt and run.pty:
            argv += ["--", run.prompt]
        elif run.prompt:
            argv.append("-")
        return argv

    def _permissions(self) -> list[str]:
        if self.setting("bypass_sandbox", False):
            return ["--dangerously-bypass-approvals-and-sandbox"]
        # `exec resume` has no --sandbox; both have -c. Nobody is there to approve: what isn't allowed is refused.
        return ["-c", f'sandbox_mode="{self.setting("sandbox", "workspace-write")}"', "-c", 'approval_policy="never"']

    def note(self) -> str | None:
        """Say that nothing holds it back, where that is so."""
        return "bypass_sandbox is set: every command is allowed" if self.setting("bypass_sandbox", False) else None

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one event says."""
        return events.parse_line(line, stream)

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what one event adds to the conversation."""
        return entries_of(line, READERS)

    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return the provider that the configuration names, and the account of its key or of the stored login."""
        home = _home(environment)
        config = {**_toml(home / "config.toml"), **_overrides(args)}
        name = config.get("model_provider", "openai")
        if isinstance(name, str) and name != "openai":
            table = config.get("model_providers")
            own = table.get(name) if isinstance(table, dict) else None
            if not isinstance(own, dict):
                return Identity(name[:60])
            key = own.get("env_key")
            keys = (key,) if isinstance(key, str) else ()
            return by_key(environment, keys, provider=host_of(str(own.get("base_url", ""))) or name[:60])
        given = by_key(environment, ("CODEX_API_KEY",), provider="openai")
        if given.credential is not None:
            return given
        stored = read_json_file(home / "auth.json")
        tokens = stored.get("tokens")
        account = tokens.get("account_id") if isinstance(tokens, dict) else None
        if isinstance(account, str) and account:
            return Identity("openai", credential_id("openai", "login", account))
        key = stored.get("OPENAI_API_KEY")
        if isinstance(key, str) and key:
            return Identity("openai", credential_id("openai", "key", key))
        return by_key(environment, ("OPENAI_API_KEY",), provider="openai", base_urls=("OPENAI_BASE_URL",))

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a key or a stored login; a provider of the user's own may need neither."""
        home = _home(environment)
        if any(environment.get(name) for name in TRAITS.credentials[:3]) or (home / "auth.json").is_file():
            return True
        return None if "model_provider" in _toml(home / "config.toml") else False


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("CODEX_HOME") or Path(environment.get("HOME") or os.path.expanduser("~")) / ".codex")


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _overrides(args: Sequence[str]) -> dict[str, Any]:
    """Return what `-c key=value` arguments set, as nested tables; what isn't TOML is a string, as the CLI has it."""
    found: dict[str, Any] = {}
    for flag, pair in pairwise(args):
        key, equals, raw = pair.partition("=")
        if flag not in ("-c", "--config") or not equals:
            continue
        try:
            value = tomllib.loads(f"v = {raw}")["v"]
        except ValueError:
            value = raw
        *parents, last = key.split(".")
        table = found
        for parent in parents:
            inner = table.setdefault(parent, {})
            if not isinstance(inner, dict):
                break
            table = inner
        else:
            table[last] = value
    return found
