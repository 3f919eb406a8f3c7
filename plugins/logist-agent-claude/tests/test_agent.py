"""Plans and resumptions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_agent_claude.agent import STOP, ClaudeAgent
from logist_agent_claude.command import Options, chooses_session, without_session

from logist_core.api import (
    AgentContext,
    AttemptStatus,
    JobSpec,
    Last,
    LaunchError,
    LaunchSpec,
    OutputFormat,
    Stdin,
    UsageError,
)

pytestmark = pytest.mark.fast

SESSION = "6b3f71e7-f43a-4aa3-aea1-7ecf1884aee6"
Job = Callable[..., JobSpec]


def last(session_id: str | None = SESSION, **more: str | None) -> Last:
    attempt = AttemptStatus(number=1, state="exited", nonce="0" * 32)
    return Last(attempt=attempt, session_id=session_id, directory="/nowhere", **more)


def value_of(launch: LaunchSpec, option: str) -> str:
    return launch.argv[launch.argv.index(option) + 1]


def test_the_prompt_goes_through_standard_input_and_never_through_argv(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().plan(job(prompt="--help: what does it say?\n"), ctx)
    assert launch.stdin is Stdin.DATA
    assert launch.stdin_data == b"--help: what does it say?\n"
    assert not any("what does it say" in arg for arg in launch.argv)


def test_a_plan_asks_for_events_and_names_its_session(job: Job, ctx: AgentContext, program: Path) -> None:
    launch = ClaudeAgent().plan(job(), ctx)
    assert launch.argv[:5] == (str(program), "--print", "--output-format", "stream-json", "--verbose")
    assert launch.output is OutputFormat.JSON_LINES
    assert launch.session_id == value_of(launch, "--session-id")
    assert uuid.UUID(launch.session_id).version == 4
    assert "--include-partial-messages" in launch.argv
    assert not launch.pty
    assert not launch.buffered


def test_each_plan_has_a_session_of_its_own(job: Job, ctx: AgentContext) -> None:
    agent = ClaudeAgent()
    assert agent.plan(job(), ctx).session_id != agent.plan(job(), ctx).session_id


def test_edits_are_allowed_and_nothing_is_skipped_unless_asked(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().plan(job(), ctx)
    assert value_of(launch, "--permission-mode") == "acceptEdits"
    assert "--dangerously-skip-permissions" not in launch.argv
    assert "IS_SANDBOX" not in launch.env
    assert launch.note is None


def test_skipping_permissions_is_noted_and_works_as_root(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent(Options(skip_permissions=True)).plan(job(), ctx)
    assert "--dangerously-skip-permissions" in launch.argv
    assert "--permission-mode" not in launch.argv
    assert launch.env["IS_SANDBOX"] == "1"
    assert launch.note is not None
    assert "skip_permissions" in launch.note


def test_settings_become_arguments(job: Job, ctx: AgentContext) -> None:
    options = Options.of(
        {
            "model": "opus",
            "permission_mode": "dontAsk",
            "allowed_tools": ["Bash(pytest:*)", "Edit"],
            "disallowed_tools": ["WebFetch"],
            "max_turns": 7,
            "max_budget_usd": 2.5,
            "partial_messages": False,
            "extra_args": ["--effort", "high"],
        }
    )
    argv = ClaudeAgent(options).plan(job(args=("--add-dir", "/srv")), ctx).argv
    text = " ".join(argv)
    assert "--model opus" in text
    assert "--permission-mode dontAsk" in text
    assert "--allowed-tools=Bash(pytest:*) --allowed-tools=Edit --disallowed-tools=WebFetch" in text
    assert "--max-turns 7 --max-budget-usd 2.5" in text
    assert "--include-partial-messages" not in text
    assert argv[-4:] == ("--effort", "high", "--add-dir", "/srv")


@pytest.mark.parametrize("settings", [{"max_turns": 0}, {"max_budget_usd": -1.0}, {"max_budget_usd": float("nan")}])
def test_a_limit_that_is_not_above_zero_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="above 0"):
        Options.of(settings)


def test_marks_of_a_surrounding_session_are_taken_out_and_logins_kept(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().plan(job(), ctx)
    assert {"CLAUDECODE", "CLAUDE_CODE_SESSION_*", "CLAUDE_CODE_CHILD_SESSION"} <= set(launch.env_remove)
    assert not any(name.startswith(("ANTHROPIC", "CLAUDE_CODE_OAUTH")) for name in launch.env_remove)
    assert "*" not in launch.env_remove
    assert {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"} <= set(launch.secrets)
    assert launch.env["DISABLE_AUTOUPDATER"] == "1"


def test_a_stop_interrupts_before_it_terminates(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().plan(job(), ctx)
    assert launch.stop == STOP
    assert [step.signal for step in launch.stop.steps] == ["INT", "TERM"]


@pytest.mark.parametrize("prompt", [None, "", " \n"])
def test_a_job_without_a_prompt_is_refused(job: Job, ctx: AgentContext, prompt: str | None) -> None:
    with pytest.raises(UsageError, match="needs a prompt"):
        ClaudeAgent().plan(job(prompt=prompt), ctx)


def test_raw_arguments_may_hold_the_prompt(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().plan(job(prompt=None, args=("say hello",)), ctx)
    assert launch.argv[-1] == "say hello"
    assert launch.stdin is Stdin.NULL


def test_a_prompt_of_two_megabytes_is_taken(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().plan(job(prompt="é" * 1_000_000), ctx)
    assert len(launch.stdin_data) == 2_000_000
    assert sum(map(len, launch.argv)) < 1000


def test_a_prompt_that_is_no_unicode_is_refused(job: Job, ctx: AgentContext) -> None:
    with pytest.raises(UsageError, match="character 3"):
        ClaudeAgent().plan(job(prompt="abc\udcff"), ctx)


def test_a_missing_program_says_how_to_install_it(job: Job, tmp_path: Path) -> None:
    ctx = AgentContext(environment={"PATH": str(tmp_path / "empty")})
    with pytest.raises(LaunchError, match="isn't installed") as caught:
        ClaudeAgent().plan(job(), ctx)
    assert caught.value.hint == "npm install -g @anthropic-ai/claude-code"


def test_the_program_is_looked_up_in_the_jobs_own_path(job: Job, tmp_path: Path, program: Path) -> None:
    ctx = AgentContext(environment={"PATH": str(tmp_path / "empty")})
    launch = ClaudeAgent().plan(job(env={"PATH": str(program.parent)}), ctx)
    assert launch.argv[0] == str(program)


def test_a_path_may_be_given_relative_to_the_jobs_directory(job: Job, ctx: AgentContext, program: Path) -> None:
    launch = ClaudeAgent(Options(executable="./bin/claude")).plan(job(), ctx)
    assert Path(launch.argv[0]).samefile(program)


def test_the_program_of_another_machine_is_not_looked_up_here(job: Job) -> None:
    assert ClaudeAgent().plan(job(runtime="podman"), AgentContext()).argv[0] == "claude"


@pytest.mark.parametrize("arg", ["--output-format", "--output-format=text", "--input-format", "--bg"])
def test_an_argument_that_takes_the_events_away_is_refused(job: Job, ctx: AgentContext, arg: str) -> None:
    with pytest.raises(UsageError, match=r"can't be given"):
        ClaudeAgent().plan(job(args=(arg, "text")), ctx)


@pytest.mark.parametrize("args", [("--resume", SESSION), ("-c",), (f"--session-id={SESSION}",)])
def test_a_user_may_choose_the_session(job: Job, ctx: AgentContext, args: tuple[str, ...]) -> None:
    launch = ClaudeAgent().plan(job(args=args), ctx)
    assert launch.session_id is None
    assert sum(arg.startswith("--session-id") for arg in launch.argv) == sum(a.startswith("--session-id") for a in args)


def test_a_resumption_names_the_same_session_and_what_happened(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().resume(job(), ctx, last(reason="usage limit"))
    assert launch is not None
    assert value_of(launch, "--resume") == SESSION
    assert "--session-id" not in launch.argv
    assert launch.session_id == SESSION
    said = launch.stdin_data.decode()
    assert "usage limit" in said
    assert "First look at the actual state" in said
    assert "say hello" not in said  # the conversation holds the task already


def test_a_resumption_says_what_the_user_says(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().resume(job(), ctx, last(prompt="now write the tests"))
    assert launch is not None
    assert launch.stdin_data == b"now write the tests"


@pytest.mark.parametrize(
    "session", [None, "", "latest", "--dangerously-skip-permissions", SESSION + "\n", SESSION + "0"]
)
def test_what_is_no_session_id_is_never_put_on_a_command_line(job: Job, ctx: AgentContext, session: str | None) -> None:
    assert ClaudeAgent().resume(job(), ctx, last(session)) is None


def test_a_resumption_drops_the_session_that_the_user_chose_for_the_first_run(job: Job, ctx: AgentContext) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    agent = ClaudeAgent(Options(extra_args=("--fork-session", "--effort", "low")))
    launch = agent.resume(job(args=("--resume", other, "--add-dir", "/srv")), ctx, last())
    assert launch is not None
    assert other not in launch.argv
    assert "--fork-session" not in launch.argv
    assert launch.argv[-4:] == ("--effort", "low", "--add-dir", "/srv")


def test_with_a_terminal_the_full_screen_program_runs(job: Job, ctx: AgentContext, program: Path) -> None:
    launch = ClaudeAgent().plan(job(pty=True, prompt="-v", args=("--effort", "low"), cols=90, rows=30), ctx)
    assert launch.argv[0] == str(program)
    assert "--print" not in launch.argv
    assert launch.argv[-4:] == ("--effort", "low", "--", "-v")
    assert (launch.pty, launch.cols, launch.rows) == (True, 90, 30)
    assert launch.output is OutputFormat.TEXT
    assert launch.session_id == value_of(launch, "--session-id")


def test_with_a_terminal_no_prompt_is_needed(job: Job, ctx: AgentContext) -> None:
    launch = ClaudeAgent().plan(job(pty=True, prompt=None), ctx)
    assert launch.argv[-1] == "acceptEdits"


@pytest.mark.parametrize("prompt", ["x" * 200_000, "a\0b"])
def test_with_a_terminal_a_prompt_that_is_no_argument_is_refused(job: Job, ctx: AgentContext, prompt: str) -> None:
    with pytest.raises(UsageError, match="128 KiB"):
        ClaudeAgent().plan(job(pty=True, prompt=prompt), ctx)


def test_escape_frees_a_stuck_stream() -> None:
    assert ClaudeAgent().unstick() == b"\x1b"


ARGS = st.lists(
    st.sampled_from(
        ["--resume", "-r", "-c", "--continue", "--session-id", f"--resume={SESSION}", "--effort", "low", "x"]
    )
)


@given(ARGS)
def test_taking_the_session_out_leaves_none_and_is_final(args: list[str]) -> None:
    kept = without_session(args)
    assert not chooses_session(kept)
    assert without_session(kept) == kept


@given(st.lists(st.sampled_from(["--effort", "low", "--add-dir", "x", "--model=opus"])))
def test_arguments_about_anything_else_are_kept(args: list[str]) -> None:
    assert without_session(args) == tuple(args)
