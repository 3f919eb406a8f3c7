"""Packages, the user, the project and the job: who may replace, disable and claim what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logist_core.dictionary import layers
from logist_core.errors import ConfigError, UsageError
from logist_core.observe.classify import classify
from logist_core.observe.matcher import Dictionary
from logist_core.types.signals import Claim, PatternSet, Rule

pytestmark = pytest.mark.fast

BASE = PatternSet(
    name="default",
    rules=(Rule(id="any/limit", claim=Claim.RATE_LIMITED, regex="^Limit reached"),),
)


def rule(name: str = "acme/ask", claim: str = "waiting_input", regex: str = "^What now", more: str = "") -> str:
    return f'[[rule]]\nid = "{name}"\nclaim = "{claim}"\nregex = "{regex}"\n{more}\n'


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"LOGIST_CONFIG": str(tmp_path / "config" / "config.toml")}


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def said(dictionary: Dictionary, text: str) -> str:
    return classify(dictionary.for_agent("acme"), text, "text").state


def test_a_user_without_rules_has_no_set(env: dict[str, str]) -> None:
    assert layers.user_set(env) is None


def test_a_users_rule_replaces_a_packages_rule_of_the_same_id(env: dict[str, str], tmp_path: Path) -> None:
    write(layers.user_folder(env), "mine.toml", rule("any/limit", "working", "^Limit reached"))
    own = layers.user_set(env)
    assert own is not None
    assert said(Dictionary([BASE, own]), "Limit reached") == "working"
    assert Dictionary([BASE, own]).rules[0][0] == "user/any/limit"


def test_a_user_disables_a_rule_by_its_id(env: dict[str, str]) -> None:
    write(layers.user_folder(env), "mine.toml", 'disable = ["any/limit"]\n')
    own = layers.user_set(env)
    assert own is not None
    assert said(Dictionary([BASE]), "Limit reached") == "rate_limited"
    assert said(Dictionary([BASE, own]), "Limit reached") == "unknown"


def test_a_users_broken_file_is_an_error_that_names_it(env: dict[str, str]) -> None:
    write(layers.user_folder(env), "mine.toml", "[[rule]]\nid = 5\n")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        layers.user_set(env)


def project(tmp_path: Path, text: str) -> tuple[PatternSet | None, list[str]]:
    (tmp_path / ".git").mkdir(exist_ok=True)
    write(tmp_path / ".logist" / "patterns", "p.toml", text)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True, exist_ok=True)
    return layers.project_set(below)


def test_a_projects_rule_adds_a_weak_claim(tmp_path: Path) -> None:
    own, warnings = project(tmp_path, rule(more="confidence = 1.0\nfinal = true"))
    assert own is not None and warnings == []
    (kept,) = own.rules
    assert (kept.id, kept.confidence, kept.final) == ("project/acme-ask", layers.PROJECT_CONFIDENCE, False)
    assert said(Dictionary([BASE, own]), "What now") == "waiting_input"
    assert said(Dictionary([BASE, own]), "Limit reached\nWhat now") == "rate_limited"


@pytest.mark.parametrize("claim", sorted(set(Claim) - layers.PROJECT_CLAIMS))
def test_a_project_claims_nothing_by_which_a_job_waits_or_ends(tmp_path: Path, claim: str) -> None:
    own, warnings = project(tmp_path, rule(claim=claim))
    assert own is None
    assert len(warnings) == 1 and f"can't claim {claim}" in warnings[0]


def test_a_project_replaces_and_disables_nothing(tmp_path: Path) -> None:
    own, warnings = project(tmp_path, 'disable = ["any/limit"]\n' + rule("any/limit", "working", "^Limit reached"))
    assert own is not None and "can't disable" in warnings[0]
    assert said(Dictionary([BASE, own]), "Limit reached") == "rate_limited"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('fields = { session_id = "str" }', "session_id"),
        ('fields = { clears = "str" }', "clears"),
        ('channels = ["json"]', "structured"),
    ],
)
def test_a_project_captures_no_session_and_withdraws_nothing(tmp_path: Path, more: str, why: str) -> None:
    own, warnings = project(tmp_path, rule(regex="^What (?P<session_id>now)(?P<clears>x)?", more=more))
    assert own is None and why in warnings[0]


def test_a_projects_broken_file_is_a_warning(tmp_path: Path) -> None:
    own, warnings = project(tmp_path, "rule = 5")
    assert own is None and "ignored" in warnings[0]


def test_a_project_has_so_many_rules_and_no_more(tmp_path: Path) -> None:
    own, warnings = project(tmp_path, "".join(rule(f"acme/r{i}") for i in range(layers.MOST_PROJECT_RULES + 3)))
    assert own is not None and len(own.rules) == layers.MOST_PROJECT_RULES
    assert len(warnings) == 3


def test_a_fifo_among_a_projects_rules_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / ".logist" / "patterns"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "p.toml")
    own, warnings = layers.project_set(tmp_path)
    assert own is None and "not a regular file" in warnings[0]


def test_a_jobs_files_are_recorded_and_read_again_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "job.toml", rule("any/limit", "working", "^Limit reached"))
    own = layers.job_set([str(path)])
    record = layers.recorded((None, own))
    path.unlink()
    sets = layers.sets_for_job([BASE], record)
    assert sets == [BASE, own]
    assert said(Dictionary(sets), "Limit reached") == "working"


def test_a_record_that_no_version_wrote_is_left_out() -> None:
    assert layers.sets_for_job([BASE], [{"name": 5}, {"name": "job", "rules": [{"id": "x"}]}]) == [BASE]


@pytest.mark.parametrize("text", ['[[rule]]\nid = "a/b"\n', rule(regex="a(b"), "x = ["])
def test_a_jobs_file_that_cannot_work_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="--patterns"):
        layers.job_set([str(write(tmp_path, "job.toml", text))])


def test_a_jobs_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no file"):
        layers.job_set(["/nowhere/job.toml"])
