from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logist_core.api import Health, Readiness, RuntimeUnavailable
from logist_core.cli import checks
from logist_core.cli.app import App
from logist_core.registry import PluginFault

Run = Callable[..., Any]


def by_name(ran: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in ran.json["checks"]}


def test_a_healthy_machine_is_ok(jobs: Any, logist_here: Run) -> None:
    jobs.ended()
    ran = logist_here("doctor", "--json")
    found = by_name(ran)
    assert (ran.code, ran.json["schema"], ran.json["ok"]) == (0, 1, True)
    assert {"home", "disk", "memory", "sockets", "supervisor", "runtime host", "agent mock"} <= set(found)
    assert all(check["state"] != "fail" for check in found.values())
    shown = logist_here("doctor").out
    assert "ok    home" in shown
    assert "\x1b" not in shown


def test_without_a_home_it_says_that_the_first_job_makes_one(logist_here: Run, tmp_path: Path) -> None:
    ran = logist_here("doctor", "--json")
    assert ran.code == 0
    assert by_name(ran)["home"]["state"] == "note"
    assert not (tmp_path / "home").exists()


def test_a_home_that_others_can_use_fails_with_what_mends_it(jobs: Any, logist_here: Run) -> None:
    jobs.home.path.chmod(0o755)
    ran = logist_here("doctor", "--json")
    assert ran.code == 1
    assert by_name(ran)["home"]["hint"].startswith("chmod 700")
    assert "try: chmod 700" in logist_here("doctor").out


def test_jobs_with_damaged_records_are_counted(jobs: Any, logist_here: Run) -> None:
    bad = jobs.ended()
    (jobs.store.job_dir(bad) / "state.json").unlink()
    (jobs.store.job_dir(bad) / "events.log").write_text("garbage\n")
    home = by_name(logist_here("doctor", "--json"))["home"]
    assert home["state"] == "note"
    assert bad in home["hint"]


def test_an_agent_that_was_asked_for_has_to_be_ready(
    logist_here: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    everything = logist_here("doctor", "--json")
    assert (everything.code, by_name(everything)["agent claude"]["state"]) == (0, "note")
    only = logist_here("doctor", "-a", "claude", "--json")
    assert only.code == 7
    assert "agent mock" not in by_name(only)
    assert "npm install" in by_name(only)["agent claude"]["hint"]


def test_an_unknown_agent_is_an_error(logist_here: Run) -> None:
    ran = logist_here("doctor", "-a", "mok")
    assert ran.code == 7
    assert "mock" in ran.err


class FakeRegistry:
    """A registry with one plugin of each kind, made by the test."""

    def __init__(self, product: Any = None, names: tuple[str, ...] = ("fake",)) -> None:
        self._product = product
        self._names = names
        self.faults = [
            PluginFault(kind="agent", name="bad", dist="bad-agent", version="1", reason="died", detail="it died")
        ]

    def names(self, _kind: str) -> list[str]:
        return list(self._names)

    def entry(self, _kind: str, _name: str) -> None:
        return None

    def record(self, _kind: str, _name: str) -> Any:
        return SimpleNamespace(settings={})

    def create(self, _kind: str, _name: str, _settings: Any) -> Any:
        if isinstance(self._product, Exception):
            raise self._product
        return self._product


def app_with(product: Any = None, names: tuple[str, ...] = ("fake",)) -> App:
    app = App()
    app.__dict__["registry"] = FakeRegistry(product, names)
    return app


def agent_says(readiness: Readiness | BaseException) -> Any:
    def probe(_ctx: object) -> Readiness:
        if isinstance(readiness, BaseException):
            raise readiness
        return readiness

    return SimpleNamespace(probe=probe)


def test_a_runtime_says_how_it_is() -> None:
    down = SimpleNamespace(health=lambda: Health(ok=False, detail="engine is down", hint="start it"))
    (check,) = checks.runtime_checks(app_with(down))
    assert (check.state, check.detail, check.hint) == (checks.State.FAIL, "engine is down", "start it")
    (check,) = checks.runtime_checks(app_with(SimpleNamespace(health=lambda: Health(ok=True))))
    assert (check.state, check.detail) == (checks.State.OK, "ok")


@pytest.mark.parametrize(
    ("readiness", "state", "says"),
    [
        (Readiness(installed=True, version="1.2", path="/x", logged_in=True), checks.State.OK, "1.2, /x, logged in"),
        (Readiness(installed=True), checks.State.OK, "ready"),
        (Readiness(installed=True, logged_in=False), checks.State.FAIL, "not logged in"),
        (Readiness(installed=True, problems=("too old",)), checks.State.FAIL, "too old"),
        (Readiness(installed=False), checks.State.FAIL, "not installed"),
        (RuntimeUnavailable("refused"), checks.State.FAIL, "refused"),
        (ValueError("broken"), checks.State.FAIL, "the plugin failed: ValueError: broken"),
        (SystemExit(3), checks.State.FAIL, "the plugin raised SystemExit"),
    ],
)  # fmt: skip
def test_an_agent_says_whether_it_is_ready_and_can_break_nothing(
    readiness: Readiness | BaseException, state: checks.State, says: str
) -> None:
    (check,) = checks.agent_checks(app_with(agent_says(readiness)), "fake")
    assert (check.state, check.detail) == (state, says)


def test_a_plugin_that_hangs_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(checks, "PLUGIN_LIMIT_S", 0.05)
    released = threading.Event()
    (check,) = checks.runtime_checks(app_with(SimpleNamespace(health=lambda: released.wait(20))))
    released.set()
    assert "no answer within" in check.detail


def test_broken_and_missing_plugins_are_listed(jobs: Any) -> None:
    found = {check.name: check for check in checks.base_checks(app_with(names=()))}
    assert found["plugin bad"].detail == "bad-agent 1: died: it died"
    assert found["runtimes"].state is checks.State.FAIL
    assert "logist-core[default]" in (found["agents"].hint or "")


def test_work_without_a_supervisor_is_a_failure(logist_here: Run, jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from logist_core.supervise import client

    jobs.make()
    dead = client.SupervisorInfo(alive=False, record=None)
    monkeypatch.setattr(client, "supervisor_info", lambda _home: dead)
    found = {check.name: check for check in checks.base_checks(app_with())}
    assert (found["supervisor"].state, found["supervisor"].hint) == (checks.State.FAIL, "logist supervise")


def test_a_full_disk_and_missing_memory_are_found(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from logist_core import platform
    from logist_core.errors import HomeError

    def no_place() -> None:
        raise HomeError("no place for sockets", hint="set XDG_RUNTIME_DIR")

    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    monkeypatch.setattr(platform, "memory_dir", lambda: None)
    monkeypatch.setattr(platform, "runtime_dir", no_place)
    found = {check.name: check for check in checks.base_checks(app_with())}
    assert found["disk"].state is checks.State.FAIL
    assert found["memory"].state is checks.State.NOTE
    assert found["sockets"].hint == "set XDG_RUNTIME_DIR"


def test_a_home_that_cannot_be_written_fails(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    found = {check.name: check for check in checks.base_checks(app_with())}
    assert "can't be written" in found["home"].detail
