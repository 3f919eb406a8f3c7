"""The agent `mini`: plans runs of mini-swe-agent, and hands a task over where another would go on with a conversation.

It prints text and has no session that could be taken up; its exit code is 0 after answers that it couldn't use. The
facts about it were verified with version 2.4.6 and a fake provider (docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from logist_core.agentkit import CliAgent, CliTraits, Conversation, Identity, by_key, option_value, write_private
from logist_core.api import OutputFormat, Signal, StopLadder, StopStep

#: First part of a model's name -> who answers, the variables with a key, and those with another address.
_PROVIDERS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "openai": ("openai", ("OPENAI_API_KEY",), ("OPENAI_API_BASE", "OPENAI_BASE_URL")),
    "anthropic": ("anthropic", ("ANTHROPIC_API_KEY",), ("ANTHROPIC_API_BASE",)),
    "gemini": ("google", ("GEMINI_API_KEY",), ()),
    "openrouter": ("openrouter", ("OPENROUTER_API_KEY",), ()),
    "deepseek": ("deepseek", ("DEEPSEEK_API_KEY",), ()),
}

TRAITS = CliTraits(
    name="mini",
    title="mini-swe-agent",
    install="uv tool install mini-swe-agent --with mcp",
    login="set a valid key for the model's provider",
    final="its last line",
    credentials=tuple(name for _, names, _ in _PROVIDERS.values() for name in names),
    env={
        # Without it a first run asks for a key and waits.
        "MSWEA_CONFIGURED": "true",
        "MSWEA_SILENT_STARTUP": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        # Rich breaks lines at the terminal's width, and without one at 80: messages are read whole at 500.
        "COLUMNS": "500",
    },
    output=OutputFormat.TEXT,
    stop=StopLadder(steps=(StopStep(signal="TERM", grace_s=5.0),)),
    hands_over=True,
    refused=("--output", "-o", "--task", "-t"),
    prompt_by="own",
    version=("--help",),
)


class MiniAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; the prompt is in a private configuration file, its trajectory beside it."""
        argv = [run.program]
        configs = list(self.setting("config", ["mini.yaml"]))
        if run.prompt is not None and not run.pty:
            # JSON is YAML; its name has to say so.
            task = json.dumps({"run": {"task": run.prompt}}).encode()
            configs.append(write_private(run.directory, "task.yaml", task))
        for config in configs:
            argv += ["--config", str(config)]
        if run.pty and run.prompt is not None:
            argv.append(f"--task={run.prompt}")
        if not run.pty:
            argv += ["--yolo", "--exit-immediately"]
        argv += ["--output", os.path.join(run.directory, "trajectory.json")]
        if model := self.setting("model"):
            argv += ["--model", str(model)]
        if (limit := self.setting("cost_limit_usd")) is not None:
            argv += ["--cost-limit", str(limit)]
        return [*argv, *run.args]

    def note(self) -> str | None:
        """Say that it never asks."""
        return "mini-swe-agent runs unattended without asking: every command is allowed"

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return nothing: mini-swe-agent prints text, which its own rules read."""
        return ()

    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return the provider of the chosen model, and the account of its key."""
        name = str(
            option_value(args, "-m", "--model") or self.setting("model") or environment.get("MSWEA_MODEL_NAME") or ""
        )
        provider, keys, urls = _PROVIDERS.get(name.partition("/")[0], (None, (), ()))
        return by_key(environment, keys, provider=provider, base_urls=urls)

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a key; its own configuration may hold one."""
        if any(environment.get(name) for name in TRAITS.credentials):
            return True
        home = Path(environment.get("HOME") or os.path.expanduser("~"))
        own = environment.get("MSWEA_GLOBAL_CONFIG_DIR") or home / ".config" / "mini-swe-agent"
        return None if (Path(own) / ".env").is_file() else False
