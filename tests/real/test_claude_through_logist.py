"""The real Claude Code CLI as a Logist job, from submission to its end, with everything inside the namespace."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_provider.harness import Provider, clean_environment
from support.logist import Logist, alive, kill
from support.waiting import eventually

pytestmark = pytest.mark.real

Told = Callable[..., dict[str, str]]


@pytest.fixture
def told(claude: str, provider: Provider, logist: Logist) -> Told:
    """Make the variables of a shell in which claude talks to the provider playing a scenario."""

    def make(scenario: str, **details: object) -> dict[str, str]:
        home = Path(logist.environment["HOME"])
        return {**clean_environment(home, claude, provider.url(scenario, **details)), "CLAUDE_CODE_MAX_RETRIES": "1"}

    return make


@pytest.fixture
def confined(logist: Logist, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Logist:
    """The `logist` command inside the provider's namespace, supervisor, runtime and agents included."""

    def popen(*args: str, **options: Any) -> subprocess.Popen[str]:
        for stream in ("stdin", "stdout", "stderr"):
            options.setdefault(stream, subprocess.DEVNULL if stream == "stdin" else subprocess.PIPE)
        env = {**logist.environment, **options.pop("env", {})}
        argv = provider.inside([sys.executable, "-m", "logist_core", *args])
        return subprocess.Popen(argv, text=True, env=env, **options)

    monkeypatch.setattr(logist, "popen", popen)
    return logist


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def words(provider: Provider, nth: int = -1) -> str:
    """Return the whole conversation that a request carried."""
    return str(provider.requests()[nth]["body"]["messages"])


def programs(logist: Logist) -> list[int]:
    """Return the pids of the claude processes of this home, as the kernel knows them."""
    return [pid for pid, command in logist.processes() if "\0--output-format\0stream-json\0" in command]


def test_a_normal_answer(confined: Logist, told: Told, provider: Provider) -> None:
    confined("run", "-a", "claude", "paint the fence", env=told("ok"))
    status = confined.status("@last")
    assert (status["lifecycle"], status["outcome"], status["exit"]["code"]) == ("succeeded", "succeeded", 0)
    assert (status["activity"]["state"], status["activity"]["rule"]) == ("completed", "claude:result")
    (request,) = provider.requests()
    assert "paint the fence" in words(provider)
    assert request["headers"]["x-claude-code-session-id"] == status["session_id"]


def test_a_tool_call_writes_a_file(confined: Logist, told: Told, work: Path) -> None:
    env = told("tool", tool="Write", input='{"file_path": "hello.txt", "content": "from the tool"}')
    job = confined.submit("-a", "claude", "-C", str(work), "say hello", env=env)
    assert confined.ended(job)["outcome"] == "succeeded"
    assert (work / "hello.txt").read_text() == "from the tool"


def test_a_refused_key_holds_the_job_until_it_is_resumed_with_a_good_one(
    confined: Logist, told: Told, provider: Provider
) -> None:
    job = confined.submit("-a", "claude", "paint the fence", env=told("401"))
    held = confined.until(job, "held")
    assert "Invalid API key" in held["reason"]
    assert held["activity"]["state"] == "auth_failed"
    confined("resume", job, env=told("ok"))
    status = confined.ended(job)
    assert (status["outcome"], status["attempt"]) == ("succeeded", 2)
    assert status["session_id"] == held["session_id"]
    assert "paint the fence" in words(provider)


def test_a_usage_limit_is_waited_out(confined: Logist, told: Told) -> None:
    resets_at = int(time.time()) + 3 * 3600
    subscription = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy", "ANTHROPIC_API_KEY": ""}
    env = {**told("usage-limit", resets_at=resets_at), **subscription}
    status = confined.until(confined.submit("-a", "claude", "say hello", env=env), "waiting")
    assert status["not_before"] >= resets_at
    assert "usage limit" in status["reason"]


