from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_sentinel_default.memory import Memory
from logist_sentinel_default.plugin import SETTINGS, logist_sentinels
from logist_sentinel_default.settings import Settings

from logist_core.api import API_VERSION, Level, Observation, SentinelRecord, UsageError
from logist_core.testing.observations import histories, judge_all

pytestmark = pytest.mark.fast


def test_the_hook_offers_one_record() -> None:
    (record,) = logist_sentinels()
    assert isinstance(record, SentinelRecord)
    assert (record.name, record.api) == ("default", API_VERSION)
    assert record.settings is SETTINGS


def test_every_setting_is_in_force_and_says_what_it_is() -> None:
    in_force = Settings.of({}).plain()
    assert set(in_force) == set(SETTINGS)
    assert all(value is not None for value in in_force.values())
    assert all(setting.help for setting in SETTINGS.values())


def test_what_decides_over_acts_cannot_be_set_by_a_project() -> None:
    by_project = {name for name, setting in SETTINGS.items() if setting.project}
    assert not by_project & {"mode", "on_stall", "on_stopped", "max_interventions", "cooldown_s"}
    assert "stall_s" in by_project


def test_derived_settings_follow_the_stall_time() -> None:
    settings = Settings.of({"stall_s": 12.0, "suspect_s": None})
    assert (settings.suspect_s, settings.grace_s, settings.cooldown_s, settings.quiet_s) == (6.0, 1.0, 6.0, 1.5)
    assert Settings.of({"suspect_s": 30.0}).cooldown_s == 30.0


def test_resolved_settings_make_the_same_sentinel() -> None:
    settings = Settings.of({"stall_s": 7, "windows": 2.0})
    assert Settings.of(settings.plain()) == settings


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({"stall_s": 0}, "stall_s must be more than 0"),
        ({"stall_s": -1}, "stall_s must be a number of 0 or more"),
        ({"stall_s": float("nan")}, "stall_s must be a number"),
        ({"stall_s": float("inf")}, "stall_s must be a number"),
        ({"stall_s": "120"}, "stall_s must be a number"),
        ({"stall_s": True}, "stall_s must be a number"),
        ({"suspect_s": 121.0}, "suspect_s must be more than 0 and at most stall_s"),
        ({"suspect_s": 0.0}, "suspect_s must be more than 0"),
        ({"windows": 0}, "windows must be a whole number of 1 or more"),
        ({"windows": 1.5}, "windows must be a whole number"),
        ({"storm_retries": 0}, "storm_retries must be a whole number of 1"),
        ({"mode": "kill"}, "mode must be one of act, observe, off"),
        ({"stal_s": 3.0}, "no setting 'stal_s'"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_setting(given_settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Settings.of(given_settings)


@given(history=histories())
def test_a_memory_comes_back_from_its_json_form(history: list[Observation]) -> None:
    (record,) = logist_sentinels()
    _, state = judge_all(record.factory({"stall_s": 24.0}), history)
    memory = Memory.of(state)
    assert memory is not None
    assert memory.plain() == state


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(history=histories(max_looks=5), data=st.data())
def test_state_that_is_not_its_own_is_begun_anew_and_never_an_error(
    history: list[Observation], data: st.DataObject
) -> None:
    (record,) = logist_sentinels()
    policy = record.factory({})
    _, state = judge_all(policy, history)
    broken = dict(state)
    for name in data.draw(st.sets(st.sampled_from(sorted(broken)), min_size=1, max_size=3)):
        broken[name] = data.draw(json_values)
    _, verdict = policy.step(broken, history[-1])
    assert isinstance(verdict.level, Level)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("form", 1),
        ("marks", []),
        ("marks", [[1.0, 2]]),
        ("busy", []),
        ("latched", ["retry_storm"]),
        ("latched", ["retry_storm", "no such level"]),
        ("gauges", {"cpu": ["text", 0.0, 0.0, 1.0, 0]}),
        ("gauges", {"cpu": [1.0]}),
        ("gauges", []),
        ("told", [1]),
        ("now_s", float("nan")),
    ],
)
def test_a_form_that_is_off_in_one_place_is_none(name: str, value: Any) -> None:
    (record,) = logist_sentinels()
    state, _ = record.factory({}).step({}, Observation(now_s=1.0, wall=0.0))
    assert Memory.of(state) is not None
    assert Memory.of({**state, name: value}) is None
