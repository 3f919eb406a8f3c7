from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logist_core.config import Config, parse_key
from logist_core.config.files import find_project_file, locate
from logist_core.errors import ConfigError, UsageError

Load = Callable[..., Config]


def test_without_any_file_the_defaults_hold(load: Load) -> None:
    config = load()
    assert config.get("agent") is None
    assert config.get("agent", "mock") == "mock"
    assert config.get("plugins.disable") == []
    assert config.origin("agent").layer == "default"
    assert config.warnings == []


def test_the_projects_choice_stands_over_the_users(load: Load, repo: Path, user_file: Path) -> None:
    config = load('agent = "claude"\nruntime = "host"', 'agent = "mock"')
    assert config.get("agent") == "mock"
    assert config.origin("agent") == ("project", repo / ".logist.toml")
    assert config.origin("runtime") == ("user", user_file)
    assert config.user_value("agent") == "claude"


def test_the_projects_file_is_found_from_a_subdirectory_up_to_the_repositorys_root(repo: Path) -> None:
    deep = repo / "a" / "b"
    deep.mkdir(parents=True)
    (repo / ".logist.toml").write_text("")
    assert find_project_file(deep) == repo / ".logist.toml"
    (repo / "a" / ".logist.toml").write_text("")
    assert find_project_file(deep) == repo / "a" / ".logist.toml"


def test_nothing_above_the_repositorys_root_is_a_project_file(repo: Path) -> None:
    (repo.parent / ".logist.toml").write_text("")
    assert find_project_file(repo) is None


def test_outside_of_a_repository_only_the_directory_itself_counts(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / ".logist.toml").write_text("")
    assert find_project_file(below) is None
    assert find_project_file(tmp_path) == tmp_path / ".logist.toml"


