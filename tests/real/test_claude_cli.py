"""The real Claude Code CLI, run as the plugin plans it, against a fake provider without any way to the outside.

These tests hold the facts about the CLI that the plugin is written from; when they fail with a newer CLI, the plugin
has to follow.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fake_provider.harness import DUMMY_KEY, Provider, clean_environment
from logist_agent_claude.agent import ClaudeAgent
from logist_agent_claude.command import Options
from support.waiting import eventually

from logist_core.api import (
    AgentContext,
    AttemptStatus,
    Claim,
    ExitStatus,
    JobSpec,
    Last,
    LaunchSpec,
    Outcome,
    Result,
    Signal,
)
from logist_core.supervise.environment import attempt_environment

pytestmark = pytest.mark.real

#: Without it the CLI retries for three minutes before it gives up.
ONE_RETRY = {"CLAUDE_CODE_MAX_RETRIES": "1"}


@dataclass
class Run:
    """One process of the CLI, writing to files as a runtime has it."""

    agent: ClaudeAgent
    launch: LaunchSpec
    process: subprocess.Popen[bytes]
    out: Path

    def signals(self) -> list[Signal]:
        """Return what the complete lines so far say."""
        lines = self.out.read_bytes().split(b"\n")[:-1]
        return [signal for line in lines for signal in self.agent.parse(line.decode(), "out")]

    def claims(self) -> set[Claim | None]:
        return {signal.claim for signal in self.signals()}

    def fields(self, name: str) -> list[Any]:
        return [signal.fields[name] for signal in self.signals() if name in signal.fields]

    def ended(self, within_s: float = 30.0) -> Outcome:
        """Wait for the end, and return the plugin's judgement of it."""
        code = self.process.wait(within_s)
        exit = ExitStatus(code=code) if code >= 0 else ExitStatus(signal=-code)
        outcome = self.agent.outcome(exit, self.signals())
        assert outcome is not None
        return outcome


@dataclass
class Desk:
    """A user's home and working directory, and the provider that the user's variables point to."""

    provider: Provider
    program: str
    root: Path
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home, self.work = self.root / "home", self.root / "work"
        self.home.mkdir()
        self.work.mkdir()

    def job(self, prompt: str = "say hello", **changes: Any) -> JobSpec:
        env = {**ONE_RETRY, **changes.pop("env", {})}
        return JobSpec(
            id="0123456789abcdef",
            agent="claude",
            runtime="host",
            cwd=str(self.work),
            created_at=0.0,
            prompt=prompt,
            env=env,
            **changes,
        )

    def start(
        self,
        scenario: str,
        job: JobSpec | None = None,
        *,
        options: Options | None = None,
        inherited: Mapping[str, str] | None = None,
        resume: str | None = None,
        **details: object,
    ) -> Run:
        """Plan `job` and start it, or resume the session `resume`, with the provider playing `scenario`."""
        environment = {
            **clean_environment(self.home, self.program, self.provider.url(scenario, **details)),
            **(inherited or {}),
        }
        agent, job, ctx = ClaudeAgent(options), job or self.job(), AgentContext(environment=environment)
        if resume is None:
            launch: LaunchSpec | None = agent.plan(job, ctx)
        else:
            attempt = AttemptStatus(number=1, state="exited", nonce="0" * 32)
            reason = "the machine was switched off"
            launch = agent.resume(job, ctx, Last(attempt=attempt, session_id=resume, directory="", reason=reason))
        assert launch is not None
        number = len(self.runs)
        given, out = self.root / f"in-{number}", self.root / f"out-{number}"
        given.write_bytes(launch.stdin_data)
        with given.open("rb") as stdin, out.open("wb") as stdout, (self.root / f"err-{number}").open("wb") as stderr:
            process = subprocess.Popen(
                self.provider.inside(launch.argv),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=launch.cwd,
                env=attempt_environment(environment, job, launch),
            )
        run = Run(agent, launch, process, out)
        self.runs.append(run)
        return run


@pytest.fixture
def desk(provider: Provider, claude: str, tmp_path: Path) -> Any:
    desk = Desk(provider, claude, tmp_path)
    yield desk
    for run in desk.runs:
        run.process.kill()
        run.process.wait()


def said_by_the_user(request: Mapping[str, Any]) -> str:
    """Return all words of the user in the conversation of a request."""
    parts = [m["content"] for m in request["body"]["messages"] if m["role"] == "user"]
    blocks = [block for part in parts for block in ([{"text": part}] if isinstance(part, str) else part)]
    return "\n".join(block.get("text", "") for block in blocks)


