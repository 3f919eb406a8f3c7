"""The mock agent: plans runs of `program.py`, reads its events, takes its sessions up, and judges its ends.

Invariant: planning is deterministic (the session's id comes from job, attempt and seed) and starts nothing; the
prompt is never an argument; all state of a session lies in the directories of its attempts.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from logist_agent_mock import __version__, plugin
from logist_agent_mock.conversation import entries_of
from logist_agent_mock.events import outcome_of, signals_of
from logist_agent_mock.replay import check_replay
from logist_agent_mock.steps import IGNORABLE_SIGNALS, Step, check_steps, scenario_steps, wants_input
from logist_core.api import (
    AgentContext,
    Entry,
    ExitStatus,
    JobSpec,
    Last,
    LaunchError,
    LaunchSpec,
    Outcome,
    OutputFormat,
    Readiness,
    Signal,
    Stdin,
    StopLadder,
    StopStep,
    UsageError,
    credential_id,
)

PLAN_FILE = "mock-plan.json"
SESSION_FILE = "mock-session.json"
#: No script that a person writes is larger.
MAX_SCRIPT_BYTES = 1024 * 1024

_PROGRAM = Path(__file__).with_name("program.py")
#: Setting -> its least and its greatest value.
_LIMITS: Mapping[str, tuple[float, float]] = {
    "speed": (0, 1e6),
    "pace_s": (0, 86_400),
    "delay_s": (0, 86_400),
    "tokens": (1, 10_000_000),
    "reset_s": (0, 366 * 86_400),
    "flood_bytes": (0, 1e15),
    "child_s": (0, 86_400),
    "trouble_turns": (0, 1_000_000),
}
_CHOICES: Mapping[str, Sequence[str]] = {
    name: setting.choices for name, setting in plugin.SETTINGS.items() if setting.choices and setting.type == "str"
}


class MockAgent:
    """See the module. Plays no model: the same plan gives the same output.

    Args:
        settings: Resolved settings; what is missing has its default.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings; they are checked when a run is planned."""
        defaults = {name: setting.default for name, setting in plugin.SETTINGS.items()}
        self._settings = {**defaults, **settings}

    def plan(self, job: JobSpec, ctx: AgentContext) -> LaunchSpec:
        """Return how to run the first turn of a new session."""
        session_id = str(uuid5(NAMESPACE_URL, f"logist-mock:{job.id}:{ctx.attempt}:{self._settings['seed']}"))
        return self._launch(job, ctx, session_id=session_id, prompt=job.prompt)

    def resume(self, job: JobSpec, ctx: AgentContext, last: Last) -> LaunchSpec | None:
        """Return how to run the next turn of the session of `last`; None where its id isn't known."""
        known = _session_in(last.directory)
        session_id = last.session_id or known.get("session_id")
        if not isinstance(session_id, str) or not session_id:
            return None
        same = known.get("session_id") == session_id
        prompt = last.prompt if last.prompt is not None else _go_on(last.reason)
        return self._launch(
            job,
            ctx,
            session_id=session_id,
            prompt=prompt,
            resumed=True,
            turns_before=known["turns"] if same else 0,
            resets_at=known["resets_at"] if same else None,
        )

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        """Return what a line of the event stream says."""
        return signals_of(line, stream)

    def conversation(self, line: str, stream: str) -> Iterable[Entry]:
        """Return what a line of the event stream adds to the conversation."""
        return entries_of(line, stream)

    def outcome(self, exit: ExitStatus, signals: Sequence[Signal]) -> Outcome | None:
        """Judge an ended attempt by its result event and the program's own exit codes."""
        return outcome_of(exit, signals, json_format=self._settings["format"] == "json")

    def probe(self, ctx: AgentContext) -> Readiness:
        """Say that it is there: it needs nothing but the interpreter that runs Logist."""
        problems = [] if _PROGRAM.is_file() else [f"{_PROGRAM} is missing"]
        if not sys.executable:
            problems.append("the Python interpreter doesn't know its own path")
        return Readiness(
            installed=not problems,
            version=__version__,
            path=str(_PROGRAM),
            problems=tuple(problems),
            hint="install logist-agent-mock again" if problems else None,
        )

    def unstick(self) -> bytes | None:
        """Return Escape: it frees the scenario `stream-hang`, and `hang` and `spinner` shrug it off."""
        return b"\x1b"

    def _launch(
        self,
        job: JobSpec,
        ctx: AgentContext,
        *,
        session_id: str,
        prompt: str | None,
        resumed: bool = False,
        turns_before: int = 0,
        resets_at: float | None = None,
    ) -> LaunchSpec:
        self._check(job)
        readiness = self.probe(ctx)
        if readiness.problems:
            raise LaunchError(f"the mock agent can't run: {readiness.problems[0]}", hint=readiness.hint)
        replay, steps, scripted = self._what_to_play(job, ctx, turns_before)
        pty = bool(job.pty)
        stdin = self._stdin(steps, pty=pty, prompt=prompt)
        plan = {
            "version": __version__,
            "format": self._settings["format"],
            "seed": self._settings["seed"],
            "pace_s": 0 if scripted else self._settings["pace_s"],
            "session_id": session_id,
            "session_file": os.path.join(ctx.directory, SESSION_FILE),
            "resumed": resumed,
            "turns_before": turns_before,
            "resets_at": resets_at,
            "prompt": None if stdin is Stdin.DATA else prompt,
            "prompt_on_stdin": stdin is Stdin.DATA,
            "ignore": list(self._settings["ignore"]),
            "steps": steps,
            "replay": replay,
        }
        path = _write_plan(ctx.directory, plan)
        provider, account = self._settings["provider"], self._settings["account"]
        turns = "1 turn" if turns_before == 1 else f"{turns_before} turns"
        return LaunchSpec(
            argv=(sys.executable, "-I", "-S", str(_PROGRAM), path),
            cwd=job.cwd,
            stdin=stdin,
            stdin_data=_encoded(prompt or "") if stdin is Stdin.DATA else b"",
            pty=pty,
            cols=job.cols,
            rows=job.rows,
            output=OutputFormat.JSON_LINES if self._settings["format"] == "json" else OutputFormat.TEXT,
            stop=StopLadder(steps=(StopStep(signal="INT", grace_s=5.0), StopStep(signal="TERM", grace_s=5.0))),
            session_id=session_id,
            provider=provider or None,
            credential=credential_id(provider or "mock", "account", account) if account else None,
            note=f"continues session {session_id} after {turns}" if resumed else None,
        )

    def _check(self, job: JobSpec) -> None:
        if job.args:
            raise UsageError(
                "the mock agent takes no arguments after `--`",
                hint='logist run --agent mock --agent-set scenario=success "say hello"',
            )
        for name, choices in _CHOICES.items():
            if self._settings[name] not in choices:
                raise UsageError(f"mock: `{name}` must be one of {', '.join(choices)}")
        for name, (low, high) in _LIMITS.items():
            value = self._settings[name]
            if not isinstance(value, int | float) or math.isnan(value) or not low <= value <= high:
                raise UsageError(f"mock: `{name}` must be a number from {low:g} to {high:g}, not {value!r}")
        for name in self._settings["ignore"]:
            if name not in IGNORABLE_SIGNALS:
                raise UsageError(f"mock: `ignore` takes {', '.join(IGNORABLE_SIGNALS)}, not {name!r}")
        if self._settings["script"] and self._settings["replay"]:
            raise UsageError("mock: `script` and `replay` are both set", hint="set one of them")

    def _what_to_play(
        self, job: JobSpec, ctx: AgentContext, turns_before: int
    ) -> tuple[dict[str, Any] | None, list[Step], bool]:
        """Return the replay, the steps, and whether they are the user's own, with times of their own."""
        if self._settings["replay"]:
            path = _resolved(self._settings["replay"], job, ctx)
            check_replay(path)
            return {"path": str(path), "speed": self._settings["speed"]}, [], True
        if self._settings["script"]:
            return None, load_script(_resolved(self._settings["script"], job, ctx)), True
        limit = self._settings["trouble_turns"]
        scenario = "success" if 0 < limit <= turns_before else self._settings["scenario"]
        return None, scenario_steps(scenario, self._settings), False

    def _stdin(self, steps: Sequence[Step], *, pty: bool, prompt: str | None) -> Stdin:
        asked = self._settings["stdin"]
        if pty or asked == "open" or (asked == "auto" and wants_input(steps)):
            return Stdin.OPEN
        # Only a `begin` takes the prompt in; a script without one must not be handed what it never reads.
        begins = any("begin" in step for step in steps)
        return Stdin.DATA if prompt and begins and asked == "auto" else Stdin.NULL


