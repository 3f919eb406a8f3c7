from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from logist_core.api import AgentRecord, ConfigError, PatternSet, PatternsRecord, SentinelRecord, Setting, UsageError
from logist_core.config import Config, resolve, resolve_settings, setting_named
from logist_core.config.durations import MAX_DURATION_S

pytestmark = pytest.mark.fast

Load = Callable[..., Config]

SETTINGS = {
    "model": Setting(type="str", default="small", help="Which.", project=True),
    "mode": Setting(type="str", default="ask", help="How.", choices=("ask", "allow")),
    "seed": Setting(type="int", default=0, help="Seed.", project=True),
    "speed": Setting(type="float", default=1.0, help="Speed.", project=True),
    "quiet": Setting(type="bool", default=False, help="Quiet.", project=True),
    "pause": Setting(type="duration", default="5m", help="Pause.", project=True),
    "tools": Setting(type="list", default=["a"], help="Tools.", project=True),
    "limit": Setting(type="int", default=None, help="Limit; unset: none."),
}
RECORD = AgentRecord(name="acme", summary="x", factory=lambda settings: None, settings=SETTINGS)  # type: ignore[arg-type, return-value]
DEFAULTS = {
    "model": "small",
    "mode": "ask",
    "seed": 0,
    "speed": 1.0,
    "quiet": False,
    "pause": 300.0,
    "tools": ["a"],
    "limit": None,
}


def settle(config: Config, **overrides: str) -> dict[str, Any]:
    return resolve_settings(RECORD, "agent", "acme", config, overrides)


def test_where_nobody_sets_anything_the_plugins_defaults_hold(load: Load) -> None:
    assert settle(load()) == DEFAULTS


def test_the_command_line_stands_over_the_project_over_the_user(load: Load, repo: Path, user_file: Path) -> None:
    config = load(
        '[agents.acme]\nmodel = "user"\nseed = 1\nspeed = 2\nmode = "allow"',
        '[agents.acme]\nmodel = "project"\nseed = 2',
    )
    found = resolve(RECORD, "agent", "acme", config, {"model": "typed"})
    assert found["model"] == ("typed", ("command line", None))
    assert found["seed"] == (2, ("project", repo / ".logist.toml"))
    assert found["mode"] == ("allow", ("user", user_file))
    assert found["speed"] == (2.0, ("user", user_file))
    assert found["quiet"] == (False, ("default", None))
    assert config.warnings == []


def test_a_project_sets_nothing_that_its_author_did_not_mark_as_harmless(load: Load) -> None:
    config = load(None, '[agents.acme]\nmode = "allow"\nseed = 2')
    assert settle(config) == {**DEFAULTS, "seed": 2}
    assert config.warnings == [f"{config.project_path}:2: mode can't be set by a project; ignored"]


def test_what_is_wrong_in_a_projects_table_is_ignored_with_a_warning_each(load: Load) -> None:
    config = load(None, '[agents.acme]\nseed = "x"\nsede = 1\nquiet = true')
    assert settle(config) == {**DEFAULTS, "quiet": True}
    assert config.warnings == [
        f"{config.project_path}:2: seed must be a whole number, not the text 'x'; ignored",
        f"{config.project_path}:3: agent acme has no setting 'sede'; ignored",
    ]
    settle(config)
    assert len(config.warnings) == 2


def test_what_is_wrong_in_the_users_table_is_an_error_with_the_nearest_name(load: Load, user_file: Path) -> None:
    config = load("[agents.acme]\n\nsede = 1")
    with pytest.raises(ConfigError) as caught:
        settle(config)
    assert caught.value.message == f"{user_file}:3: agent acme has no setting 'sede'"
    assert caught.value.hint == "seed or speed"


def test_a_choice_that_there_is_not_is_answered_with_the_nearest(load: Load) -> None:
    with pytest.raises(ConfigError, match="mode must be one of ask, allow, not 'alow'; did you mean allow"):
        settle(load('[agents.acme]\nmode = "alow"'))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("model", "a b", "a b"),
        ("seed", "-3", -3),
        ("speed", "0.5", 0.5),
        ("quiet", "yes", True),
        ("quiet", "OFF", False),
        ("pause", "1h", 3600.0),
        ("tools", "a, b,,c", ["a", "b", "c"]),
        ("tools", "", []),
    ],
)
def test_the_command_lines_text_becomes_the_settings_type(load: Load, name: str, text: str, value: object) -> None:
    assert settle(load(), **{name: text})[name] == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seed", "1.5"),
        ("seed", "9" * 30),
        ("seed", "9" * 5000),
        ("speed", "nan"),
        ("speed", "inf"),
        ("quiet", "maybe"),
        ("pause", "soon"),
        ("model", "a\0b"),
        ("model", "\udcff"),
        ("mode", "never"),
    ],
)
def test_a_text_that_does_not_fit_is_a_usage_error(load: Load, name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"setting {name} of agent acme must be") as caught:
        settle(load(), **{name: text})
    assert caught.value.message.isprintable()