def test_a_worktrees_git_file_marks_a_root_too(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere")
    (tmp_path / ".logist.toml").write_text("")
    (tmp_path / "sub").mkdir()
    assert find_project_file(tmp_path / "sub") == tmp_path / ".logist.toml"


@pytest.mark.parametrize(
    ("project", "named"),
    [
        ("max_jobs = 99", ".logist.toml:1: max_jobs can't be set by a project"),
        ('\n[plugins]\ndisable = ["logist-agent-mock"]', ".logist.toml:3: plugins.disable can't be set by a project"),
        ("agent = 3", ".logist.toml:1: agent must be text"),
        ("agnet = 'mock'", ".logist.toml:1: unknown key 'agnet'"),
        ("plugins = 1", ".logist.toml:1: plugins must be a table"),
        ("agents = 1", ".logist.toml:1: agents must hold a table for each plugin"),
        ("[agents]\nmock = 1", ".logist.toml:2: agents.mock must be a table"),
        ("= = =", ".logist.toml:1: is not valid TOML"),
        ("a = 1\nb = [", ".logist.toml:2: is not valid TOML"),
        ("x = " + "[" * 20_000, ".logist.toml: is nested too deeply"),
        ("x = 1" + "0" * 5000, ".logist.toml: is not valid TOML"),
        ('"\\u001b[2J" = 1', "unknown key '\\x1b[2J'"),
    ],
)
def test_a_defect_of_a_projects_file_is_a_warning_and_never_an_error(load: Load, project: str, named: str) -> None:
    config = load('agent = "claude"\nmax_jobs = 2', project)
    assert len(config.warnings) == 1
    assert named in config.warnings[0]
    assert config.warnings[0].isprintable()
    assert config.get("agent") == "claude"
    assert config.get("max_jobs") == 2
    assert config.get("plugins.disable") == []


def test_a_projects_file_that_is_a_fifo_does_not_hang_the_command(load: Load, repo: Path) -> None:
    os.mkfifo(repo / ".logist.toml")
    started = time.monotonic()
    config = load()
    assert time.monotonic() - started < 5
    assert "is not a regular file" in config.warnings[0]


def test_a_projects_file_that_is_huge_is_not_read(load: Load, repo: Path) -> None:
    with (repo / ".logist.toml").open("wb") as file:
        file.truncate(1 << 40)
    assert "is larger than 1 MiB" in load().warnings[0]


def test_a_projects_file_that_is_not_utf8_is_ignored(load: Load, repo: Path) -> None:
    (repo / ".logist.toml").write_bytes(b'a = 1\nagent = "\xff"')
    assert ".logist.toml:2: is not UTF-8" in load().warnings[0]


def test_a_projects_file_of_another_user_is_ignored(load: Load, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / ".logist.toml").write_text('agent = "mock"')
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    if os.stat(repo).st_uid == 0:
        os.chown(repo / ".logist.toml", 12345, -1)
    config = load()
    assert "belongs to another user" in config.warnings[0]
    assert config.get("agent") is None


def test_a_project_file_that_is_a_dangling_link_sets_nothing(load: Load, repo: Path) -> None:
    (repo / ".logist.toml").symlink_to("nowhere")
    assert load().get("agent") is None


@pytest.mark.parametrize(
    ("user", "message", "hint"),
    [
        ('max_jobs = "four"', ":1: max_jobs must be a whole number, not the text 'four'", None),
        ("max_jobs = true", ":1: max_jobs must be a whole number, not true", None),
        ("max_jobs = 0", ":1: max_jobs must be 1 or more", None),
        ("max_jbos = 4", ":1: unknown key 'max_jbos'", "max_jobs"),
        ("zzz = 4", ":1: unknown key 'zzz'", "agents.NAME"),
        ("[plugins]\ndisabel = []", ":2: unknown key 'plugins.disabel'", "plugins.disable"),
        ("[plugins]\ndisable = [1]", ":2: plugins.disable must be a list of texts", None),
        ("[agent.mock]\nseed = 1", ":1: agent must be the name of one agent, not a table", "[agents.mock]"),
        ('[agents.mock]\nseed = "\n', ":2: is not valid TOML", None),
    ],
)
def test_a_defect_of_the_users_file_is_an_error_with_file_line_and_key(
    load: Load, user_file: Path, user: str, message: str, hint: str | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(user)
    assert caught.value.message.startswith(f"{user_file}{message}")
    assert hint is None or hint in (caught.value.hint or "")


def test_a_users_file_that_cannot_be_read_is_an_error(load: Load, user_file: Path) -> None:
    user_file.mkdir(parents=True)
    with pytest.raises(ConfigError, match="is not a regular file"):
        load()


def test_a_users_file_below_a_file_is_no_file(load: Load, user_file: Path) -> None:
    user_file.parent.write_text("")
    assert load().get("agent") is None


def test_without_logist_config_the_platforms_directory_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "xdg" / "logist"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("max_jobs = 7")
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    config = Config.load(None, env)
    assert config.user_path.name == "config.toml"
    assert not config.user_path.is_relative_to(tmp_path / "xdg") or config.get("max_jobs") == 7


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("agent.mock.seed", "agents.mock.seed"),
        ("agents.mock", "agents.NAME.SETTING"),
        ("agents..seed", "agents.NAME.SETTING"),
        ("max_job", "max_jobs"),
        ("", "keys:"),
        ("\x1b[2J", "keys:"),
    ],
)
def test_an_unknown_key_is_answered_with_what_to_write(load: Load, key: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load().get(key)
    assert hint in (caught.value.hint or "")
    assert caught.value.message.isprintable()


def test_a_plugins_setting_is_read_from_the_users_file_alone(load: Load, user_file: Path) -> None:
    config = load("[agents.mock]\nseed = 3", "[agents.mock]\nseed = 9\npace_s = 1.0")
    assert config.get("agents.mock.seed") == 3
    assert config.origin("agents.mock.seed") == ("user", user_file)
    assert config.get("agents.mock.pace_s") is None
    assert config.origin("agents.mock.pace_s").layer == "default"


def test_a_key_is_taken_apart() -> None:
    key = parse_key(" agents.claude.model ")
    assert (key.dotted, key.kind, key.plugin, key.setting) == ("agents.claude.model", "agent", "claude", "model")
    assert parse_key("max_jobs").kind == ""


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("a = 1\nb = 2", ("b",), 2),
        ("[t]\n\na = 1", ("t", "a"), 3),
        ("[t]\nb = 1", ("t", "a"), 1),
        ("t = { a = 1 }", ("t", "a"), 1),
        ("t.a = 1", ("t", "a"), 1),
        ('["t"."x"]  # here\n"a b" = 1', ("t", "x", "a b"), 2),
        ("a = 1", ("b",), None),
        ("", ("b",), None),
    ],
)
def test_the_line_of_a_key_is_found(text: str, keys: tuple[str, ...], line: int | None) -> None:
    assert locate(text, keys) == line
