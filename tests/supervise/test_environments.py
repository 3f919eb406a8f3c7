from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.supervise.environment import (
    JOB_MARKS,
    attempt_environment,
    respawn_environment,
    supervisor_environment,
)
from logist_core.types.job import JobSpec
from logist_core.types.launch import LaunchSpec

pytestmark = pytest.mark.fast


def spec(**env: str) -> JobSpec:
    return JobSpec(id="0" * 16, agent="a", runtime="r", cwd="/", created_at=0.0, env=env)


def test_the_plan_removes_by_name_and_by_pattern() -> None:
    launch = LaunchSpec(argv=("x",), cwd="/", env_remove=("CLAUDECODE", "CLAUDE_CODE_*"))
    env = attempt_environment({"CLAUDECODE": "1", "CLAUDE_CODE_X": "1", "HOME": "/h"}, spec(), launch)
    assert env == {"HOME": "/h"}


def test_what_the_user_asks_for_by_name_wins_over_the_plan() -> None:
    launch = LaunchSpec(argv=("x",), cwd="/", env={"CI": "1", "NO_COLOR": "1"})
    assert attempt_environment({"CI": "0"}, spec(CI="2"), launch) == {"CI": "2", "NO_COLOR": "1"}


ENVIRONMENTS = st.dictionaries(st.sampled_from([*JOB_MARKS, "HOME", "API_KEY", "PATH", "LC_ALL"]), st.text(max_size=5))


@given(ENVIRONMENTS)
def test_no_process_of_ours_passes_for_a_child_of_a_surrounding_job(inherited: dict[str, str]) -> None:
    for env in (supervisor_environment(inherited), respawn_environment(inherited)):
        assert not set(JOB_MARKS) & set(env)


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=5)))
def test_a_keeper_keeps_no_secret_for_the_supervisor_it_may_start(inherited: dict[str, str]) -> None:
    kept = respawn_environment({**inherited, "ANTHROPIC_API_KEY": "s", "GH_TOKEN": "s", "MY_SECRET": "s"})
    assert not {"ANTHROPIC_API_KEY", "GH_TOKEN", "MY_SECRET"} & set(kept)
