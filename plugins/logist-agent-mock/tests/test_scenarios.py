"""Each scenario, run as the real process that it is."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

from logist_core.api import Claim, ExitStatus, Result

GREETING = "Hello! I am the mock agent: I asked no model, touched no file and cost nothing."


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_success_reads_well(mock):
    run = mock.run()
    assert run.lines[1:] == [
        "> say hello",
        "[tool] read_file: pretend to read the task",
        "[tool] read_file: ok",
        "[tool] shell: pretend to run the tests",
        "[tool] shell: ok",
        GREETING,
        "Tokens: 2184 in, 204 out; $0.00",
        "Task completed: 1 turn, 2 tool calls",
    ]
    assert run.lines[0] == f"Mock agent 0.1.0, session {run.launch.session_id}, turn 1"
    assert (run.code, run.err, run.outcome) == (0, b"", None)


def test_success_as_events_names_its_session_and_succeeds(mock):
    run = mock.run({"format": "json"})
    assert run.launch.output == "jsonl"
    assert [json.loads(line)["type"] for line in run.lines] == [
        "session", "prompt", "tool", "tool", "tool", "tool", "text", "usage", "result",
    ]  # fmt: skip
    assert run.signals[0].fields["session_id"] == run.launch.session_id
    assert run.signals[-1].final
    assert run.outcome.result is Result.SUCCEEDED


@pytest.mark.parametrize("format", ["text", "json"])
def test_error_fails_with_its_reason(mock, format):
    run = mock.run({"scenario": "error", "format": format})
    assert run.code == 1
    assert b"the tests still fail" in run.out
    assert run.outcome.result is Result.FAILED
    if format == "json":
        assert run.outcome.reason == "the tests still fail"
        assert Claim.TOOL_ERROR in [signal.claim for signal in run.signals]


def test_a_crash_leaves_a_traceback_and_ends_by_a_signal(mock):
    run = mock.run({"scenario": "crash", "format": "json"})
    assert run.signal == signal.SIGABRT
    assert run.err.startswith(b"Traceback (most recent call last):\n")
    assert run.outcome.claim is Claim.CRASHED
    assert list(mock.cwd.iterdir()) == []


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"YES\r\n", 0), (b"n\n", 4), (b"\n", 4), (b"", 4)])
def test_a_permission_needs_a_yes(mock, answer, code):
    run = mock.run({"scenario": "permission"}, typed=answer)
    assert run.code == code
    assert b"Permission needed: May I pretend to run `make clean`? [y/N] \n" in run.out
    assert (b"Task completed" in run.out) is (code == 0)


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_permission_that_nobody_can_grant_fails_with_the_reason(mock, format):
    run = mock.run({"scenario": "permission", "stdin": "null", "format": format})
    assert run.code == 4
    assert run.outcome.result is Result.FAILED
    assert run.outcome.claim is Claim.PERMISSION_PROMPT
    if format == "json":
        assert run.outcome.reason == "permission: nobody answered, the input has ended"


def test_a_permission_waits_for_its_answer(mock):
    run = mock.start({"scenario": "permission", "format": "json"})
    run.wait_for(b'"type": "ask"')
    assert run.process.poll() is None
    run.type(b"y\n")
    assert run.end() == 0


def test_a_permission_is_granted_on_a_terminal(terminal):
    run = terminal({"scenario": "permission"})
    run.wait_for(b"[y/N] ")
    run.type(b"y\r")
    assert run.end() == 0
    assert b"Answered: y\r\n" in run.seen


def test_a_question_takes_any_answer_without_what_a_terminal_acts_on(mock):
    run = mock.run({"scenario": "question"}, typed=b"the \x1b[31mfirst\n")
    assert run.code == 0
    assert "Answered: the \N{REPLACEMENT CHARACTER}[31mfirst" in run.lines


def test_a_question_without_an_answer_ends_the_run(mock):
    run = mock.run({"scenario": "question", "stdin": "null", "format": "json"})
    assert (run.code, run.outcome.claim) == (4, Claim.WAITING_INPUT)


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_limit_says_when_it_ends_and_the_job_waits(mock, format):
    before = time.time()
    run = mock.run({"scenario": "rate-limit", "reset_s": 600.0, "format": format})
    assert run.code == 75
    assert run.outcome.claim is Claim.RATE_LIMITED
    assert run.outcome.then.same_session
    if format == "json":
        assert before + 600 <= run.outcome.then.at <= time.time() + 600
    else:
        (line,) = [line for line in run.lines if line.startswith("Usage limit reached")]
        assert re.fullmatch(r"Usage limit reached: resets at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \(in 600 s\)", line)


def test_a_limited_session_succeeds_when_it_is_resumed_after_the_reset(mock, wait_for):
    settings = {"scenario": "rate-limit", "reset_s": 0.3, "format": "json"}
    limited = mock.run(settings)
    at = limited.outcome.then.at
    wait_for(lambda: time.time() >= at, "the reset")
    resumed = mock.run(settings, last=limited.last)
    assert resumed.code == 0
    assert resumed.launch.session_id == limited.launch.session_id


def test_a_limited_session_that_comes_back_too_early_meets_the_same_limit(mock):
    settings = {"scenario": "rate-limit", "reset_s": 600.0, "format": "json"}
    limited = mock.run(settings)
    resumed = mock.run(settings, last=limited.last)
    again = mock.run(settings, last=resumed.last)
    assert again.outcome.then.at == limited.outcome.then.at


def test_a_resumed_run_says_which_session_it_continues(mock):
    first = mock.run()
    second = mock.run(last=first.last)
    third = mock.run(last=second.last)
    session = first.launch.session_id
    assert f"Continuing session {session} after 1 turn" in second.lines
    assert f"Continuing session {session} after 2 turns" in third.lines
    assert third.lines[0].endswith("turn 3")
    assert third.launch.note == f"continues session {session} after 2 turns"
    assert "> Go on where you stopped." in third.lines


def test_trouble_ends_after_so_many_turns(mock):
    settings = {"scenario": "error", "trouble_turns": 1}
    first = mock.run(settings)
    second = mock.run(settings, last=first.last)
    assert (first.code, second.code) == (1, 0)


def test_a_hang_is_silent_after_some_work_and_escape_does_not_free_it(terminal):
    run = terminal({"scenario": "hang"})
    run.wait_for(b"I will look into it.\r\n")
    run.type(b"\x1b")
    run.wait_for(b"I will look into it.\r\n^[")  # the echo: the key has been delivered
    os.kill(run.pid, signal.SIGINT)
    assert run.end() == 130
    assert run.seen.endswith(b"I will look into it.\r\n^[Task interrupted\r\n")


def test_a_stuck_stream_is_freed_by_escape_on_a_terminal(mock, terminal):
    run = terminal({"scenario": "stream-hang"})
    run.wait_for(b"esc to interrupt)\r/ Thinking")
    run.type(mock.plan()[0].unstick())
    assert run.end() == 0
    assert b"The stuck stream was interrupted; I go on." in run.seen


def test_a_stuck_stream_is_freed_by_escape_on_a_pipe(mock):
    run = mock.start({"scenario": "stream-hang", "format": "json"})
    run.wait_for(b"Thinking", "err.log")
    run.type(b"x\x1b")
    assert run.end() == 0
    assert all(json.loads(line) for line in run.output().splitlines())


def test_a_stuck_stream_stays_stuck_where_nobody_can_type(mock):
    run = mock.start({"scenario": "stream-hang", "stdin": "null"})
    run.process.stdin.close()
    run.wait_for(b"Thinking (0 s, 152 tokens, esc to interrupt)\r")
    assert run.process.poll() is None


def test_a_spinner_turns_and_its_tokens_do_not(terminal):
    run = terminal({"scenario": "spinner"})
    run.wait_for(b"\r\\ Thinking")
    frames = run.read().partition(b"\r|")[2].split(b"\r")
    assert len(frames) >= 3
    assert all(b"152 tokens" in frame for frame in frames[1:-1])


def test_a_flood_writes_so_many_bytes_and_no_more(mock):
    little, much = (mock.run({"scenario": "flood", "flood_bytes": size}) for size in (1, 300_001))
    assert len(much.out) - len(little.out) == 300_000
    assert much.code == 0


def test_output_that_blocks_is_waited_for(mock, measured):
    agent, launch, _ = mock.plan({"scenario": "flood", "flood_bytes": 500_000})
    read, write = os.pipe()
    os.set_blocking(write, False)
    with subprocess.Popen(measured(launch.argv), stdin=subprocess.DEVNULL, stdout=write) as process:
        os.close(write)
        with open(read, "rb") as pipe:
            assert len(pipe.read()) > 500_000
        assert process.wait(20) == 0
    assert agent.outcome(ExitStatus(code=0), ()) is None


def test_a_flood_of_events_is_all_events(mock):
    run = mock.run({"scenario": "flood", "flood_bytes": 100_000, "format": "json"})
    assert len([json.loads(line) for line in run.lines]) > 100
    assert len(run.out) >= 100_000


def test_an_endless_flood_goes_on_until_it_is_ended(mock, wait_for):
    run = mock.start({"scenario": "flood", "flood_bytes": 0})
    wait_for(lambda: len(run.output()) > 2_000_000, "two megabytes")
    assert run.end(signal.SIGTERM) == -signal.SIGTERM


def test_a_flood_ends_quietly_when_its_reader_has_gone(mock):
    _, launch, _ = mock.plan({"scenario": "flood", "flood_bytes": 0})
    with subprocess.Popen(launch.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdout.read(1000)
        p.stdout.close()
        assert p.wait(20) == -signal.SIGPIPE
        assert p.stderr.read() == b""


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_slow_run_writes_its_tokens_one_by_one(mock, format):
    run = mock.run({"scenario": "slow", "tokens": 25, "delay_s": 0.001, "format": format})
    assert run.code == 0
    if format == "json":
        assert sum(json.loads(line)["type"] == "text" for line in run.lines) == 25
    else:
        assert [len(line.split()) for line in run.lines[2:5]] == [12, 12, 1]


def test_a_loop_repeats_one_action_for_ever(mock, wait_for):
    run = mock.start({"scenario": "loop", "pace_s": 0.001})
    action = b"[tool] shell: pretend to run the tests\n[tool] shell: exit 1\n"
    wait_for(lambda: run.output().count(action) > 10, "ten repeats")
    assert run.process.poll() is None


def test_a_fork_leaves_a_child_a_session_and_a_daemon_behind(mock, wait_for):
    run = mock.start({"scenario": "fork", "child_s": 60.0})
    assert run.end() == 0
    pids = {kind.decode(): int(pid) for kind, pid in re.findall(rb"\[process\] (\w+) (\d+)", run.output())}
    try:
        assert sorted(pids) == ["child", "daemon", "session"]
        assert all(alive(pid) for pid in pids.values())
        assert os.getsid(pids["child"]) == os.getsid(0)
        assert os.getsid(pids["session"]) == pids["session"]
        assert os.getsid(pids["daemon"]) not in (os.getsid(0), pids["daemon"])
    finally:
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)


def test_an_interrupt_is_answered_politely(mock):
    run = mock.start({"scenario": "hang", "format": "json"})
    run.wait_for(b"look into it")
    assert run.end(signal.SIGINT) == 130
    assert json.loads(run.output().splitlines()[-1])["status"] == "interrupted"


def test_an_interrupt_ends_the_spinners_line_first(mock):
    run = mock.start({"scenario": "spinner"})
    run.wait_for(b"Thinking")
    assert run.end(signal.SIGINT) == 130
    assert run.output().endswith(b"\nTask interrupted\n")


def test_a_signal_that_is_ignored_changes_nothing(mock):
    run = mock.start({"scenario": "hang", "ignore": ["TERM", "INT"]})
    run.wait_for(b"look into it")
    run.process.send_signal(signal.SIGTERM)
    run.process.send_signal(signal.SIGINT)
    assert run.end(signal.SIGKILL) == -signal.SIGKILL
    assert b"interrupted" not in run.output()


def test_the_same_seed_gives_the_same_bytes(mock):
    settings = {"scenario": "slow", "tokens": 50, "delay_s": 0.0, "format": "json"}
    mock.attempts = 10
    first = mock.run({**settings, "seed": 1}).out.split(b"\n", 1)[1]
    again = mock.run({**settings, "seed": 1}).out.split(b"\n", 1)[1]
    other = mock.run({**settings, "seed": 2}).out.split(b"\n", 1)[1]
    assert first == again != other


def test_a_prompt_of_two_megabytes_arrives_whole_and_is_shown_short(mock):
    prompt = "word " * 400_000
    run = mock.run({"format": "json"}, prompt=prompt)
    event = json.loads(run.lines[1])
    assert event["bytes"] == 2_000_000
    assert len(event["text"]) == 200
    assert all(len(argument) < 1000 for argument in run.launch.argv)


@pytest.mark.parametrize("scenario", ["success", "permission"])
def test_a_prompts_escapes_reach_no_terminal(mock, scenario):
    run = mock.run({"scenario": scenario}, typed=b"y\n", prompt="a\x1b]0;title\x07\0b\nc \udcff")
    assert run.code == 0
    assert not {0x1B, 0x07, 0x00} & set(run.out)
    assert run.lines[1].startswith("> a")


def test_a_run_without_a_prompt_starts_all_the_same(mock):
    run = mock.run(prompt=None)
    assert (run.code, run.launch.stdin) == (0, "null")
    assert not any(line.startswith(">") for line in run.lines)


def test_a_run_depends_on_no_directory_and_no_environment(mock):
    for name in ("json", "os", "time", "sitecustomize"):
        (mock.cwd / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    _, launch, _ = mock.plan()
    hostile = {"PYTHONPATH": str(mock.cwd), "PYTHONSTARTUP": str(mock.cwd / "os.py"), "PYTHONHASHSEED": "x"}
    done = subprocess.run(
        launch.argv, check=False, cwd=mock.cwd, env=hostile, input=launch.stdin_data, capture_output=True, timeout=20
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_run_leaves_nothing_in_the_users_tree(mock):
    mock.run()
    assert list(mock.cwd.iterdir()) == []


def test_a_session_file_is_its_owners_alone(mock):
    run = mock.run()
    assert {path.name: path.stat().st_mode & 0o777 for path in run.directory.iterdir()} == {
        "mock-plan.json": 0o600,
        "mock-session.json": 0o600,
    }


def test_a_plan_that_is_gone_is_one_line_and_exit_code_2(mock):
    _, launch, directory = mock.plan()
    (directory / "mock-plan.json").unlink()
    done = subprocess.run(launch.argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
