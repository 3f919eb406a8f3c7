"""The agent `qwen`: plans and resumes runs of Qwen Code, and knows whose account they use.

Invariant: the conversation's id is chosen by us before the launch and never reused for a second conversation. The facts
about the CLI were verified with version 0.24.4 and a fake provider (docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from logist_agent_qwen import events
from logist_agent_qwen.conversation import READERS
from logist_core.agentkit import (
    CliAgent,
    CliTraits,
    Conversation,
    Identity,
    by_key,
    entries_of,
    object_of,
    option_value,
    read_json_file,
)
from logist_core.api import Claim, Entry, Signal, StopLadder, StopStep

TRAITS = CliTraits(
    name="qwen",
    title="Qwen Code",
    install="npm install -g @qwen-code/qwen-code",
    login="log in (`qwen`, then /auth) or set a valid key",
    final="the result event",
    credentials=(
        "OPENAI_API_KEY",
        "DASHSCOPE_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "QWEN_API_KEY",
    ),
    env={"QWEN_CODE_SUPPRESS_YOLO_WARNING": "1"},
    env_remove=("QWEN_CODE", "QWEN_CODE_IDE_*", "QWEN_CODE_NO_RELAUNCH", "QWEN_SESSION_ID", "GEMINI_CLI"),
    stop=StopLadder(steps=(StopStep(signal="INT", grace_s=5.0), StopStep(signal="TERM", grace_s=5.0))),
    unstick=b"\x1b",
    heals_s=240.0,  # streamIdleTimeoutMs; it then tries again
    chooses_session=True,
    refused=("--output-format", "-o", "--input-format", "--acp", "--prompt-interactive", "-i", "--json-fd"),
    sessions={"--resume": True, "-r": True, "--session-id": True, "--continue": False, "-c": False},
    codes={41: Claim.AUTH_FAILED, 53: Claim.BUDGET_EXCEEDED, 55: Claim.BUDGET_EXCEEDED, 130: Claim.INTERRUPTED},
)

#: How it logs in -> who answers, the variables with a key, and those with another address.
_AUTH: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "openai": ("openai", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",)),
    "openai-responses": ("openai", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",)),
    "anthropic": ("anthropic", ("ANTHROPIC_API_KEY",), ("ANTHROPIC_BASE_URL",)),
    "gemini": ("google", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), ("GOOGLE_GEMINI_BASE_URL",)),
    "qwen-oauth": ("qwen", (), ()),
}


class QwenAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; without a terminal it reads its prompt from standard input."""
        argv = [run.program, "--approval-mode", str(self.setting("approval_mode", "auto-edit"))]
        if not run.pty:
            argv += ["--output-format", "stream-json"]
            if self.setting("partial_messages", True):
                argv.append("--include-partial-messages")
            if turns := self.setting("max_turns"):
                argv += ["--max-session-turns", str(turns)]
        if auth := self.setting("auth_type"):
            argv += ["--auth-type", str(auth)]
        if model := self.setting("model"):
            argv += ["--model", str(model)]
        if run.new_session:
            argv += ["--session-id", run.new_session]
        if run.resume:
            argv += ["--resume", run.resume]
        argv += run.args
        if run.pty and run.prompt:
            argv.append(f"--prompt-interactive={run.prompt}")
        return argv

    def note(self) -> str | None:
        """Say that nothing holds it back, where that is so."""
        return "approval_mode is yolo: every tool call is allowed" if self.setting("approval_mode") == "yolo" else None

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one event says."""
        return events.parse_line(line, stream)

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what one event adds to the conversation."""
        return entries_of(line, READERS)

    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return who answers by the way it logs in, and the account of that way's key."""
        provider, keys, urls = _AUTH.get(self._auth(environment, args) or "", (None, (), ()))
        return by_key(environment, keys, provider=provider, base_urls=urls)

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a key or a stored login."""
        auth = self._auth(environment, ())
        if auth is None:
            return False
        keys = _AUTH.get(auth, (None, (), ()))[1]
        if any(environment.get(name) for name in keys) or (_home(environment) / "oauth_creds.json").is_file():
            return True
        return None  # a key may stand in its own settings

    def _auth(self, environment: Mapping[str, str], args: Sequence[str]) -> str | None:
        """Return how it logs in: by argument, by our setting, by its own settings, or by the key that is there."""
        if chosen := option_value(args, "--auth-type") or self.setting("auth_type"):
            return str(chosen)
        security = object_of(read_json_file(_home(environment) / "settings.json").get("security"))
        selected = object_of(security.get("auth")).get("selectedType")
        if isinstance(selected, str):
            return selected
        return "openai" if environment.get("OPENAI_API_KEY") else None


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or os.path.expanduser("~")) / ".qwen"