def test_nothing_inside_the_namespace_reaches_the_outside(provider: Provider) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 443), timeout=5)"
    said = subprocess.run(provider.inside([sys.executable, "-c", code]), capture_output=True, text=True, check=False)
    assert "Network is unreachable" in said.stderr


def test_a_normal_answer(desk: Desk) -> None:
    run = desk.start("ok", desk.job("--what is the answer?"))
    assert run.ended() == Outcome(
        result=Result.SUCCEEDED, reason="the result event says success", claim=Claim.COMPLETED
    )
    (request,) = desk.provider.requests("ok")
    assert "--what is the answer?" in said_by_the_user(request)
    assert request["headers"]["x-api-key"] == DUMMY_KEY
    first, *_, last = run.signals()
    assert first.fields["session_id"] == last.fields["session_id"] == run.launch.session_id
    assert (last.final, last.fields["tokens_in"], last.fields["tokens_out"]) == (True, 100, 7)
    assert last.fields["cost_usd"] > 0


def test_a_prompt_of_a_megabyte_arrives_whole(desk: Desk) -> None:
    prompt = "start " + "é" * 500_000 + " end"
    assert desk.start("ok", desk.job(prompt)).ended().result is Result.SUCCEEDED
    assert prompt in said_by_the_user(desk.provider.requests("ok")[-1])


def test_a_tool_call_writes_a_file_without_being_asked(desk: Desk) -> None:
    given = '{"file_path": "hello.txt", "content": "from the tool"}'
    run = desk.start("tool", tool="Write", input=given)
    assert run.ended().result is Result.SUCCEEDED
    assert (desk.work / "hello.txt").read_text() == "from the tool"
    (opened,), (closed,) = run.fields("tool_open"), run.fields("tool_closed")
    assert opened == closed
    assert run.fields("tool") == ["Write"]


def test_a_command_that_nobody_allowed_is_denied_and_the_outcome_says_so(desk: Desk) -> None:
    run = desk.start("tool", command='python3 -c \'open("made", "w")\'')
    outcome = run.ended()
    assert outcome.result is Result.SUCCEEDED
    assert "1 tool call was denied (Bash)" in outcome.reason
    assert Claim.TOOL_ERROR in run.claims()
    assert not (desk.work / "made").exists()


def test_a_command_that_the_settings_allow_is_run(desk: Desk) -> None:
    options = Options(allowed_tools=("Bash(env)", "Bash(exit:*)"), disallowed_tools=("WebFetch",))
    outcome = desk.start("tool", options=options, command="exit 0").ended()
    assert "denied" not in outcome.reason


def test_a_command_sees_nothing_of_a_session_around_it(desk: Desk) -> None:
    outer = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "outer-session", "CLAUDE_CODE_ENTRYPOINT": "outer-cli"}
    run = desk.start("tool", options=Options(skip_permissions=True), inherited=outer, command="env > env.txt")
    assert run.ended().result is Result.SUCCEEDED
    environment = (desk.work / "env.txt").read_text()
    assert "outer-" not in environment
    assert f"CLAUDE_CODE_SESSION_ID={run.launch.session_id}\n" in environment


@pytest.mark.parametrize(
    ("scenario", "claim", "retries"),
    [
        ("401", Claim.AUTH_FAILED, True),
        ("403", Claim.AUTH_FAILED, False),
        ("404", Claim.MODEL_UNAVAILABLE, False),
        ("429", Claim.RATE_LIMITED, True),
        ("500", Claim.OVERLOADED, True),
        ("529", Claim.OVERLOADED, True),
        ("quota", Claim.BILLING, False),
        ("toolong", Claim.CONTEXT_EXHAUSTED, False),
    ],
)
def test_an_error_of_the_provider_is_seen_for_what_it_is(
    desk: Desk, scenario: str, claim: Claim, retries: bool
) -> None:
    run = desk.start(scenario)
    outcome = run.ended()
    assert (outcome.result, outcome.claim) == (Result.FAILED, claim)
    assert outcome.hold == (claim in (Claim.AUTH_FAILED, Claim.BILLING))
    assert (outcome.then is not None) == (claim in (Claim.RATE_LIMITED, Claim.OVERLOADED))
    # A signal that comes while it retries has the same claim as the end.
    assert {s.claim for s in run.signals() if "attempt" in s.fields} == ({claim} if retries else set())


def test_trouble_that_passes_is_no_failure(desk: Desk) -> None:
    run = desk.start("first2-529", desk.job(env={"CLAUDE_CODE_MAX_RETRIES": "3"}))
    assert run.ended().result is Result.SUCCEEDED
    assert run.fields("attempt") == [1, 2]
    assert len(desk.provider.requests()) == 3


