"""The agent `copilot`: plans and resumes runs of the GitHub Copilot CLI, and knows whose account they use.

Invariant: the conversation's id is chosen by us before the launch and never reused for a second conversation. The facts
about the CLI were verified with version 1.0.102 and a fake provider (docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from logist_agent_copilot import events
from logist_agent_copilot.conversation import READERS
from logist_core.agentkit import (
    CliAgent,
    CliTraits,
    Conversation,
    Identity,
    by_key,
    entries_of,
    object_of,
    read_json_file,
    text,
)
from logist_core.api import Entry, Signal, StopLadder, StopStep, credential_id

#: Where it looks for a token of GitHub's, in its order.
_TOKENS = ("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN")
#: For a provider of the user's own.
_KEYS = ("COPILOT_PROVIDER_API_KEY", "COPILOT_PROVIDER_BEARER_TOKEN")

TRAITS = CliTraits(
    name="copilot",
    title="the GitHub Copilot CLI",
    install="npm install -g @github/copilot",
    login="log in (`copilot`, then /login) or set a valid COPILOT_GITHUB_TOKEN",
    final="the result event",
    credentials=(*_TOKENS, *_KEYS),
    env={"COPILOT_AUTO_UPDATE": "false"},
    env_remove=("COPILOT_CLI", "COPILOT_AGENT_SESSION_ID", "COPILOT_SESSION_ID", "COPILOT_CLI_RUN_*"),
    stop=StopLadder(steps=(StopStep(signal="INT", grace_s=10.0), StopStep(signal="TERM", grace_s=5.0))),
    unstick=b"\x1b",
    chooses_session=True,
    refused=("--output-format", "--interactive", "-i", "--acp", "--connect"),
    sessions={"--resume": True, "-r": True, "--session-id": True, "--continue": False},
)


class CopilotAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; without a terminal it reads its prompt from standard input."""
        argv = [run.program, "--no-auto-update"]
        if not run.pty:
            argv += ["--output-format", "json", "--no-ask-user", "--no-color"]
        if model := self.setting("model"):
            argv += ["--model", str(model)]
        if self.setting("allow_all", False):
            argv.append("--allow-all")
        # With `=` a list can't swallow what follows.
        argv += [f"--allow-tool={tool}" for tool in self.setting("allowed_tools", ["write"])]
        argv += [f"--deny-tool={tool}" for tool in self.setting("denied_tools", ())]
        if run.new_session:
            argv.append(f"--session-id={run.new_session}")
        if run.resume:
            argv.append(f"--resume={run.resume}")
        argv += run.args
        if run.pty and run.prompt:
            argv.append(f"--interactive={run.prompt}")
        return argv

    def note(self) -> str | None:
        """Say that nothing holds it back, where that is so."""
        return "allow_all is set: every tool and path is allowed" if self.setting("allow_all", False) else None

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what one event says."""
        return events.parse_line(line, stream)

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what one event adds to the conversation."""
        return entries_of(line, READERS)

    def identity(self, environment: Mapping[str, str], args: Sequence[str] = ()) -> Identity:
        """Return GitHub and the account of its token, or the provider of the user's own."""
        if environment.get("COPILOT_PROVIDER_BASE_URL"):
            return by_key(environment, _KEYS, provider="custom", base_urls=("COPILOT_PROVIDER_BASE_URL",))
        found = by_key(environment, _TOKENS, provider="github")
        if found.credential is not None:
            return found
        user = object_of(read_json_file(_home(environment) / "config.json").get("last_logged_in_user"))
        login = text(user.get("login"))
        return Identity("github", credential_id("github", "login", login) if login else None)

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a token or a key; a login is kept in the system's keychain, where it can't be seen."""
        if any(environment.get(name) for name in (*_TOKENS, *_KEYS)):
            return True
        if environment.get("COPILOT_PROVIDER_BASE_URL"):
            return None  # a provider of the user's own may need no key
        return None if read_json_file(_home(environment) / "config.json").get("logged_in_users") else False


def _home(environment: Mapping[str, str]) -> Path:
    home = environment.get("COPILOT_HOME")
    return Path(home) if home else Path(environment.get("HOME") or os.path.expanduser("~")) / ".copilot"