def load_script(path: Path) -> list[Step]:
    """Return the steps of a script file.

    Raises:
        UsageError: It can't be read, is no TOML, or a step isn't as it must be; names file and step.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SCRIPT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"can't read the script {path}: {error.strerror or error}") from None
    if len(raw) > MAX_SCRIPT_BYTES:
        raise UsageError(f"{path}: a script has at most {MAX_SCRIPT_BYTES} bytes")
    try:
        script = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # ValueError: bad TOML, or a number of thousands of digits
        raise UsageError(f"{path} is not TOML: {error}") from None
    if other := sorted(script.keys() - {"steps"}):
        raise UsageError(f"{path}: `{other[0]}` is unknown: a script holds `steps` and nothing else")
    try:
        return check_steps(script.get("steps"), str(path))
    except RecursionError:
        raise UsageError(f"{path}: its tables are nested too deeply") from None


def _resolved(name: str, job: JobSpec, ctx: AgentContext) -> Path:
    """Return the path meant by a user who stands in the job's directory."""
    if "\0" in name:
        raise UsageError("mock: a file's name can't hold NUL")
    if name.startswith("~/") and ctx.environment.get("HOME"):
        name = ctx.environment["HOME"] + name[1:]
    return Path(job.cwd, name)


def _go_on(reason: str | None) -> str:
    return "Go on where you stopped." if not reason else f"Go on where you stopped ({reason})."