def test_a_stream_that_hangs_is_stopped_and_nothing_is_left(confined: Logist, told: Told, provider: Provider) -> None:
    job = confined.submit("-a", "claude", "say hello", env=told("hang"))
    eventually(provider.requests, what="a request")
    status = confined.until(job, "running")
    assert status["activity"]["state"] in ("working", "unknown")
    assert len(programs(confined)) == 1
    confined("stop", job)
    status = confined.ended(job)
    assert (status["lifecycle"], status["exit"]["code"]) == ("cancelled", 0)
    assert status["activity"]["state"] == "interrupted"
    assert programs(confined) == []


def test_an_ended_job_goes_on_with_the_same_conversation(confined: Logist, told: Told, provider: Provider) -> None:
    job = confined.submit("-a", "claude", "paint the fence", env=told("ok", text="It is green."))
    first = confined.ended(job)
    confined("resume", job, "now the gate", env=told("ok"))
    eventually(lambda: len(provider.requests()) == 2, what="a second request")
    second = confined.ended(job)
    assert (second["outcome"], second["attempt"]) == ("succeeded", 2)
    assert second["session_id"] == first["session_id"]
    conversation = words(provider)
    assert conversation.index("paint the fence") < conversation.index("It is green.")
    assert conversation.index("It is green.") < conversation.index("now the gate")


def test_a_kill_of_the_supervisor_in_the_middle_of_a_turn_costs_nothing(
    confined: Logist, told: Told, provider: Provider
) -> None:
    job = confined.submit("-a", "claude", "count to thirty", env=told("slow", ms=150, chunks=30))
    log = confined.attempt_dir(job) / "out.log"
    eventually(lambda: log.exists() and b"token-3 " in log.read_bytes(), what="the middle of the turn")
    supervisor, (agent,) = confined.supervisor_pid(), programs(confined)
    kill(supervisor)
    assert alive(agent)
    status = confined.ended(job)
    assert (status["outcome"], status["exit"]["code"], status["attempt"]) == ("succeeded", 0, 1)
    assert confined.supervisor_pid() != supervisor
    assert len(provider.requests()) == 1
    text = log.read_text()
    assert all(f"token-{n} " in text for n in range(1, 31))
    assert text.count('"type":"result"') == 1


def test_a_usage_limit_is_over_and_the_same_conversation_is_finished_across_a_supervisors_death(
    confined: Logist, told: Told, provider: Provider
) -> None:
    resets_at = int(time.time()) + 20
    env = told("seq", of="usage-limit:ok", resets_at=resets_at)
    env |= {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy", "ANTHROPIC_API_KEY": "", "CLAUDE_CODE_MAX_RETRIES": "0"}
    job = confined.submit("-a", "claude", "paint the fence", env=env)
    waiting = confined.until(job, "waiting")
    assert (waiting["limit"]["claim"], waiting["limit"]["scope"]) == ("rate_limited", "credential")
    assert "sk-ant" not in waiting["credential"]
    other = confined.submit("-a", "claude", "paint the gate", env=env)
    assert confined.until(other, "waiting")["limit"]["seen_by"] == job
    assert len(provider.requests()) == 1
    kill(confined.supervisor_pid())
    for number, ref in ((2, job), (1, other)):
        status = confined.ended(ref, within_s=90.0)
        assert (status["outcome"], status["attempt"]) == ("succeeded", number)
        assert status["attempts"][-1]["started_at"] >= resets_at
    assert confined.status(job)["session_id"] == waiting["session_id"]
    assert "paint the fence" in str([request["body"]["messages"] for request in provider.requests()[1:]])


def test_an_overload_is_waited_out_with_a_back_off(confined: Logist, told: Told) -> None:
    Path(confined.environment["LOGIST_CONFIG"]).write_text("[limits]\nbackoff_first_s = 0.5\n")
    env = {**told("seq", of="529:529:ok"), "CLAUDE_CODE_MAX_RETRIES": "0"}
    status = confined.ended(confined.submit("-a", "claude", "paint the fence", env=env), within_s=90.0)
    assert (status["outcome"], status["attempt"]) == ("succeeded", 3)
    assert all(attempt["resumed"] for attempt in status["attempts"][1:])
