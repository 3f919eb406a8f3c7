"""The checks of `logist doctor`: can jobs run here, and if not, what mends it. Starts no job, changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeVar

from logist_core.errors import JobNotFound, LogistError

if TYPE_CHECKING:
    from logist_core.cli.app import App
    from logist_core.protocols import Readiness

T = TypeVar("T")

#: Below this, jobs are in danger of a full disk.
FREE_BYTES_LOW = 512 << 20
#: How long a plugin may take to answer, in seconds.
PLUGIN_LIMIT_S = 15.0


class State(StrEnum):
    """What a check found."""

    OK = "ok"
    NOTE = "note"  # worth knowing; jobs run all the same
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at (`home`, `runtime host`).
        state: See `State`.
        detail: One line.
        hint: The command that mends it, or None.
    """

    name: str
    state: State
    detail: str
    hint: str | None = None


def base_checks(app: App) -> Iterator[Check]:
    """Check what every job needs: the home, memory for environments, sockets, the supervisor, the plugins."""
    home = _home(app)
    yield home
    if home.state is State.OK:
        yield _space(app)
    yield _memory()
    yield _sockets()
    if home.state is State.OK:
        yield _supervisor(app)
    yield from _plugins(app)


def runtime_checks(app: App) -> Iterator[Check]:
    """Ask each runtime for its health."""
    for name in app.registry.names("runtime"):
        yield _guarded(f"runtime {name}", lambda name=name: _runtime(app, name))  # type: ignore[misc]


def agent_checks(app: App, only: str | None) -> Iterator[Check]:
    """Ask each agent, or only one, whether it could run."""
    if only is not None:
        app.registry.entry("agent", only)  # an unknown name is an error, with the nearest ones
    for name in app.registry.names("agent") if only is None else [only]:
        yield _guarded(f"agent {name}", lambda name=name: _agent(app, name, asked=only is not None))  # type: ignore[misc]


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """Return what `check` finds; a plugin that raises or doesn't answer is a finding, too."""
    try:
        return _within(PLUGIN_LIMIT_S, check)
    except LogistError as error:
        return Check(name=name, state=State.FAIL, detail=error.message, hint=error.hint)
    except Exception as fault:  # noqa: BLE001  a plugin may raise anything
        return Check(name=name, state=State.FAIL, detail=f"the plugin failed: {type(fault).__name__}: {fault}")


def _within(limit_s: float, call: Callable[[], T]) -> T:
    """Return what `call` returns; a call that takes longer is left to itself.

    Raises:
        LogistError: It took longer.
    """
    import threading

    answers: list[T] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001  carried over to the caller's thread
            failures.append(error)

    # A daemon thread: a plugin that hangs must not keep the command from ending.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit_s)
    if failures:
        failure = failures[0]
        if isinstance(failure, Exception):
            raise failure
        raise LogistError(f"the plugin raised {type(failure).__name__}")
    if not answers:
        raise LogistError(f"no answer within {limit_s:g} s")
    return answers[0]


def _home(app: App) -> Check:
    try:
        home = app.home
    except JobNotFound:
        return Check(name="home", state=State.NOTE, detail=f"{app.home_path} is not there yet; the first job makes it")
    except LogistError as error:
        return Check(name="home", state=State.FAIL, detail=error.message, hint=error.hint)
    if not os.access(home.path, os.W_OK | os.X_OK):
        return Check(name="home", state=State.FAIL, detail=f"{home.path} can't be written", hint="set LOGIST_HOME")
    problems: list[tuple[str, LogistError]] = []
    count = sum(1 for _ in app.store.statuses(app.store.ids(), problems))  # each by its own files, not by the index
    if problems:
        job_id, problem = problems[0]
        return Check(
            name="home",
            state=State.NOTE,
            detail=f"{home.path}: {len(problems)} of {count + len(problems)} jobs can't be read: {problem.message}",
            hint=f"logist rm --force {job_id}",
        )
    return Check(name="home", state=State.OK, detail=f"{home.path}, {count} job{'' if count == 1 else 's'}")


def _space(app: App) -> Check:
    from logist_core.cli.formats import size

    free = shutil.disk_usage(app.home.path).free
    state = State.OK if free >= FREE_BYTES_LOW else State.FAIL
    return Check(
        name="disk", state=state, detail=f"{size(free)} free", hint=None if state is State.OK else "logist rm --ended"
    )


def _memory() -> Check:
    from logist_core import platform

    directory = platform.memory_dir()
    if directory is None:
        return Check(
            name="memory",
            state=State.NOTE,
            detail="no private tmpfs: jobs get the supervisor's environment instead of the submitting shell's",
        )
    return Check(name="memory", state=State.OK, detail=f"{directory} keeps environments off the disk")


def _sockets() -> Check:
    from logist_core import platform

    try:
        return Check(name="sockets", state=State.OK, detail=str(platform.runtime_dir()))
    except LogistError as error:
        return Check(name="sockets", state=State.FAIL, detail=error.message, hint=error.hint)


def _supervisor(app: App) -> Check:
    from logist_core.cli.supervision import has_work
    from logist_core.jobs.survey import living
    from logist_core.supervise.client import supervisor_info

    info = supervisor_info(app.home)
    if info.alive:
        detail = f"pid {info.record.pid}" if info.record is not None else "starting"
        return Check(name="supervisor", state=State.OK, detail=detail)
    if has_work(living(app.store)):
        return Check(
            name="supervisor", state=State.FAIL, detail="jobs wait for one and none lives", hint="logist supervise"
        )
    return Check(name="supervisor", state=State.OK, detail="none lives, none is needed")


def _plugins(app: App) -> Iterator[Check]:
    for fault in app.registry.faults:
        who = f"{fault.dist} {fault.version}" if fault.dist else fault.kind
        yield Check(
            name=f"plugin {fault.name}",
            state=State.NOTE,
            detail=f"{who}: {fault.reason}: {fault.detail}",
            hint=fault.hint,
        )
    for kind in ("agent", "runtime", "sentinel"):
        if not app.registry.names(kind):
            yield Check(
                name=f"{kind}s",
                state=State.FAIL,
                detail=f"no {kind} is installed",
                hint="pip install 'logist-core[default]'",
            )


def _created(app: App, kind: Literal["agent", "runtime"], name: str) -> object:
    from logist_core.config import resolve_settings

    settings = resolve_settings(app.registry.record(kind, name), kind, name, app.config, {})
    return app.registry.create(kind, name, settings)


def _runtime(app: App, name: str) -> Check:
    health = _created(app, "runtime", name).health()  # type: ignore[attr-defined]
    state = State.OK if health.ok else State.FAIL
    return Check(name=f"runtime {name}", state=state, detail=health.detail or state.value, hint=health.hint)


def _agent(app: App, name: str, *, asked: bool) -> Check:
    from logist_core.protocols import AgentContext

    found: Readiness = _created(app, "agent", name).probe(AgentContext(environment=dict(os.environ)))  # type: ignore[attr-defined]
    parts = [found.version or "", found.path or ""]
    if found.logged_in is not None:
        parts.append("logged in" if found.logged_in else "not logged in")
    parts += found.problems
    if not found.installed:
        parts.insert(0, "not installed")
    ready = found.installed and not found.problems and found.logged_in is not False
    # Only an agent that was asked for by name has to be ready: most machines have some of them.
    state = State.OK if ready else State.FAIL if asked else State.NOTE
    return Check(name=f"agent {name}", state=state, detail=", ".join(filter(None, parts)) or "ready", hint=found.hint)
