"""The commands, through the real command line, with broken and strangers' plugins beside the shipped ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.distributions import THIRD_PARTY, install, install_broken, install_for_real, python_path, write_metadata
from support.logist import Logist

from logist_core.cli.main import run

TEN = (
    *("missing-import", "exits", "late", "returns-text", "twin-one", "twin-two", "newer-api", "unknown-hook"),
    *("hangs", "kills", "hostile-text", "bad-point-name"),
)


@dataclass
class Told:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process."""

    def tell(*args: str) -> Told:
        code = run(list(args))
        return Told(code, *capsys.readouterr())

    return tell


def row(told: Told, name: str) -> list[str]:
    (found,) = [line.split() for line in told.out.splitlines() if name in line.split()[:2]]
    return found


def test_a_dozen_broken_plugins_are_listed_with_their_reasons_and_hide_no_healthy_one(site: Path, tell: Any) -> None:
    install_broken(site, *TEN)
    told = tell("plugins", "list", "--timeout", "5s")
    assert told.code == 0
    assert "\x1b" not in told.out and "\u202e" not in told.out
    for name, reason in {
        "missing-import": "import-failed:",
        "exits": "exited:",
        "late": "late-generator:",
        "returns-text": "wrong-return:",
        "newer-api": "api-newer:",
        "unknown-hook": "unknown-hook:",
        "hangs": "timed-out:",
        "kills": "died:",
        "hostile-text": "import-failed:",
    }.items():
        cells = row(told, name)
        assert cells[2:4] == ["fault", f"broken-{name}"]
        assert cells[5] == reason
    twins = [line.split() for line in told.out.splitlines() if " twin " in line]
    assert [(cells[2], cells[5]) for cells in twins] == [("fault", "conflict:"), ("fault", "conflict:")]
    assert "Bad Name" in told.out
    assert row(told, "mock")[2] == "ok"
    assert "logist plugins check" in told.err


def test_without_a_check_nothing_is_imported_and_conflicts_still_show(site: Path, tell: Any) -> None:
    install_broken(site, "hangs", "kills", "twin-one", "twin-two")
    shapes = {shape["dist"]: shape for shape in tell("plugins", "list", "--no-check", "--json").json["plugins"]}
    assert shapes["broken-hangs"]["state"] == "unchecked"
    assert shapes["broken-kills"]["summary"] is None
    assert shapes["broken-twin-one"]["state"] == "fault"
    assert shapes["broken-twin-one"]["faults"][0]["reason"] == "conflict"


def test_the_json_of_the_list_has_its_documented_shape(site: Path, tell: Any, own_configuration: Path) -> None:
    install_broken(site, "exits", "twin-one")
    write_metadata(site, "broken-metadata", "3.0", "[logist.agents]\nnonsense\n")
    own_configuration.write_text('[plugins]\ndisable = ["broken-twin-one"]')
    told = tell("plugins", "list", "--json").json
    assert told["schema"] == 1
    (mock,) = [shape for shape in told["plugins"] if shape["name"] == "mock"]
    assert set(mock) == {
        *("kind", "name", "dist", "version", "module", "state", "summary", "api", "import_s", "settings", "hooks"),
        "faults",
    }
    assert (mock["kind"], mock["dist"], mock["state"], mock["api"]) == ("agent", "logist-agent-mock", "ok", 1)
    (exits,) = [shape for shape in told["plugins"] if shape["name"] == "exits"]
    assert set(exits["faults"][0]) == {"kind", "name", "dist", "version", "reason", "detail", "hint", "severity"}
    assert [fault["dist"] for fault in told["faults"]] == ["broken-metadata"]
    assert [entry["dist"] for entry in told["disabled"]] == ["broken-twin-one"]
    listed = tell("plugins", "list", "--no-check").out
    assert "disabled" in listed and "bad-metadata" in listed


def test_a_plugin_is_described_with_its_settings(tell: Any) -> None:
    told = tell("plugins", "info", "agent/mock")
    assert told.code == 0
    assert "logist-agent-mock 0.1.0" in told.out
    assert "scenario  (str; success | error" in told.out
    shape = tell("plugins", "info", "mock", "--json").json["plugins"][0]
    assert shape["settings"]["seed"]["type"] == "int"


def test_a_name_of_two_kinds_is_described_twice(tell: Any) -> None:
    told = tell("plugins", "info", "default", "--json").json
    assert [shape["kind"] for shape in told["plugins"]] == ["patterns", "sentinel"]
    assert tell("plugins", "info", "default").out.count("distribution") == 2


