from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.api import Setting
from logist_core.config import Config
from logist_core.errors import ConfigError, UsageError

Load = Callable[..., Config]

SEED = Setting(type="int", default=0, help="Seed.")
PAUSE = Setting(type="duration", default=0, help="Pause.")


def test_a_new_file_is_private_and_holds_the_typed_value(load: Load, user_file: Path) -> None:
    config = load()
    assert config.set_user("max_jobs", "4") == 4
    assert user_file.read_text() == "max_jobs = 4\n"
    assert stat.S_IMODE(user_file.stat().st_mode) == 0o600
    assert config.get("max_jobs") == 4
    assert [path.name for path in user_file.parent.iterdir()] == ["config.toml"]


def test_comments_order_and_mode_of_the_file_are_kept(load: Load, user_file: Path) -> None:
    config = load('# mine\nagent = "mock"  # cheap\n\n[agents.mock]\n# lucky\nseed = 7\n')
    user_file.chmod(0o640)
    config.set_user("agents.mock.seed", "8", SEED)
    config.set_user("max_jobs", "2")
    text = user_file.read_text()
    assert "# mine\n" in text
    assert "# cheap" in text
    assert "# lucky\nseed = 8\n" in text
    assert tomllib.loads(text) == {"agent": "mock", "max_jobs": 2, "agents": {"mock": {"seed": 8}}}
    assert stat.S_IMODE(user_file.stat().st_mode) == 0o640


def test_a_duration_is_kept_as_it_was_written(load: Load, user_file: Path) -> None:
    assert load().set_user("sentinels.default.pause", "5m", PAUSE) == 300.0
    assert user_file.read_text() == '[sentinels.default]\npause = "5m"\n'


def test_a_key_below_an_inline_table_is_set(load: Load, user_file: Path) -> None:
    load("agents = { mock = { seed = 1 } }").set_user("agents.mock.seed", "2", SEED)
    assert tomllib.loads(user_file.read_text()) == {"agents": {"mock": {"seed": 2}}}


def test_a_key_written_with_dots_is_set_and_unset(load: Load, user_file: Path) -> None:
    config = load("agents.mock.seed = 1\n")
    config.set_user("agents.mock.seed", "2", SEED)
    assert tomllib.loads(user_file.read_text()) == {"agents": {"mock": {"seed": 2}}}
    assert config.unset_user("agents.mock.seed")
    assert config.get("agents.mock.seed") is None


def test_a_link_stays_a_link(load: Load, user_file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("")
    user_file.parent.mkdir()
    user_file.symlink_to(real)
    load().set_user("agent", "mock")
    assert user_file.is_symlink()
    assert real.read_text() == 'agent = "mock"\n'


@pytest.mark.parametrize(("key", "text"), [("max_jobs", "0"), ("max_jobs", "many"), ("agent", "a\0b")])
def test_a_wrong_value_is_refused_and_nothing_is_written(load: Load, user_file: Path, key: str, text: str) -> None:
    with pytest.raises(UsageError):
        load().set_user(key, text)
    assert not user_file.exists()


def test_a_plugins_setting_needs_its_plugin(load: Load) -> None:
    with pytest.raises(UsageError, match="isn't known"):
        load().set_user("agents.mock.seed", "1")


def test_unsetting_says_whether_there_was_anything(load: Load, user_file: Path) -> None:
    config = load()
    assert not config.unset_user("agent")
    assert not user_file.exists()
    config.set_user("agent", "mock")
    assert config.unset_user("agent")
    assert not config.unset_user("agent")
    assert not config.unset_user("plugins.disable")


def test_a_file_that_cannot_be_written_is_a_clear_error(load: Load, user_file: Path) -> None:
    config = load()
    user_file.parent.write_text("a file where a directory should be")
    with pytest.raises(ConfigError, match="can't be written"):
        config.set_user("agent", "mock")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    load: Load, user_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load('agent = "mock"\n')

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        config.set_user("agent", "claude")
    assert user_file.read_text() == 'agent = "mock"\n'
    assert len(list(user_file.parent.iterdir())) == 1


def test_ten_writers_at_once_lose_nothing(user_file: Path) -> None:
    code = (
        "import sys; from logist_core.config import Config; from logist_core.api import Setting;"
        "Config.load(None).set_user(f'agents.a{sys.argv[1]}.seed', sys.argv[1],"
        " Setting(type='int', default=0, help=''))"
    )
    env = {**os.environ, "LOGIST_CONFIG": str(user_file)}
    writers = [subprocess.Popen([sys.executable, "-c", code, str(n)], env=env) for n in range(10)]
    assert [writer.wait(60) for writer in writers] == [0] * 10
    assert tomllib.loads(user_file.read_text()) == {"agents": {f"a{n}": {"seed": n} for n in range(10)}}


_keys = st.sampled_from(["agent", "max_jobs", "plugins.disable", "agents.mock.seed", "sentinels.default.pause"])
_texts = {
    "agent": "mock",
    "max_jobs": "3",
    "plugins.disable": "a,b",
    "agents.mock.seed": "5",
    "sentinels.default.pause": "2m",
}


@given(before=st.lists(_keys, unique=True), steps=st.lists(st.tuples(_keys, st.booleans()), max_size=6))
def test_after_any_edits_the_file_holds_what_was_set_last(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], steps: list[tuple[str, bool]]
) -> None:
    path = tmp_path_factory.mktemp("edit") / "config.toml"
    config = Config.load(None, {"LOGIST_CONFIG": str(path)})
    kept: set[str] = set()
    for key, is_set in [*((key, True) for key in before), *steps]:
        if is_set:
            setting = {"agents.mock.seed": SEED, "sentinels.default.pause": PAUSE}.get(key)
            config.set_user(key, _texts[key], setting)
            kept.add(key)
        else:
            assert config.unset_user(key) == (key in kept)
            kept.discard(key)
        read = Config.load(None, {"LOGIST_CONFIG": str(path)})
        assert {key for key in _texts if read.origin(key).layer == "user"} == kept