def _encoded(prompt: str) -> bytes:
    try:
        return prompt.encode("utf-8", "surrogateescape")  # bytes of an argument that was not UTF-8, unchanged
    except UnicodeEncodeError:
        return prompt.encode("utf-8", "replace")


def _write_plan(directory: str, plan: Mapping[str, Any]) -> str:
    """Write the plan file as a whole, readable by its owner alone, and return its path."""
    if not os.path.isabs(directory):
        raise LaunchError("the mock agent needs the attempt's directory for its plan file")
    path = os.path.join(directory, PLAN_FILE)
    fresh = f"{path}.new"
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(fd, "w", encoding="ascii") as file:
            json.dump(plan, file)
        os.replace(fresh, path)
    except OSError as error:
        raise LaunchError(f"can't write the plan file {path}: {error.strerror or error}") from None
    return path


def _session_in(directory: str) -> dict[str, Any]:
    """Return what the attempt in `directory` knew of its session; its plan file where it never came to run."""
    for name, turns_key in ((SESSION_FILE, "turns"), (PLAN_FILE, "turns_before")):
        try:
            content = json.loads(Path(directory, name).read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(content, dict) or not isinstance(content.get("session_id"), str):
            continue
        turns, resets_at = content.get(turns_key), content.get("resets_at")
        return {
            "session_id": content["session_id"],
            "turns": turns if isinstance(turns, int) and turns >= 0 else 0,
            "resets_at": resets_at if isinstance(resets_at, int | float) and math.isfinite(resets_at) else None,
        }
    return {}