def test_an_unknown_plugin_gets_the_nearest(tell: Any) -> None:
    told = tell("plugins", "info", "agent/mokc")
    assert told.code == 7
    assert "no plugin 'agent/mokc' is installed" in told.err
    assert "Try: logist plugins info agent/mock" in told.err
    assert "Try: logist plugins list" in tell("plugins", "info", "zzzzzz").err


def test_a_check_names_culprit_and_remedy_and_fails_only_for_errors(site: Path, tell: Any) -> None:
    install_broken(site, "newer-api", "not-ready")
    told = tell("plugins", "check")
    assert told.code == 1
    assert "error: agent/newer-api of broken-newer-api 1.0: api-newer: " in told.out
    assert "  Try: pip install --upgrade logist-core\n" in told.out
    assert "can't be used" in told.err
    assert tell("plugins", "check", "not-ready").code == 0
    shape = tell("plugins", "check", "agent/newer-api", "--json").json
    assert (shape["ok"], shape["checked"], shape["faults"][0]["reason"]) == (False, 1, "api-newer")
    assert tell("plugins", "check", "agent/mock", "--json").json["ok"] is True


def test_agents_and_runtimes_mark_the_one_that_is_used(tell: Any, own_configuration: Path) -> None:
    told = tell("agents")
    assert [line.split()[1] for line in told.out.splitlines() if line.startswith("*")] == ["mock"]
    assert "(default)" in told.err
    shape = tell("runtimes", "--json", "--no-check").json
    assert shape["selected"] == {"name": "host", "why": "only one installed"}
    assert [each["name"] for each in shape["runtimes"]] == ["host"]
    own_configuration.write_text('agent = "claude"')
    assert tell("agents", "--json", "--no-check").json["selected"]["why"] == "user config"


def test_what_cannot_be_selected_is_said_beside_the_list(tell: Any, own_configuration: Path) -> None:
    own_configuration.write_text('agent = "nobody"')
    told = tell("agents", "--no-check")
    assert told.code == 0
    assert "agent 'nobody' isn't installed" in told.err
    assert tell("agents", "--json", "--no-check").json["selected"] is None


def test_a_core_without_plugins_lists_nothing_and_says_what_to_install(tmp_path: Path) -> None:
    # A child that sees logist_core and its dependencies, but no metadata of plugins.
    code = (
        "import importlib_metadata, sys; importlib_metadata.entry_points = lambda: ();"
        "from logist_core.cli.main import main; main(sys.argv[1:])"
    )
    for args in (("plugins", "list"), ("agents",), ("runtimes",)):
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
        assert done.stdout == ""
        assert 'pip install "logist-core[default]"' in done.stderr


def test_a_setting_is_set_read_and_unset(tell: Any, own_configuration: Path) -> None:
    assert tell("config", "set", "agents.mock.seed", "7").code == 0
    assert own_configuration.read_text() == "[agents.mock]\nseed = 7\n"
    assert tell("config", "get", "agents.mock.seed").out == "7\n"
    shape = tell("config", "get", "agents.mock.seed", "--json").json
    assert shape == {
        "schema": 1,
        "key": "agents.mock.seed",
        "value": 7,
        "origin": "user",
        "path": str(own_configuration),
    }
    assert "agents.mock.seed = 7  (user, " in tell("config", "get").out
    assert tell("config", "unset", "agents.mock.seed", "--json").json["removed"] is True
    assert "is not set" in tell("config", "unset", "agents.mock.seed").err
    assert tell("config", "get", "agents.mock.seed", "--json").json["origin"] == "default"


