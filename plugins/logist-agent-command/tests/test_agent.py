"""What the command agent plans, what it refuses, and how it judges an end."""

from __future__ import annotations

import os
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logist_agent_command.agent import MAX_ARGUMENT_BYTES, CommandAgent, signal_name, stop_ladder

from logist_core.api import AgentContext, ExitStatus, JobSpec, LaunchError, Result, Stdin, StopStep, UsageError

pytestmark = pytest.mark.fast


def job(cwd, *args, **more):
    return JobSpec(
        **{"id": "0" * 16, "agent": "command", "runtime": "host", "cwd": str(cwd), "created_at": 0.0, "args": args}
        | more
    )


def plan(cwd, *args, path=os.defpath, settings=None, **more):
    environment = {} if path is None else {"PATH": path}
    return CommandAgent(settings or {}).plan(job(cwd, *args, **more), AgentContext(environment=environment))


def program(directory, name="tool", mode=0o755):
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(mode)
    return path


def test_the_command_line_is_passed_on_as_it_is(tmp_path):
    launch = plan(tmp_path, "sh", "-c", "echo $HOME *", "", "--", "-x")
    assert launch.argv[1:] == ("-c", "echo $HOME *", "", "--", "-x")
    assert (launch.cwd, launch.stdin, launch.pty, launch.output) == (str(tmp_path), Stdin.NULL, False, "text")


@pytest.mark.parametrize(
    ("settings", "pty", "stdin"),
    [({}, None, "null"), ({"stdin": "open"}, None, "open"), ({}, True, "open"), ({"stdin": "null"}, False, "null")],
)
def test_standard_input_is_null_unless_asked_for(tmp_path, settings, pty, stdin):
    launch = plan(tmp_path, "sh", settings=settings, pty=pty)
    assert (launch.stdin, launch.pty) == (stdin, bool(pty))


# The program


def test_a_program_is_found_on_the_jobs_own_path(tmp_path):
    path = program(tmp_path / "bin")
    assert plan(tmp_path, "tool", path=str(tmp_path / "bin")).argv == (str(path),)
    assert plan(tmp_path, "tool", env={"PATH": str(tmp_path / "bin")}).argv == (str(path),)


def test_a_path_is_taken_from_the_jobs_directory(tmp_path):
    path = program(tmp_path / "bin")
    assert plan(tmp_path, "./bin/tool").argv == (str(path),)
    assert plan(tmp_path, str(path)).argv == (str(path),)
    assert plan(tmp_path / "bin", "../bin/tool").argv == (str(path),)


def test_relative_and_empty_entries_of_the_path_mean_the_jobs_directory(tmp_path):
    path = program(tmp_path / "bin")
    assert plan(tmp_path, "tool", path="/nonexistent:bin").argv == (str(path),)
    assert plan(tmp_path / "bin", "tool", path=":/nonexistent").argv == (str(path),)


def test_the_first_that_can_be_executed_is_taken(tmp_path):
    program(tmp_path / "a", mode=0o644)
    (tmp_path / "b" / "tool").mkdir(parents=True)
    path = program(tmp_path / "c")
    assert plan(tmp_path, "tool", path=":".join(str(tmp_path / name) for name in "abc")).argv == (str(path),)


def test_a_link_is_started_by_its_own_name(tmp_path):
    path = program(tmp_path / "bin")
    (tmp_path / "bin" / "alias").symlink_to(path)
    assert plan(tmp_path, "alias", path=str(tmp_path / "bin")).argv == (str(tmp_path / "bin" / "alias"),)


def test_without_a_path_the_systems_default_is_searched(tmp_path):
    assert plan(tmp_path, "sh", path=None).argv[0].endswith("/sh")


def test_another_runtime_looks_for_itself(tmp_path):
    assert plan("/not/here", "no-such-tool", runtime="podman").argv == ("no-such-tool",)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (
            "no-such-tool",
            "no program no-such-tool on the job's PATH",
            "install it, or name it by its path; PATH is {path}",
        ),
        ("tol", "no program tol on the job's PATH", "tool, which is there; PATH is {path}"),
        ("local", "no program local on the job's PATH", "it lies in the job's directory: write ./local"),
        ("ls -l", "no program ls -l on the job's PATH", "give program and arguments as separate words"),
        ("locked", "{bin}/locked isn't executable", "chmod +x {bin}/locked"),
        ("./bin", "./bin ({bin}) is a directory, not a program", None),
        ("./none", "there is no program ./none ({cwd}/none)", "a path with a slash"),
        ("{bin}/locked", "{bin}/locked isn't executable", "chmod +x {bin}/locked"),
        (
            "a\x1b[31m\u202e",
            "no program a\\x1b[31m\\u202e on the job's PATH",
            "install it, or name it by its path; PATH is {path}",
        ),
    ],
)
def test_a_program_that_cannot_be_started_is_reported_with_what_to_try(tmp_path, name, message, hint):
    bin = tmp_path / "bin"
    program(bin)
    program(bin, "locked", mode=0o644)
    program(tmp_path, "local")
    names = {"path": f"{bin}", "bin": bin, "cwd": tmp_path}
    with pytest.raises(LaunchError) as caught:
        plan(tmp_path, name.format(**names), path=str(bin))
    assert caught.value.message == message.format(**names)
    assert hint is None or caught.value.hint.startswith(hint.format(**names))


