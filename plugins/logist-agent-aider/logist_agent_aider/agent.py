"""The agent `aider`: plans runs of aider, and hands a task over where another would go on with a conversation.

aider has no structured output and no session id, and its exit code is 0 after every failure of its provider: its text
and the order of it are all there is. The facts about it were verified with version 0.86.2 and a fake provider
(docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from logist_core.agentkit import CliAgent, CliTraits, Conversation, Identity, by_key, option_value
from logist_core.api import LaunchError, OutputFormat, Signal, StopLadder, StopStep

#: First part of a model's name -> who answers, the variables with a key, and those with another address.
_PROVIDERS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "openai": ("openai", ("OPENAI_API_KEY", "AIDER_OPENAI_API_KEY"), ("OPENAI_API_BASE", "AIDER_OPENAI_API_BASE")),
    "anthropic": ("anthropic", ("ANTHROPIC_API_KEY", "AIDER_ANTHROPIC_API_KEY"), ("ANTHROPIC_API_BASE",)),
    "gemini": ("google", ("GEMINI_API_KEY",), ()),
    "deepseek": ("deepseek", ("DEEPSEEK_API_KEY",), ()),
    "openrouter": ("openrouter", ("OPENROUTER_API_KEY",), ()),
    "groq": ("groq", ("GROQ_API_KEY",), ()),
    "xai": ("xai", ("XAI_API_KEY",), ()),
    "mistral": ("mistral", ("MISTRAL_API_KEY",), ()),
}
#: Models by their bare names.
_BARE = (
    ("claude", "anthropic"),
    ("sonnet", "anthropic"),
    ("opus", "anthropic"),
    ("haiku", "anthropic"),
    ("gpt", "openai"),
)
_CONFIGS = (".aider.conf.yml", ".env", ".aider.model.settings.yml")

TRAITS = CliTraits(
    name="aider",
    title="aider",
    install="uv tool install aider-chat",
    login="set a valid key for the model's provider",
    final="its last report of tokens",
    credentials=tuple(name for _, names, _ in _PROVIDERS.values() for name in names),
    # Rich breaks lines at the terminal's width, and without one at 80: messages are read whole at 500.
    env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "COLUMNS": "500"},
    output=OutputFormat.TEXT,
    # While an answer streams it ignores INT.
    stop=StopLadder(steps=(StopStep(signal="TERM", grace_s=5.0),)),
    unstick=b"\x03",
    hands_over=True,
    refused=("--gui", "--browser", "--watch-files"),
    prompt_by="file",
)


class AiderAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; the prompt is in a private file.

        Raises:
            LaunchError: Neither a model nor a key is known: aider would wait minutes for a login in a browser.
        """
        if not run.pty and self._model(run.args) is None and not _configured(run.environment):
            raise LaunchError(
                "aider has neither a model nor an API key: it would wait for a login in a browser",
                hint="--agent-set model=NAME, with the key of its provider in the environment",
            )
        argv = [run.program]
        if not run.pty:
            argv += ["--yes-always", "--no-pretty", "--no-fancy-input", "--no-suggest-shell-commands"]
        argv += ["--no-check-update", "--no-show-release-notes", "--no-analytics", "--no-gitignore"]
        argv += ["--no-show-model-warnings", "--no-detect-urls"]
        if model := self.setting("model"):
            argv += ["--model", str(model)]
        if (commits := self.setting("auto_commits")) is not None:
            argv.append("--auto-commits" if commits else "--no-auto-commits")
        if run.prompt_file:
            argv += ["--message-file", run.prompt_file]
        elif run.prompt:  # the terminal is somebody's who goes on with it
            argv += ["--message", run.prompt]
        return [*argv, *run.args, *(f"--file={name}" for name in self.setting("files", ()))]

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return nothing: aider prints text, which the dictionary reads."""
        return ()

    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return the provider of the chosen model, and the account of its key."""
        model = self._model(args) or environment.get("AIDER_MODEL") or ""
        prefix = model.partition("/")[0] if "/" in model else ""
        if not prefix:
            prefix = next((name for word, name in _BARE if word in model.lower()), "")
        provider, keys, urls = _PROVIDERS.get(prefix, (None, (), ()))
        return by_key(environment, keys, provider=provider, base_urls=urls)

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a key; its own configuration may hold one."""
        if any(environment.get(name) for name in TRAITS.credentials):
            return True
        return None if _configured(environment) else False

    def _model(self, args: Sequence[str]) -> str | None:
        return option_value(args, "--model") or self.setting("model")


def _configured(environment: Mapping[str, str]) -> bool:
    """Whether there is a model, a key or a configuration of the user's."""
    if environment.get("AIDER_MODEL") or any(environment.get(name) for name in TRAITS.credentials):
        return True
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    return any((home / name).is_file() for name in _CONFIGS)