def test_a_usage_limit_names_its_reset_and_the_session_goes_on_after_it(desk: Desk) -> None:
    resets_at = int(time.time()) + 3 * 3600
    subscription = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy", "ANTHROPIC_API_KEY": ""}
    run = desk.start("usage-limit", desk.job("paint the fence"), inherited=subscription, resets_at=resets_at)
    outcome = run.ended()
    assert outcome.claim is Claim.RATE_LIMITED
    assert outcome.then is not None
    assert outcome.then.at == resets_at
    again = desk.start("ok", inherited=subscription, resume=run.launch.session_id)
    assert again.ended().result is Result.SUCCEEDED
    assert "paint the fence" in said_by_the_user(desk.provider.requests("ok")[-1])


def test_a_login_that_is_missing_holds_the_job(desk: Desk) -> None:
    outcome = desk.start("ok", inherited={"ANTHROPIC_API_KEY": ""}).ended()
    assert (outcome.claim, outcome.hold) == (Claim.AUTH_FAILED, True)
    assert desk.provider.requests() == []


@pytest.mark.parametrize("scenario", ["hang", "hangmid"])
def test_a_stream_that_hangs_is_ended_cleanly_by_the_first_step_of_the_stop(desk: Desk, scenario: str) -> None:
    run = desk.start(scenario)
    eventually(desk.provider.requests, what="a request")
    if scenario == "hangmid":
        eventually(lambda: b'"text":"from "' in run.out.read_bytes(), what="the words before the silence")
    else:
        eventually(lambda: b'"requesting"' in run.out.read_bytes(), what="the request in the log")
    assert run.process.poll() is None
    assert not any(signal.final for signal in run.signals())
    step = run.launch.stop.steps[0]
    run.process.send_signal(getattr(signal, f"SIG{step.signal}"))
    outcome = run.ended(within_s=step.grace_s)
    assert (outcome.result, outcome.claim) == (Result.INTERRUPTED, Claim.INTERRUPTED)


def test_a_slow_answer_shows_life_word_by_word(desk: Desk) -> None:
    run = desk.start("slow", ms=20, chunks=10)
    assert run.ended().result is Result.SUCCEEDED
    assert sum(signal.rule == "claude:stream_event" for signal in run.signals()) >= 10


def test_a_session_that_was_killed_in_the_middle_of_a_tool_goes_on(desk: Desk) -> None:
    permitted = Options(skip_permissions=True)
    first = desk.start("tool", desk.job("paint the fence"), options=permitted, command="touch started; sleep 60")
    eventually((desk.work / "started").exists, what="the tool")
    # The program writes its conversation down a moment after the tool began; before that there is none to take up.
    record = f".claude/projects/*/{first.launch.session_id}.jsonl"
    eventually(lambda: any("tool_use" in p.read_text() for p in desk.home.glob(record)), what="the conversation")
    first.process.kill()
    killed = first.ended()
    assert killed.result is Result.FAILED
    assert "signal 9" in killed.reason

    second = desk.start("ok", resume=first.launch.session_id)
    assert second.ended().result is Result.SUCCEEDED
    (request,) = desk.provider.requests("ok")
    words = said_by_the_user(request)
    assert words.index("paint the fence") < words.index("the machine was switched off")
    assert request["headers"]["x-claude-code-session-id"] == first.launch.session_id
    assert set(second.fields("session_id")) == {first.launch.session_id}


def test_a_session_that_is_gone_fails_in_plain_words(desk: Desk) -> None:
    outcome = desk.start("ok", resume="00000000-0000-4000-8000-000000000000").ended()
    assert outcome.result is Result.FAILED
    assert "isn't on this machine any more" in outcome.reason


def test_a_limit_of_turns_is_a_budget(desk: Desk) -> None:
    outcome = desk.start("tool", options=Options(max_turns=1, skip_permissions=True)).ended()
    assert (outcome.result, outcome.claim) == (Result.FAILED, Claim.BUDGET_EXCEEDED)


def test_a_limit_of_dollars_is_a_budget(desk: Desk) -> None:
    outcome = desk.start("ok", options=Options(max_budget_usd=1e-7)).ended()
    assert (outcome.result, outcome.claim) == (Result.FAILED, Claim.BUDGET_EXCEEDED)


def test_the_program_is_found_with_its_version_and_its_login(desk: Desk) -> None:
    environment = clean_environment(desk.home, desk.program, "http://127.0.0.1:1")
    ready = ClaudeAgent().probe(AgentContext(environment=environment))
    assert (ready.installed, ready.version, ready.logged_in, ready.problems) == (True, "2.1.197", True, ())