@pytest.mark.parametrize(
    ("args", "code", "message", "hint"),
    [
        (("agents.mock.sede", "1"), 2, "agent mock has no setting 'sede'", "seed"),
        (("agents.mock.seed", "x"), 2, "agents.mock.seed must be a whole number, not the text 'x'", ""),
        (("agents.nobody.seed", "1"), 7, "agent 'nobody' isn't installed", "pip install logist-agent-nobody"),
        (("agent", "nobody"), 7, "agent 'nobody' isn't installed", "pip install logist-agent-nobody"),
        (("max_jobs", "0"), 2, "max_jobs must be 1 or more", ""),
        (("max_jbos", "1"), 2, "there is no key 'max_jbos'", "max_jobs"),
        (("agent.mock.seed", "1"), 2, "`agent` is the name of the agent to use", "agents.mock.seed"),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_written(
    args: tuple[str, str], code: int, message: str, hint: str, tell: Any, own_configuration: Path
) -> None:
    told = tell("config", "set", *args)
    assert told.code == code
    assert message in told.err
    assert hint in told.err
    assert not own_configuration.exists()


def test_the_core_keys_are_set_and_shown_with_their_origin(tell: Any, own_configuration: Path) -> None:
    assert tell("config", "set", "agent", "mock").code == 0
    assert tell("config", "set", "plugins.disable", "a,b", "--json").json["value"] == ["a", "b"]
    assert tell("config", "get", "plugins.disable").out == "a,b\n"
    assert tell("config", "get", "max_jobs").out == "\n"
    values = {each["key"]: each for each in tell("config", "get", "--json").json["values"]}
    assert (values["agent"]["value"], values["agent"]["origin"]) == ("mock", "user")
    assert (values["max_jobs"]["value"], values["max_jobs"]["origin"]) == (None, "default")


def test_what_a_project_may_not_set_is_said_once_on_stderr(
    tell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".logist.toml").write_text('agent = "mock"\n[agents.mock]\nseed = 3\nignore = ["TERM"]\n')
    told = tell("config", "get")
    assert "agents.mock.seed = 3  (project, " in told.out
    assert "agents.mock.ignore" not in told.out
    assert told.err.count("ignore can't be set by a project") == 1
    assert "can't be set by a project" not in tell("agents", "--no-check").err


def test_the_path_is_printed_even_of_a_file_that_is_wrong(tell: Any, own_configuration: Path, tmp_path: Path) -> None:
    assert tell("config", "path").out == f"{own_configuration}\n"
    own_configuration.write_text("= = =")
    shape = tell("config", "path", "--json").json
    assert (shape["user"], shape["exists"]) == (str(own_configuration), True)
    assert tell("config", "get").code == 2


def test_a_projects_file_is_named_beside_the_path(tell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".logist.toml").write_text("")
    assert str(tmp_path / ".logist.toml") in tell("config", "path").err


# --- strangers' plugins


def test_a_strangers_plugins_appear_and_can_be_selected_without_a_change_to_core(site: Path, tell: Any) -> None:
    install(THIRD_PARTY / "logist-runtime-tiny", site)
    install(THIRD_PARTY / "logist-agent-tiny", site)
    shapes = tell("plugins", "list", "--json").json["plugins"]
    found = {(shape["kind"], shape["version"]): shape["state"] for shape in shapes if shape["name"] == "tiny"}
    assert found == {("agent", "0.2.0"): "ok", ("runtime", "0.3.1"): "ok"}
    assert tell("config", "set", "runtime", "tiny").code == 0
    assert tell("runtimes", "--json", "--no-check").json["selected"] == {"name": "tiny", "why": "user config"}
    assert tell("config", "set", "agents.tiny.greeting", "hm:").code == 0


def test_a_real_installer_makes_the_same_of_them(tmp_path: Path) -> None:
    site = tmp_path / "site"
    projects = [THIRD_PARTY / "logist-runtime-tiny", THIRD_PARTY / "logist-agent-tiny"]
    install_for_real(site, *projects, scratch=tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "logist_core", "plugins", "list", "--json"],
        env={**os.environ, "PYTHONPATH": python_path(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    shapes = [shape for shape in json.loads(done.stdout)["plugins"] if shape["name"] == "tiny"]
    assert [(shape["dist"], shape["state"]) for shape in shapes] == [
        ("logist-agent-tiny", "ok"),
        ("logist-runtime-tiny", "ok"),
    ]


def test_a_job_runs_on_a_strangers_agent_and_runtime_beside_broken_plugins(logist: Logist, site: Path) -> None:
    install(THIRD_PARTY / "logist-runtime-tiny", site)
    install(THIRD_PARTY / "logist-agent-tiny", site)
    install_broken(site, *(name for name in TEN if name != "hangs"))
    logist.environment["PYTHONPATH"] = python_path(site)
    job = logist.submit("-a", "tiny", "-r", "tiny", "good morning")
    status = logist.ended(job)
    assert (status["lifecycle"], status["exit"]["code"], status["runtime"]) == ("succeeded", 0, "tiny")
    assert (logist.attempt_dir(job) / "out.log").read_text() == "tiny says: good morning\n"
