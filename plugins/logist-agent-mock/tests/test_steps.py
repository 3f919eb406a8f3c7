"""The vocabulary of steps: what is let through can be played, what isn't is named by file and step."""

from __future__ import annotations

import math
import os
import textwrap
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logist_agent_mock import plugin
from logist_agent_mock.agent import load_script
from logist_agent_mock.program import EXIT_CODES, Ended, Program
from logist_agent_mock.steps import (
    EXIT_INTERRUPTED,
    EXIT_LIMITED,
    EXIT_REFUSED,
    FATAL_SIGNALS,
    RESULTS,
    VERBS,
    check_steps,
    scenario_steps,
    wants_input,
)

from logist_core.api import UsageError

pytestmark = pytest.mark.fast

DEFAULTS = {name: setting.default for name, setting in plugin.SETTINGS.items()}

text = st.text(max_size=12)
soon = st.sampled_from([0, 0.0, 0.001])
#: Steps that end at once; forks, real signals and endless ones are for the tests with real processes.
simple_steps = st.one_of(
    st.just({"begin": True}),
    st.fixed_dictionaries({"print": text}, optional={"end": text}),
    st.fixed_dictionaries({"stderr": text}, optional={"end": text}),
    st.fixed_dictionaries({"tool": st.text(min_size=1)}, optional={"for_s": soon, "ok": st.booleans(), "input": text}),
    st.fixed_dictionaries({"sleep_s": soon}, optional={"until": st.text(min_size=1, max_size=3)}),
    st.fixed_dictionaries({"spin_s": soon}),
    st.fixed_dictionaries({"spinner_s": soon}),
    st.fixed_dictionaries({"ask": st.text(min_size=1)}, optional={"kind": st.sampled_from(["permission", "question"])}),
    st.fixed_dictionaries({"read_stdin": st.sampled_from(["line", "all"])}),
    st.fixed_dictionaries({"tokens": st.integers(1, 20)}),
    st.fixed_dictionaries({"flood_bytes": st.integers(1, 5000)}),
    st.fixed_dictionaries({"limit_s": st.floats(0, 1e6)}),
    st.fixed_dictionaries({"finish": st.sampled_from(RESULTS)}, optional={"reason": text}),
    st.fixed_dictionaries({"exit": st.integers(0, 255)}),
    st.fixed_dictionaries(
        {
            "event": st.fixed_dictionaries(
                {"type": st.sampled_from(["session", "tool", "limit", "ask", "result", "usage", "text"]) | text},
                optional={"text": text | st.none(), "resets_at": st.floats(allow_nan=False, allow_infinity=False)},
            )
        }
    ).filter(lambda step: step["event"].get("text", "") is not None),
)
step_lists = st.recursive(
    st.lists(simple_steps, min_size=1, max_size=4),
    lambda inner: st.lists(
        simple_steps | st.builds(lambda steps: {"repeat": 2, "steps": steps}, inner), min_size=1, max_size=3
    ),
    max_leaves=6,
)


@given(steps=step_lists, format=st.sampled_from(["text", "json"]), typed=st.binary(max_size=20))
@settings(deadline=None)
def test_what_is_let_through_can_be_played(tmp_path_factory, steps, format, typed):
    directory = tmp_path_factory.mktemp("run")
    (directory / "in").write_bytes(typed)
    plan = {
        "version": "0",
        "format": format,
        "seed": 0,
        "pace_s": 0,
        "session_id": "s",
        "session_file": str(directory / "session.json"),
        "resumed": False,
        "turns_before": 0,
        "resets_at": None,
        "prompt": "p",
        "prompt_on_stdin": False,
        "steps": check_steps(steps, "it"),
        "replay": None,
    }
    fds = [os.open(directory / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("in", "out", "err")]
    try:
        assert 0 <= Program(plan, *fds).run() <= 255
    finally:
        for fd in fds:
            os.close(fd)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*VERBS, "until", "steps", "kind"]) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(steps=anything)
