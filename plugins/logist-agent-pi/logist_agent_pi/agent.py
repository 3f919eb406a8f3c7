"""The agent `pi`: plans and resumes runs of the pi coding agent, and knows whose account they use.

The facts about the CLI were verified with version 0.73.0 and a fake provider (docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from logist_agent_pi import events
from logist_agent_pi.conversation import READERS
from logist_core.agentkit import (
    CliAgent,
    CliTraits,
    Conversation,
    Identity,
    by_key,
    entries_of,
    host_of,
    object_of,
    option_value,
    read_json_file,
)
from logist_core.api import Entry, Signal, StopLadder, StopStep, credential_id

#: Provider -> variables with its key.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
    "google": ("GEMINI_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "zai": ("ZAI_API_KEY",),
}

TRAITS = CliTraits(
    name="pi",
    title="the pi coding agent",
    install="npm install -g @mariozechner/pi-coding-agent",
    login="log in (`pi`, then /login) or set a valid key",
    final="agent_end",
    credentials=tuple(name for names in _KEYS.values() for name in names),
    env={"PI_SKIP_VERSION_CHECK": "1"},
    env_remove=("PI_CODING_AGENT", "PI_SESSION_ID"),
    # It ends cleanly on TERM, the tool's processes too; on INT it leaves them behind.
    stop=StopLadder(steps=(StopStep(signal="TERM", grace_s=10.0),)),
    unstick=b"\x1b",
    refused=("--mode", "--export", "--list-models"),
    sessions={"--session": True, "--fork": True, "--continue": False, "-c": False, "--resume": False, "-r": False},
)


class PiAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; without a terminal it reads its prompt from standard input."""
        argv = [run.program] if run.pty else [run.program, "--print", "--mode", "json"]
        if provider := self.setting("provider"):
            argv += ["--provider", str(provider)]
        if model := self.setting("model"):
            argv += ["--model", str(model)]
        if tools := self.setting("tools"):
            argv += ["--tools", ",".join(str(tool) for tool in tools)]
        if run.resume:
            argv += ["--session", run.resume]
        argv += run.args
        if run.pty and run.prompt:
            # It takes `@name` for a file and has no `--`.
            argv.append(run.prompt if run.prompt[0] not in "@-" else f" {run.prompt}")
        return argv

    def note(self) -> str | None:
        """Say that it never asks."""
        return None if self.setting("tools") else "pi never asks: every tool call is allowed"

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one event says."""
        return events.parse_line(line, stream)

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what one event adds to the conversation."""
        return entries_of(line, READERS)

    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return the chosen provider, and the account of its key or of the stored login."""
        provider = self._provider(environment, args)
        if provider is None:
            return Identity()
        home = _home(environment)
        configured = object_of(object_of(read_json_file(home / "models.json").get("providers")).get(provider))
        name = host_of(str(configured.get("baseUrl", ""))) or provider
        stored = object_of(read_json_file(home / "auth.json").get(provider))
        candidates = (
            ("login", stored.get("accountId")),
            ("login", stored.get("refresh")),
            ("key", stored.get("key")),
            ("key", configured.get("apiKey")),
        )
        for kind, secret in candidates:
            if isinstance(secret, str) and secret:
                return Identity(name, credential_id(name, kind, environment.get(secret) or secret))
        return by_key(environment, _KEYS.get(provider, ()), provider=name)

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a key or a stored login."""
        if any(environment.get(name) for name in TRAITS.credentials):
            return True
        home = _home(environment)
        if read_json_file(home / "auth.json"):
            return True
        return None if read_json_file(home / "models.json") else False

    def _provider(self, environment: Mapping[str, str], args: Sequence[str]) -> str | None:
        chosen = option_value(args, "--provider") or self.setting("provider")
        chosen = chosen or read_json_file(_home(environment) / "settings.json").get("defaultProvider")
        if isinstance(chosen, str) and chosen:
            return chosen[:60]
        model = str(self.setting("model", ""))
        return model.partition("/")[0][:60] if "/" in model else None


def _home(environment: Mapping[str, str]) -> Path:
    home = environment.get("PI_CODING_AGENT_DIR")
    return Path(home) if home else Path(environment.get("HOME") or os.path.expanduser("~")) / ".pi" / "agent"
