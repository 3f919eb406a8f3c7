"""The agent `gemini`: plans and resumes runs of the Gemini CLI, and knows whose account they use.

Invariant: the conversation's id is chosen by us before the launch and never reused for a second conversation. The facts
about the CLI were verified with version 0.61.0 and a fake provider (docs/reference/agent-matrix.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from logist_agent_gemini import events
from logist_agent_gemini.conversation import READERS
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
from logist_core.api import Claim, Entry, Signal, StopLadder, StopStep, credential_id

TRAITS = CliTraits(
    name="gemini",
    title="the Gemini CLI",
    install="npm install -g @google/gemini-cli",
    login="log in (`gemini`) or set a valid GEMINI_API_KEY",
    final="the result event",
    credentials=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GEMINI_CLI_IDE_AUTH_TOKEN"),
    # It marks what its shell tool starts; inherited, it would take its caller for an editor.
    env_remove=("GEMINI_CLI", "GEMINI_CLI_IDE_*", "GEMINI_CLI_NO_RELAUNCH", "GEMINI_SESSION_ID", "GEMINI_PROJECT_DIR"),
    # On TERM it ends, with exit code 0; on INT it waits for the tool that runs.
    stop=StopLadder(steps=(StopStep(signal="TERM", grace_s=10.0),)),
    unstick=b"\x1b",
    heals_s=305.0,  # its HTTP client gives a silent body up after 300 s, and it tries again
    chooses_session=True,
    refused=("--output-format", "-o", "--acp", "--experimental-acp", "--prompt-interactive", "-i"),
    sessions={"--resume": True, "-r": True, "--session-id": True, "--session-file": True},
    codes={41: Claim.AUTH_FAILED, 53: Claim.BUDGET_EXCEEDED, 130: Claim.INTERRUPTED},
)


class GeminiAgent(CliAgent):
    """See `CliAgent`."""

    traits = TRAITS

    def command(self, run: Conversation) -> Sequence[str]:
        """Return the command line; without a terminal it reads its prompt from standard input."""
        argv = [run.program, "--approval-mode", str(self.setting("approval_mode", "auto_edit"))]
        if not run.pty:
            argv += ["--output-format", "stream-json"]
        if self.setting("trust_workspace", True):
            argv.append("--skip-trust")
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
        """Return Google and the key's account, or that of the stored login; Vertex AI by its project."""
        if environment.get("GOOGLE_GENAI_USE_VERTEXAI"):
            project = environment.get("GOOGLE_CLOUD_PROJECT")
            return Identity("vertex", credential_id("vertex", "project", project) if project else None)
        found = by_key(
            environment,
            ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            provider="google",
            base_urls=("GOOGLE_GEMINI_BASE_URL",),
        )
        if found.credential is not None:
            return found
        account = text(read_json_file(_home(environment) / "google_accounts.json").get("active"))
        return Identity("google", credential_id("google", "login", account) if account else None)

    def logged_in(self, environment: Mapping[str, str]) -> bool | None:
        """Look for a key or a stored login; Google Cloud has logins of its own."""
        home = _home(environment)
        if any(environment.get(name) for name in TRAITS.credentials[:2]) or (home / "oauth_creds.json").is_file():
            return True
        if any(environment.get(name) for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA")):
            return None
        settings = object_of(read_json_file(home / "settings.json").get("security"))
        return None if object_of(settings.get("auth")).get("selectedType") else False


def _home(environment: Mapping[str, str]) -> Path:
    home = environment.get("GEMINI_CLI_HOME") or environment.get("HOME") or os.path.expanduser("~")
    return Path(home) / ".gemini"