def test_an_unknown_override_is_answered_with_the_nearest_or_all(load: Load) -> None:
    with pytest.raises(UsageError) as caught:
        settle(load(), modle="x")
    assert caught.value.hint == "mode or model"
    with pytest.raises(UsageError) as caught:
        settle(load(), zzzzz="x")
    assert "one of model, mode, seed" in (caught.value.hint or "")


def test_a_plugin_without_settings_takes_none(load: Load) -> None:
    record = PatternsRecord(name="p", summary="x", factory=lambda: PatternSet(name="p", rules=()))
    assert resolve_settings(record, "patterns", "p", load()) == {}
    with pytest.raises(UsageError) as caught:
        setting_named(record, "patterns", "p", "x")
    assert caught.value.hint is None
    assert setting_named(RECORD, "agent", "acme", "seed").type == "int"


def test_a_default_list_is_not_shared_between_two_resolutions(load: Load) -> None:
    settle(load())["tools"].append("b")
    assert settle(load())["tools"] == ["a"]


_values = st.recursive(
    st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
    | st.sampled_from(["5m", "ask", "allow", "-1"])
    | st.datetimes()
    | st.dates()
    | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=2),
    max_leaves=5,
)
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float,),
    "bool": (bool,),
    "duration": (float,),
    "list": (list,),
}


@given(
    layer=st.sampled_from(["user", "project"]),
    table=st.dictionaries(st.sampled_from([*SETTINGS, "other"]), _values, max_size=4),
)
def test_whatever_a_file_holds_every_setting_gets_its_type_or_there_is_a_clear_error(
    layer: str, table: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "user.toml" if layer == "user" else ".logist.toml")
        path.write_text(tomlkit.dumps({"agents": {"acme": table}}), encoding="utf-8", newline="\n")
        config = Config.load(Path(folder), {"LOGIST_CONFIG": str(Path(folder, "user.toml"))})
        try:
            found = settle(config)
        except ConfigError as error:
            assert layer == "user"
            assert error.message.startswith(str(path))
            assert error.message.isprintable()
            return
    assert set(found) == set(SETTINGS)
    for name, value in found.items():
        setting = SETTINGS[name]
        assert value is None or type(value) in _TYPES[setting.type]
        if setting.type == "duration":
            assert 0 <= value <= MAX_DURATION_S
        if setting.choices:
            assert value in setting.choices
    json.dumps(found, allow_nan=False).encode()
    assert all(warning.isprintable() for warning in config.warnings)


@given(name=st.sampled_from(list(SETTINGS)), text=st.text(st.characters(exclude_categories=()), max_size=30))
def test_any_override_gives_the_right_type_or_a_usage_error(name: str, text: str) -> None:
    config = Config.load(None, {"LOGIST_CONFIG": "/nonexistent/config.toml"})
    try:
        value = settle(config, **{name: text})[name]
    except UsageError as error:
        assert error.message.isprintable()
    else:
        assert type(value) in _TYPES[SETTINGS[name].type]


SENTINEL = SentinelRecord(
    name="guard",
    summary="x",
    factory=lambda settings: None,  # type: ignore[arg-type, return-value]
    settings={
        "stall_s": Setting(type="duration", default="2m", help="Stall.", project=True),
        "mode": Setting(type="str", default="act", help="Mode."),
    },
)


def guard(config: Config, agent: str | None, **overrides: str) -> dict[str, Any]:
    return resolve_settings(SENTINEL, "sentinel", "guard", config, overrides, agent=agent)


def test_a_sentinels_settings_may_differ_from_agent_to_agent(load: Load) -> None:
    config = load(
        '[sentinels.guard]\nstall_s = "3m"\n[sentinels.guard.agents.codex]\nstall_s = "10m"\nmode = "observe"'
    )
    assert guard(config, "claude") == {"stall_s": 180.0, "mode": "act"}
    assert guard(config, "codex") == {"stall_s": 600.0, "mode": "observe"}
    assert guard(config, "codex", stall_s="1m") == {"stall_s": 60.0, "mode": "observe"}
    assert guard(config, None) == {"stall_s": 180.0, "mode": "act"}


def test_a_projects_word_for_an_agent_is_trusted_no_further_than_any_other(load: Load) -> None:
    config = load("", '[sentinels.guard.agents.codex]\nstall_s = "10m"\nmode = "off"')
    assert guard(config, "codex") == {"stall_s": 600.0, "mode": "act"}
    assert any("mode can't be set by a project" in warning for warning in config.warnings)


@pytest.mark.parametrize(
    "text",
    [
        '[sentinels.guard.agents.codex]\nstall = "10m"',
        "[sentinels.guard.agents.codex]\nstall_s = -1",
        "[sentinels.guard]\nagents = 1",
    ],
)
def test_a_mistake_in_what_is_set_for_an_agent_is_an_error_with_its_place(load: Load, text: str) -> None:
    with pytest.raises(ConfigError, match=r"sentinel guard has no setting|stall_s"):
        guard(load(text), "codex")