def test_anything_else_is_a_usage_error_of_one_line(steps):
    try:
        checked = check_steps(steps, "it.toml")
    except UsageError as error:
        assert error.message.startswith("it.toml: ")
        assert error.message.isprintable()
        assert len(error.message) < 400
    else:
        assert check_steps(checked, "it.toml") == checked


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("", "`steps` must be an array of tables with at least one step"),
        ("steps = []", "`steps` must be an array of tables with at least one step"),
        ("steps = ['hello']", "step 1 must be a table"),
        ("steps = [{}]", "step 1 has no verb"),
        ("steps = [{print = 'a'}, {slep_s = 1}]", "step 2 has no verb: `slep_s` is none"),
        ("steps = [{print = 'a', exit = 1}]", "step 1 has 2 verbs (print, exit): one step does one thing"),
        ("steps = [{print = 1}]", "step 1 (`print`): must be a string, not 1"),
        ("steps = [{print = 'a', until = 'b'}]", "step 1 (`print`): `until` can't stand beside it"),
        ("steps = [{sleep_s = -1}]", "step 1 (`sleep_s`): must be a number of seconds, 0 or more"),
        ("steps = [{sleep_s = nan}]", "step 1 (`sleep_s`): must be a number of seconds, 0 or more"),
        ("steps = [{sleep_s = true}]", "step 1 (`sleep_s`): must be a number of seconds, 0 or more"),
        ("steps = [{limit_s = inf}]", "step 1 (`limit_s`): must be a finite number of seconds from 0 to 1e+09"),
        ("steps = [{exit = 256}]", "step 1 (`exit`): must be a whole number from 0 to 255, not 256"),
        ("steps = [{flood_bytes = 1.5}]", "step 1 (`flood_bytes`): must be a whole number, 0 or more, not 1.5"),
        ("steps = [{die = 'SIGKILL'}]", "step 1 (`die`): must be one of ABRT, BUS, FPE, HUP, ILL, INT, KILL,"),
        ("steps = [{fork = 'x'}]", 'step 1 (`fork`): must be one of child, session, daemon, not "x"'),
        ("steps = [{tool = ''}]", "step 1 (`tool`): must be a string that is not empty, not \"\""),
        ("steps = [{tool = 'a', ok = 'no'}]", "step 1 (`tool`): `ok` must be true or false, not \"no\""),
        ("steps = [{begin = false}]", "step 1 (`begin`): must be true, not False"),
        ("steps = [{event = {text = 'a'}}]", 'step 1 (`event`): must be a table with a string `type`'),
        ("steps = [{event = {type = 'a', at = 2020-01-01}}]", "step 1 (`event`): must be a table of strings,"),
        ("steps = [{repeat = 0, steps = [{exit = 1}]}]", 'step 1 (`repeat`): must be a whole number, 1 or more'),
        ("steps = [{repeat = 2}]", "step 1: `steps` must be an array of tables with at least one step"),
        ("steps = [{exit = 1}, {repeat = 2, steps = [{exit = 1}, {exit = -1}]}]", "step 2.2 (`exit`): must be a"),
        ("other = 1\nsteps = [{exit = 1}]", "`other` is unknown: a script holds `steps` and nothing else"),
    ],
)  # fmt: skip
def test_a_wrong_script_is_named_by_file_and_step(tmp_path, script, message):
    path = tmp_path / "wrong.toml"
    path.write_text(script)
    with pytest.raises(UsageError) as caught:
        load_script(path)
    assert caught.value.message.startswith(f"{path}: {message}")
    assert caught.value.message.isprintable()


def test_a_misspelt_verb_gets_the_nearest_one(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("steps = [{slep_s = 1}]")
    with pytest.raises(UsageError) as caught:
        load_script(path)
    assert caught.value.hint == "write `sleep_s`"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"steps = [", "is not TOML: "),
        (b"\xff", "is not UTF-8 text"),
        (b"#" * 1_100_000, "a script has at most 1048576 bytes"),
        (b"a = " + b"[" * 100_000, "is not TOML: "),
        (b"steps = [{exit = " + b"9" * 5000 + b"}]", "is not TOML: "),
        (b"[[steps]]\nevent.type = 'a'\nevent." + b"a." * 5000 + b"a = 1", "its tables are nested too deeply"),
        (b"steps = [{sleep_s = " + b"9" * 400 + b"}]", "must be a number of seconds"),
        (b"steps = [{event = {type = 'a', n = " + b"9" * 400 + b"}}]", "must be a table of strings"),
    ],
    ids=["torn", "binary", "huge", "nested", "digits", "dotted", "seconds", "number"],
)
def test_a_file_that_is_no_script_is_refused(tmp_path, content, message):
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load_script(path)


def test_a_script_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"can't read the script .*none\.toml: No such file or directory"):
        load_script(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="Is a directory"):
        load_script(tmp_path)


def test_repeats_end_somewhere():
    steps = [{"exit": 0}]
    for _ in range(30):
        steps = [{"repeat": 1, "steps": steps}]
    with pytest.raises(UsageError, match="more than 20 repeats in one another"):
        check_steps(steps, "it")


@pytest.mark.parametrize("name", plugin.SCENARIOS)
def test_a_scenario_is_a_script(name):
    steps = scenario_steps(name, DEFAULTS)
    assert check_steps(steps, name) == steps


def test_steps_that_wait_for_input_are_known_at_any_depth():
    assert wants_input([{"repeat": 1, "steps": [{"sleep_s": math.inf, "until": "q"}]}])
    assert wants_input([{"read_stdin": "all"}])
    assert not wants_input([{"sleep_s": 1}, {"print": "ask"}])


def test_program_and_plugin_agree_on_exit_codes_and_verbs(tmp_path):
    plan = {"format": "text", "session_id": "s", "turns_before": 0, "pace_s": 0}
    assert set(Program(plan).verbs) == set(VERBS)
    assert EXIT_CODES == {
        "success": 0,
        "error": 1,
        "refused": EXIT_REFUSED,
        "limited": EXIT_LIMITED,
        "interrupted": EXIT_INTERRUPTED,
    }
    assert set(RESULTS) == set(EXIT_CODES)
    assert issubclass(Ended, Exception)
    assert "KILL" in FATAL_SIGNALS


def test_toml_writes_for_ever_as_inf():
    assert check_steps(tomllib.loads("steps = [{sleep_s = inf}]")["steps"], "it") == [{"sleep_s": math.inf}]


def test_the_script_in_the_readme_is_one(tmp_path):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = [part for part in readme.split("\n\n") if part.startswith("    [[steps]]")]
    path = tmp_path / "demo.toml"
    path.write_text(textwrap.dedent(block))
    assert [next(iter(step)) for step in load_script(path)] == ["begin", "tool", "repeat", "ask", "finish"]
