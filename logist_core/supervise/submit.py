"""Turns what a user asked for into a job on disk. Everything that can be refused is refused here, before that."""

from __future__ import annotations

import getpass
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from logist_core.config import resolve_settings
from logist_core.config.layers import MIN_LOG_BYTES
from logist_core.errors import UsageError
from logist_core.jobs.ids import new_id
from logist_core.types._json import JSON
from logist_core.types.job import Budget, JobSpec, OnBudget

if TYPE_CHECKING:
    from logist_core.config import Config
    from logist_core.jobs.store import JobStore
    from logist_core.registry import Registry

#: A longer prompt is refused: agents and kernels have limits of their own, and a file serves better.
MOST_PROMPT_BYTES = 1 << 20
MOST_NAME = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What was asked for. None: not asked for, so configuration and defaults decide.

    Attributes:
        environment: The complete environment of the submitting shell; its values go to the vault, never to disk.
        after: Job references, resolved here.
        max_log_bytes: 0: no limit.
        patterns: Files with rules for this job.
        max_turns, max_tokens, max_cost_usd, max_wall_s, max_interventions, on_budget: See `Budget`.
        agent_set, runtime_set, sentinel_set: Plugin settings as text, from the command line.
        Others: as in `JobSpec`.
    """

    cwd: str
    environment: Mapping[str, str]
    agent: str | None = None
    runtime: str | None = None
    sentinel: str | None = None
    prompt: str | None = None
    args: tuple[str, ...] = ()
    name: str | None = None
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout_s: float | None = None
    priority: int = 0
    after: tuple[str, ...] = ()
    pty: bool | None = None
    cols: int = 120
    rows: int = 40
    linger: bool = False
    max_log_bytes: int | None = None
    patterns: tuple[str, ...] = ()
    max_turns: int | None = None
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    max_wall_s: float | None = None
    max_interventions: int | None = None
    on_budget: str | None = None
    max_restarts: int | None = None
    agent_set: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    runtime_set: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sentinel_set: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def submit(store: JobStore, registry: Registry, config: Config, request: SubmitRequest) -> JobSpec:
    """Create the job and return its spec. Poking the supervisor is the caller's next step.

    Raises:
        UsageError: Something in the request can't be used; nothing was created.
        PluginUnavailable: A plugin that it names isn't installed or is broken; nothing was created.
        JobNotFound: A job in `after` doesn't exist; nothing was created.
    """
    _check(store, request)
    asked = {
        "agent": (request.agent, request.agent_set),
        "runtime": (request.runtime, request.runtime_set),
        "sentinel": (request.sentinel, request.sentinel_set),
    }
    names: dict[str, str] = {}
    settings: dict[str, dict[str, JSON]] = {}
    for kind, (name, overrides) in asked.items():
        names[kind] = registry.select(kind, name, config).name
        record = registry.record(kind, names[kind])
        judged = names["agent"] if kind == "sentinel" else None
        settings[kind] = resolve_settings(record, kind, names[kind], config, overrides, agent=judged)
        # A plugin that breaks when it is made does so here, where somebody sees it, and not in the supervisor.
        registry.create(kind, names[kind], settings[kind])
    patterns = _patterns(request, config)
    spec = JobSpec(
        id=new_id(),
        name=request.name,
        agent=names["agent"],
        runtime=names["runtime"],
        sentinel=names["sentinel"],
        prompt=request.prompt,
        args=request.args,
        cwd=os.path.abspath(request.cwd),
        env=dict(request.env),
        env_names=tuple(sorted(request.environment)),
        secrets=request.secrets,
        labels=dict(request.labels),
        timeout_s=request.timeout_s,
        priority=request.priority,
        after=tuple(store.resolve(ref) for ref in request.after),
        pty=request.pty,
        cols=request.cols,
        rows=request.rows,
        linger=request.linger,
        max_log_bytes=_log_limit(request, config),
        budget=_budget(request, config),
        max_restarts=config.get("max_restarts") if request.max_restarts is None else request.max_restarts,
        agent_settings=settings["agent"],
        runtime_settings=settings["runtime"],
        sentinel_settings=settings["sentinel"],
        patterns=patterns,
        created_at=time.time(),
        created_by=_who(),
    )
    store.create(spec, request.environment)
    return spec


def _patterns(request: SubmitRequest, config: Config) -> tuple[Mapping[str, JSON], ...]:
    """Return the rules that are recorded with the job: the project's and its own. The user's are checked."""
    from logist_core.dictionary import layers

    layers.user_set()
    project, warnings = layers.project_set(Path(request.cwd))
    for warning in warnings:
        config.warn(warning)
    return layers.recorded((project, layers.job_set(request.patterns)))


def _check(store: JobStore, request: SubmitRequest) -> None:
    if request.prompt is not None:
        check_prompt(request.prompt)
    for arg in request.args:
        if "\0" in arg:
            raise UsageError("an argument after -- holds a NUL character, which no program can be given")
    if not os.path.isdir(request.cwd):
        raise UsageError(f"the working directory {request.cwd!r} is not a directory", hint="pass another one with -C")
    if request.timeout_s is not None and request.timeout_s <= 0:
        raise UsageError("--timeout must be longer than 0 s")
    if request.name is not None:
        _check_name(store, request.name)
    _check_labels(request)
    _check_variables(request)


def _budget(request: SubmitRequest, config: Config) -> Budget:
    limits = {
        "--max-turns": request.max_turns,
        "--max-tokens": request.max_tokens,
        "--max-cost": request.max_cost_usd,
        "--max-wall": request.max_wall_s,
    }
    for option, limit in limits.items():
        if limit is not None and not limit > 0:
            raise UsageError(f"{option} must be more than 0, not {limit:g}", hint="leave it out for no limit")
    return Budget(
        turns=request.max_turns,
        tokens=request.max_tokens,
        cost_usd=request.max_cost_usd,
        wall_s=request.max_wall_s,
        interventions=request.max_interventions,
        on_budget=OnBudget(request.on_budget or config.get("on_budget")),
    )


def _log_limit(request: SubmitRequest, config: Config) -> int | None:
    wanted: int = config.get("max_log_bytes") if request.max_log_bytes is None else request.max_log_bytes
    if 0 < wanted < MIN_LOG_BYTES or wanted < 0:
        raise UsageError(f"--max-log-bytes {wanted} is too little", hint="1m or more, or 0 for no limit")
    return wanted or None


def _check_labels(request: SubmitRequest) -> None:
    for key, value in request.labels.items():
        if not _LABEL.fullmatch(key) or not value.isprintable():
            raise UsageError(
                f"the label {key!r} can't be used",
                hint="KEY=VALUE, KEY of letters, digits, and . _ - /, VALUE printable",
            )


def _check_variables(request: SubmitRequest) -> None:
    for name in (*request.env, *request.secrets):
        if not _ENV_NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for an environment variable", hint="letters, digits and _ only")
    for name, value in request.env.items():
        if "\0" in value:
            raise UsageError(f"the value of {name} holds a NUL character, which no program can be given")
    missing = [name for name in request.secrets if name not in request.environment]
    if missing:
        raise UsageError(f"--secret {missing[0]}: no such environment variable here", hint=f"export {missing[0]}=...")


def check_prompt(prompt: str) -> None:
    """Refuse what no agent can be told; raises `UsageError`."""
    size = len(prompt.encode("utf-8", "surrogatepass"))
    if size > MOST_PROMPT_BYTES:
        raise UsageError(
            f"the prompt has {size / (1 << 20):.1f} MiB; the limit is {MOST_PROMPT_BYTES >> 20} MiB",
            hint="put the text into a file and let the prompt name it",
        )
    if "\0" in prompt:
        raise UsageError(f"the prompt holds a NUL character at position {prompt.index(chr(0))}", hint="remove it")
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint='logist run --agent AGENT "what to do"')
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"the prompt is not valid UTF-8 at position {error.start}") from None


def _check_name(store: JobStore, name: str) -> None:
    if len(name) > MOST_NAME or not _NAME.fullmatch(name):
        raise UsageError(
            f"the name {name[:MOST_NAME]!r} can't be used",
            hint=f"letters, digits and . _ -, beginning with a letter or digit, at most {MOST_NAME}",
        )
    from logist_core.jobs.survey import living

    for status in living(store):
        if status.name == name:
            raise UsageError(f"a job named {name!r} exists already: {status.id}, {status.lifecycle.value}")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
