"""The hooks that plugins implement, one page each in docs/reference/hooks.md.

A plugin is an ordinary module named by an entry point. It implements the hook of its entry-point group with
`@hookimpl` and returns *records*; a record's `factory` is called when the plugin is first used, and that is the
place for heavy imports:

    # logist_agent_echo/plugin.py, entry point: [project.entry-points."logist.agents"] echo = "logist_agent_echo.plugin"
    from logist_core.api import AgentRecord, hookimpl

    def _make(settings):
        from logist_agent_echo.agent import EchoAgent
        return EchoAgent()

    @hookimpl
    def logist_agents():
        return [AgentRecord(name="echo", summary="Repeats its prompt.", factory=_make)]

Core validates every record in one place (`logist_core.registry`), names the distribution to blame, and goes on
without a plugin that fails. Wrappers are refused: they can't be isolated from one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import pluggy

from logist_core.types._json import JSON

if TYPE_CHECKING:
    from logist_core.protocols import Agent, Runtime, Sentinel
    from logist_core.types.job import JobEvent, JobStatus
    from logist_core.types.signals import PatternSet

#: Major version of everything in `logist_core.api`. A record with another one is refused, with both named.
API_VERSION = 1

PROJECT = "logist"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

#: Kind of plugin -> (entry-point group, hook).
GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "agent": ("logist.agents", "logist_agents"),
        "runtime": ("logist.runtimes", "logist_runtimes"),
        "patterns": ("logist.patterns", "logist_patterns"),
        "sentinel": ("logist.sentinels", "logist_sentinels"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a plugin, set by `[<kind>s.<name>]` in a configuration file or `--agent-set NAME=VALUE`.

    Attributes:
        type: `str`, `int`, `float`, `bool`, `duration` (seconds; `90`, `5m`, `2h`) or `list` (of strings).
        default: Its value where nobody set it.
        help: One line, with the unit.
        choices: The values allowed; empty: any.
        project: Whether a project's configuration file, which the repository controls, may set it. Leave False
            for anything that decides what is executed or what is permitted.
    """

    type: str
    default: JSON
    help: str
    choices: tuple[str, ...] = ()
    project: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """Offers an agent.

    Attributes:
        name: What users select; must equal the entry point's name. `[a-z][a-z0-9-]{0,31}`.
        summary: One line.
        factory: Called with the resolved settings; returns the `Agent`.
        settings: Name to `Setting`.
        api: The API version it was written for.
    """

    name: str
    summary: str
    factory: Callable[[Mapping[str, JSON]], Agent]
    settings: Mapping[str, Setting] = field(default_factory=lambda: MappingProxyType({}))
    api: int = API_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRecord:
    """Offers a runtime. Attributes as in `AgentRecord`; the factory returns a `Runtime`."""

    name: str
    summary: str
    factory: Callable[[Mapping[str, JSON]], Runtime]
    settings: Mapping[str, Setting] = field(default_factory=lambda: MappingProxyType({}))
    api: int = API_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternsRecord:
    """Offers a set of patterns. All installed sets are used together; the factory takes no argument."""

    name: str
    summary: str
    factory: Callable[[], PatternSet]
    api: int = API_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelRecord:
    """Offers a sentinel policy. Attributes as in `AgentRecord`; the factory returns a `Sentinel`."""

    name: str
    summary: str
    factory: Callable[[Mapping[str, JSON]], Sentinel]
    settings: Mapping[str, Setting] = field(default_factory=lambda: MappingProxyType({}))
    api: int = API_VERSION


@hookspec
def logist_agents() -> Iterable[AgentRecord]:  # type: ignore[empty-body]
    """Return the agents that this plugin offers.

    Example:
        @hookimpl
        def logist_agents():
            return [AgentRecord(name="echo", summary="Repeats its prompt.", factory=_make)]

    Called from: `logist_core.registry`, when an agent is selected, listed with its summary, or checked.
    Errors: an exception, a value that is no `AgentRecord`, or a taken name is a fault of this plugin alone.
    Since: 0.1.
    """


@hookspec
def logist_runtimes() -> Iterable[RuntimeRecord]:  # type: ignore[empty-body]
    """Return the runtimes that this plugin offers.

    Example:
        @hookimpl
        def logist_runtimes():
            return [RuntimeRecord(name="podman", summary="Containers.", factory=_make)]

    Called from: `logist_core.registry`, when a runtime is selected, listed with its summary, or checked.
    Errors: as for `logist_agents`.
    Since: 0.1.
    """


@hookspec
def logist_patterns() -> Iterable[PatternsRecord]:  # type: ignore[empty-body]
    """Return the sets of patterns that this plugin offers.

    Example:
        @hookimpl
        def logist_patterns():
            return [PatternsRecord(name="acme", summary="Texts of the acme agent.", factory=_load)]

    Called from: `logist_core.registry`, when the supervisor builds the dictionary, and by `logist plugins check`.
    Errors: as for `logist_agents`; a rule that doesn't compile is left out and reported.
    Since: 0.1.
    """


@hookspec
def logist_sentinels() -> Iterable[SentinelRecord]:  # type: ignore[empty-body]
    """Return the sentinel policies that this plugin offers.

    Example:
        @hookimpl
        def logist_sentinels():
            return [SentinelRecord(name="strict", summary="Stops early.", factory=_make)]

    Called from: `logist_core.registry`, when a job is submitted and when its first attempt starts.
    Errors: as for `logist_agents`; a sentinel that raises in `step` is switched off for that job, and said so.
    Since: 0.1.
    """


@hookspec
def logist_job_event(event: JobEvent, job: JobStatus) -> None:
    """Be told of an event, after it is on disk. Any plugin may implement it beside its own hook.

    Example:
        @hookimpl
        def logist_job_event(event, job):
            if event.kind == "job.finished":
                notify(f"{job.name or job.id}: {job.outcome}")

    Called from: the supervisor, in a thread, in the order of the journal, at least once for each event (again
    after a supervisor's death). It has 10 s; then the next event is delivered without waiting for it.
    Errors: reported once for each plugin, otherwise ignored.
    Since: 0.1.
    """
