"""How each real program is set up against the fake provider, as a user would have it, in a home of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fake_provider.harness import DUMMY_KEY, agent_program

ALWAYS_IN_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, kw_only=True)
class Stand:
    """One program, ready to run.

    Attributes:
        env: Its variables, beside HOME and PATH.
        settings: Of the agent plugin (`--agent-set`).
        args: Raw arguments.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()


def _claude(url: str, home: Path) -> Stand:
    env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": DUMMY_KEY}
    return Stand(env=env, settings={"skip_permissions": "true"})


def _codex(url: str, home: Path) -> Stand:
    _write(
        home / ".codex" / "config.toml",
        'model_provider = "fake"\nmodel = "gpt-5-fake"\n[model_providers.fake]\nname = "fake"\n'
        f'base_url = "{url}/v1"\nenv_key = "FAKE_KEY"\nwire_api = "responses"\n',
    )
    return Stand(env={"FAKE_KEY": DUMMY_KEY}, settings={"sandbox": "danger-full-access"})


def _gemini(url: str, home: Path) -> Stand:
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    _write(home / ".gemini" / "settings.json", json.dumps(settings))
    env = {"GEMINI_API_KEY": DUMMY_KEY, "GOOGLE_GEMINI_BASE_URL": url}
    return Stand(env=env, settings={"model": "gemini-2.5-flash", "approval_mode": "yolo"})


def _qwen(url: str, home: Path) -> Stand:
    env = {"OPENAI_API_KEY": DUMMY_KEY, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "fake-model"}
    return Stand(env=env, settings={"auth_type": "openai", "approval_mode": "yolo"})


def _opencode(url: str, home: Path) -> Stand:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": DUMMY_KEY},
        "models": {"fake-model": {}},
    }
    config = {"model": "fake/fake-model", "provider": {"fake": provider}, "share": "disabled"}
    _write(home / ".config" / "opencode" / "opencode.json", json.dumps(config))
    return Stand(env={"OPENCODE_DISABLE_MODELS_FETCH": "1"}, settings={"approve_all": "true"})


def _copilot(url: str, home: Path) -> Stand:
    env = {
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_API_KEY": DUMMY_KEY,
        "COPILOT_MODEL": "fake-model",
        "COPILOT_OFFLINE": "true",
    }
    return Stand(env=env, settings={"allow_all": "true"})


def _pi(url: str, home: Path) -> Stand:
    provider = {
        "baseUrl": f"{url}/v1",
        "api": "openai-completions",
        "apiKey": DUMMY_KEY,
        "models": [{"id": "fake-model"}],
    }
    _write(home / ".pi" / "agent" / "models.json", json.dumps({"providers": {"fake": provider}}))
    return Stand(env={"PI_OFFLINE": "1"}, settings={"provider": "fake", "model": "fake-model"})


def _aider(url: str, home: Path) -> Stand:
    env = {"OPENAI_API_KEY": DUMMY_KEY, "OPENAI_API_BASE": f"{url}/v1"}
    return Stand(env=env, settings={"model": "openai/fake-model"})


def _mini(url: str, home: Path) -> Stand:
    env = {"OPENAI_API_KEY": DUMMY_KEY, "OPENAI_API_BASE": f"{url}/v1", "MSWEA_COST_TRACKING": "ignore_errors"}
    return Stand(env=env, settings={"model": "openai/fake-model"})


STANDS: Mapping[str, Callable[[str, Path], Stand]] = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "opencode": _opencode,
    "aider": _aider,
    "mini": _mini,
    "qwen": _qwen,
    "copilot": _copilot,
    "pi": _pi,
}

#: The shell command with which mini-swe-agent says that it is done: it has no other way to answer.
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; echo done"


def options_for(agent: str, scenario: str) -> Mapping[str, object]:
    """Return what `scenario` has to add so that `agent` can end it well."""
    return {"submit": SUBMIT} if agent == "mini" else {}


def set_up(agent: str, url: str, home: Path, work: Path) -> tuple[Stand, dict[str, str]]:
    """Prepare a home and a working tree; return the stand and the whole environment of the program."""
    home.mkdir(parents=True)
    work.mkdir(parents=True)
    _write(home / ".gitconfig", "[user]\nname = A\nemail = a@example.net\n[safe]\ndirectory = *\n")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.net"]
    subprocess.run([*git, "init", "-q", str(work)], check=True)
    program = Path(agent_program(agent))
    stand = STANDS[agent](url, home)
    paths = [str(program.parent), ALWAYS_IN_PATH]
    return stand, {"HOME": str(home), "PATH": ":".join(paths), "LANG": "C.UTF-8", "TERM": "dumb", **stand.env}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
