"""The agent `opencode`: plans and resumes runs of opencode, and refuses the one that would go to strangers.

Invariant: opencode without a model of the user's own choice sends the work to its vendor's hosted one, so it is never
started without one. The facts about the CLI were verified with version 1.18.33 and a fake provider
(docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from logist_agent_opencode import events
from logist_agent_opencode.conversation import READERS
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
    read_object,
    text,
)
from logist_core.api import Entry, LaunchError, Signal, StopLadder, StopStep, credential_id

TRAITS = CliTraits(
    name="opencode",
    title="opencode",
    install="npm install -g opencode-ai",
    login="log in (`opencode auth login`) or set a valid key",
    final="its last step",
    credentials=(
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_GENERATIVE_AI_API_KEY",
        "OPENROUTER_API_KEY",
        "OPENCODE_API_KEY",
        "OPENCODE_CONFIG_CONTENT",
        "OPENCODE_SERVER_PASSWORD",
        "GROQ_API_KEY",
        "XAI_API_KEY",
        "MISTRAL_API_KEY",
        "DEEPSEEK_API_KEY",
    ),
    env={"OPENCODE_DISABLE_AUTOUPDATE": "1"},
    env_remove=("OPENCODE", "OPENCODE_PID", "OPENCODE_CALLER", "OPENCODE_CLIENT", "OPENCODE_SESSION_ID"),
    stop=StopLadder(steps=(StopStep(signal="INT", grace_s=10.0), StopStep(signal="TERM", grace_s=5.0))),
    unstick=b"\x1b",
    heals_s=310.0,
    session=re.compile(r"ses_[0-9A-Za-z]{8,60}"),
    refused=("--format", "--attach", "--interactive", "-i"),
    sessions={"--session": True, "-s": True, "--continue": False, "-c": False, "--fork": False},
)

_CONFIGS = ("opencode.json", "opencode.jsonc", "config.json")
#: Providers that a model's first part names -> variables with a key.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "google": ("GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY",),
    "opencode": ("OPENCODE_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
}


class OpencodeAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; without a terminal it reads its prompt from standard input.

        Raises:
            LaunchError: No model is chosen anywhere.
        """
        if self._model(run.environment, run.args) is None and not _configured(run.environment):
            raise LaunchError(
                "opencode has neither a model nor a configuration: it would send the work to its vendor's hosted model",
                hint="--agent-set model=provider/model, or configure opencode",
            )
        argv = [run.program] if run.pty else [run.program, "run", "--format", "json"]
        if model := self.setting("model"):
            argv += ["--model", str(model)]
        if agent := self.setting("agent"):
            argv += ["--agent", str(agent)]
        if run.resume:
            argv += ["--session", run.resume]
        if self.setting("approve_all", False) and not run.pty:
            argv.append("--auto")
        argv += run.args
        if run.pty and run.prompt:
            argv += [f"--prompt={run.prompt}"]
        return argv

    def note(self) -> str | None:
        """Say that nothing holds it back, where that is so."""
        if self.setting("approve_all", False):
            return "approve_all is set: what isn't denied by its configuration is allowed"
        return None

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one event says."""
        return events.parse_line(line, stream)

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what one event adds to the conversation."""
        return entries_of(line, READERS)

    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return the provider of the chosen model, and the account of its key or of the stored login."""
        provider = (self._model(environment, args) or "").partition("/")[0][:60]
        if not provider or not provider.isprintable():
            return Identity()
        configured = object_of(object_of(_config(environment).get("provider")).get(provider))
        options = object_of(configured.get("options"))
        name = host_of(text(options.get("baseURL"))) or provider
        found = by_key(environment, _KEYS.get(provider, ()), provider=name)
        stored = object_of(read_json_file(_data(environment) / "auth.json").get(provider))
        for kind, secret in (
            ("key", stored.get("key")),
            ("key", options.get("apiKey")),
            ("login", stored.get("refresh")),
        ):
            if isinstance(secret, str) and secret:
                return Identity(name, credential_id(name, kind, secret))
        return found

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a key or a stored login; a provider of the user's own may need neither."""
        if any(environment.get(name) for keys in _KEYS.values() for name in keys):
            return True
        if read_json_file(_data(environment) / "auth.json"):
            return True
        return None if _configured(environment) else False

    def _model(self, environment: Mapping[str, str], args: Sequence[str]) -> str | None:
        model = option_value(args, "--model", "-m") or self.setting("model") or _config(environment).get("model")
        return str(model) if model else None


def _configured(environment: Mapping[str, str]) -> bool:
    """Whether the user has chosen a model or a provider in any of the places that opencode looks in."""
    config = _config(environment)
    return bool(config.get("model") or config.get("provider") or read_json_file(_data(environment) / "auth.json"))


def _config(environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the user's configuration, the later overriding the earlier as opencode has it; comments aren't read."""
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    base = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"
    merged: dict[str, Any] = {}
    for path in [base / name for name in _CONFIGS]:
        merged.update(read_json_file(path))
    if named := environment.get("OPENCODE_CONFIG"):
        merged.update(read_json_file(Path(named)))
    merged.update(read_object(environment.get("OPENCODE_CONFIG_CONTENT", "")) or {})
    return merged


def _data(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "opencode"