def test_an_empty_path_is_said_to_be_empty(tmp_path):
    with pytest.raises(LaunchError) as caught:
        plan(tmp_path, "no-such-tool", path="")
    assert caught.value.hint == "install it, or name it by its path; PATH is empty"


def test_a_path_of_directories_that_are_not_there_is_no_error(tmp_path):
    with pytest.raises(LaunchError, match="no program no-such-tool"):
        plan(tmp_path, "no-such-tool", path="/nonexistent/a:/nonexistent/b")


def test_a_directory_that_is_gone_is_reported(tmp_path):
    with pytest.raises(LaunchError, match=r"the directory .*gone doesn't exist"):
        plan(tmp_path / "gone", "sh")


# What it refuses


@pytest.mark.parametrize(
    ("more", "message", "hint"),
    [
        ({"prompt": "pytest -x"}, "takes a command line after `--`, not a prompt", "-- pytest -x"),
        ({"prompt": "it's"}, "not a prompt", "-- 'it'\"'\"'s'"),
        ({"prompt": "a\x1bb"}, "not a prompt", "-- pytest -x"),
        ({"prompt": ""}, "not a prompt", "-- pytest -x"),
        ({"prompt": "words", "args": ("ls",)}, "not a prompt", "-- pytest -x"),
        ({}, "no command line", "-- pytest -x"),
        ({"args": ("",)}, "the command's name is empty", "-- pytest -x"),
    ],
)
def test_a_job_without_a_command_line_is_told_how_to_write_one(tmp_path, more, message, hint):
    with pytest.raises(UsageError, match=message) as caught:
        CommandAgent({}).plan(job(tmp_path, **more), AgentContext())
    assert caught.value.hint == f"logist run --agent command {hint}"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("a\0b",), "the command's name holds a NUL character"),
        (("sh", "x", "a\0"), "argument 2 of the command holds a NUL character"),
        (("sh", "\ud800"), r"argument 1 of the command can't be encoded: \\ud800"),
        (("sh", "x" * MAX_ARGUMENT_BYTES), "argument 1 of the command is 131072 bytes long; the system takes 131071"),
    ],
)
def test_arguments_that_no_program_can_be_given_are_named(tmp_path, args, message):
    with pytest.raises(UsageError, match=message):
        plan(tmp_path, *args)


def test_bytes_that_are_no_unicode_are_passed_on(tmp_path):
    assert plan(tmp_path, "sh", "\udcff").argv[1] == "\udcff"


# How it is stopped


def test_a_stop_terminates_and_waits_ten_seconds(tmp_path):
    assert plan(tmp_path, "sh").stop.steps == (StopStep(signal="TERM", grace_s=10.0),)


def test_a_stop_goes_by_the_setting(tmp_path):
    launch = plan(tmp_path, "sh", settings={"stop": ["INT:2.5", "sigterm:", " QUIT:0 "]})
    assert [(step.signal, step.grace_s) for step in launch.stop.steps] == [("INT", 2.5), ("TERM", 10.0), ("QUIT", 0.0)]


def test_without_steps_it_is_killed_at_once():
    assert stop_ladder([]).steps == ()


@given(st.lists(st.text(max_size=12) | st.integers() | st.from_regex(r"(INT|TERM):\d+", fullmatch=True), max_size=3))
def test_any_stop_setting_is_a_ladder_or_a_usage_error(steps):
    try:
        ladder = stop_ladder(steps)
    except UsageError as error:
        assert error.message.isprintable()
    else:
        assert all(step.signal and 0 <= step.grace_s <= 86_400 for step in ladder.steps)


@pytest.mark.parametrize("step", ["KILL:1", "TERM:-1", "TERM:nan", "TERM:1h", "15:1", ""])
def test_a_wrong_step_is_shown(step):
    with pytest.raises(UsageError, match="`stop` takes SIGNAL:SECONDS"):
        stop_ladder([step])


# How it is judged


@pytest.mark.parametrize(
    ("exit", "result", "reason"),
    [
        ({"code": 0}, Result.SUCCEEDED, "exit code 0"),
        ({"code": 7}, Result.FAILED, "exit code 7"),
        ({"signal": 9}, Result.FAILED, "ended by SIGKILL (9)"),
        ({"exec_error": "Exec format error"}, Result.FAILED, "could not be executed: Exec format error"),
    ],
)
def test_the_exit_decides(exit, result, reason):
    outcome = CommandAgent({}).outcome(ExitStatus(**exit), ())
    assert (outcome.result, outcome.reason, outcome.claim, outcome.then) == (result, reason, None, None)


def test_an_end_that_is_not_known_is_not_judged():
    assert CommandAgent({}).outcome(ExitStatus(), ()) is None


def test_a_signal_without_a_name_is_shown_by_number():
    assert signal_name(63) == "signal 63"


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable() and bool(text.strip())))
def test_the_hint_for_a_prompt_is_a_command_line_that_a_shell_can_read(prompt):
    with pytest.raises(UsageError) as caught:
        CommandAgent({}).plan(job("/", prompt=prompt), AgentContext())
    assert shlex.split(caught.value.hint)[:5] == ["logist", "run", "--agent", "command", "--"]


def test_it_is_always_ready():
    readiness = CommandAgent({}).probe(AgentContext())
    assert (readiness.installed, readiness.problems) == (True, ())
