"""`logist patterns`, through the real command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logist_core.cli.main import run
from logist_core.dictionary import skeleton
from logist_core.types.signals import Claim


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGIST_CONFIG", str(tmp_path / "config" / "config.toml"))
    return tmp_path


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Any:
    def tell(*args: str) -> tuple[int, str, str]:
        code = run(["patterns", *args])
        out, err = capsys.readouterr()
        return code, out, err

    return tell


def test_list_shows_the_rules_of_an_agent_and_of_any(tell: Any) -> None:
    code, out, _ = tell("list", "--agent", "aider", "--json")
    rules = json.loads(out)["rules"]
    assert code == 0
    assert {"aider", "*"} <= {name for rule in rules for name in rule.get("agents", ["*"])}
    assert tell("list", "--claim", "billing")[1].count("billing") > 3


def test_list_explains_the_vocabulary(tell: Any) -> None:
    claims = json.loads(tell("list", "--claims", "--json")[1])["claims"]
    assert set(claims) == set(Claim)


def test_test_shows_the_signals_and_what_they_amount_to(tell: Any, here: Path) -> None:
    (here / "log").write_text("hello\nError: rate limit exceeded; try again in 20 minutes\n")
    code, out, _ = tell("test", "log", "--json")
    signal, last = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert (signal["claim"], signal["offset"]) == ("rate_limited", 6)
    assert last["activity"]["state"] == "rate_limited"
    assert "unknown" in tell("test", str(here / "log"), "--stream", "title")[1]


@pytest.mark.parametrize(
    ("text", "verdict"), [("Error: rate limit exceeded", "hit"), ("- Error: rate limit exceeded", "quoted")]
)
def test_why_names_the_rule_and_the_guard(tell: Any, text: str, verdict: str) -> None:
    code, out, _ = tell("why", text, "--json")
    assert code == 0
    assert verdict in {look["verdict"] for look in json.loads(out)["looks"]}


def test_why_names_the_channel_and_the_agent(tell: Any) -> None:
    verdicts = {look["verdict"] for look in json.loads(tell("why", "esc to interrupt", "--json")[1])["looks"]}
    assert "channel" in verdicts
    verdicts = {look["verdict"] for look in json.loads(tell("why", "code> ", "--json", "--stream", "tty")[1])["looks"]}
    assert "agent" in verdicts


def test_hostile_text_reaches_no_terminal(tell: Any, here: Path) -> None:
    (here / "log").write_bytes(b"Error: rate limit exceeded \x1b]0;x\x07\x9b31m \xe2\x80\xae\n")
    for args in (("test", "log"), ("why", "Error: rate limit exceeded \x1b[31m")):
        assert "\x1b" not in tell(*args)[1]


def test_eval_prints_exactly_the_documented_shape(tell: Any, here: Path) -> None:
    rows = [
        {"id": "a", "agent": "any", "label": "rate_limited", "stream": "stderr", "text": "Error: rate limit exceeded"},
        {"id": "b", "agent": "any", "label": "none", "stream": "tty", "text": "All is well."},
        {"id": "c", "agent": "claude", "label": "completed", "stream": "json",
         "text": '{"type":"result","subtype":"success","is_error":false,\n "result":"ok"}'},
        {"id": "d", "agent": "nobody", "label": "crashed", "stream": "tty", "text": "What a day"},
    ]  # fmt: skip
    (here / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = tell("eval", "c.jsonl", "--json")
    made = json.loads(out)
    assert code == 0
    assert set(made) == {"overall", "per_label", "per_agent", "none_false_positive_rate", "errors"}
    assert set(made["overall"]["strict"]) == {"precision", "recall", "f1"}
    assert made["errors"] == [{"id": "d", "expected": "crashed", "got": "none", "rule": None}]
    assert "crashed read as none" in tell("eval", "c.jsonl")[1]
    assert "SAMPLES" in tell("eval", "c.jsonl", "--leave-one-source-out", "--only", "any")[1]


def test_noise_counts_false_alarms_and_fails_by_a_terminal_one(tell: Any, here: Path) -> None:
    (here / "src").mkdir()
    (here / "src" / "a.py").write_text("raise RateLimit('rate limit exceeded')\n")
    (here / "src" / "b.bin").write_bytes(b"\0Error: rate limit exceeded\n")
    code, out, _ = tell("noise", "src", "--json")
    assert (code, json.loads(out)["terminal_claims"], json.loads(out)["files"]) == (0, 0, 2)
    (here / "src" / "log").write_text("Error: rate limit exceeded\n")
    code, out, _ = tell("noise", "src")
    assert code == 1 and "rate limit exceeded" in out


def test_a_new_users_file_is_in_force_and_passes_lint(tell: Any, here: Path) -> None:
    code, out, _ = tell("new", "acme", "--user")
    assert code == 0 and out.strip() == str(here / "config" / "patterns" / "acme.toml")
    assert tell("lint", "--set", "user")[0] == 0
    found = json.loads(tell("why", "--agent", "acme", "Quota used up; resets in 20 minutes", "--json")[1])
    assert found["activity"]["rule"] == "user/acme/quota"
    assert tell("new", "acme", "--user")[0] == 2


def test_a_new_distribution_is_complete(tell: Any, here: Path) -> None:
    assert tell("new", "my-agent", "--into", "made")[0] == 0
    root = here / "made" / "logist-patterns-my-agent"
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == set(
        skeleton.distribution("my-agent")
    )
    assert tell("lint", str(root / "logist_patterns_my_agent" / "rules.toml"))[0] == 0


@pytest.mark.parametrize("name", ["Acme", "a b", "../x", "a" * 40, "-"])
def test_a_name_that_cannot_be_a_sets_is_refused(tell: Any, name: str) -> None:
    code, _, err = tell("new", "--", name)
    assert code == 2 and "can't be a set's name" in err


def test_lint_says_what_is_wrong_and_fails(tell: Any, here: Path) -> None:
    (here / "bad.toml").write_text('[[rule]]\nid = "a/b"\nclaim = "failed"\nregex = "^\\\\w+$"\nexamples = ["x y"]\n')
    code, out, _ = tell("lint", "bad.toml", "--json")
    made = json.loads(out)
    said = " ".join(finding["text"] for finding in made["findings"])
    assert code == 1 and made["checked"] == 1
    for words in ("has no literals", "doesn't match its example", "counter-examples", "source"):
        assert words in said


def test_all_rules_that_are_installed_pass_lint(tell: Any) -> None:
    code, out, _ = tell("lint")
    assert code == 0, out


@pytest.mark.parametrize(
    "args", [("test", "/nowhere"), ("eval", "/nowhere"), ("noise", "/nowhere"), ("test", "-", "--stream", "x")]
)
def test_bad_input_is_one_line(tell: Any, args: tuple[str, ...]) -> None:
    code, _, err = tell(*args)
    assert code == 2 and "Traceback" not in err
