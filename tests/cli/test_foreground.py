"""`logist run` in the foreground, on pipes and on a real terminal: real agents, real supervisor."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.logist import Logist, kill
from support.terminal import Terminal
from support.waiting import eventually


@pytest.fixture
def on_terminal(logist: Logist) -> Callable[..., Terminal]:
    def start(*args: str, **options: Any) -> Terminal:
        environment = {k: v for k, v in logist.environment.items() if k != "NO_COLOR"}
        return Terminal([sys.executable, "-m", "logist_core", *args], environment, **options)

    return start


def only_job(logist: Logist) -> str:
    return eventually(lambda: "".join(logist("ls", "-a", "-q").stdout.split()), what="a job")


SHOUT = "echo to out; echo to err >&2; printf '\\033[31mred\\033[0m \\033]0;title\\007end\\n'"


def test_output_goes_where_the_job_wrote_it_and_talk_to_stderr(logist: Logist) -> None:
    ran = logist("run", "-a", "command", "--", "sh", "-c", SHOUT + "; exit 7", code=5)
    assert ran.stdout == "to out\nred end\n"
    assert "to err\n" in ran.stderr
    last = ran.stderr.splitlines()[-1]
    assert re.fullmatch(rf"logist: failed in \d+\.\ds, exit 7, job {only_job(logist)}", last)
    assert "\x1b" not in ran.stderr


def test_a_job_that_succeeds_is_success_and_its_states_are_told(logist: Logist) -> None:
    ran = logist("run", "-a", "mock", "say hello")
    assert "say hello" in ran.stdout
    assert re.search(r"\d\d:\d\d:\d\d running", ran.stderr)
    assert re.search(r"logist: succeeded in .*, exit 0, job [0-9a-z]{16}$", ran.stderr.strip())


def test_detached_only_the_id_is_printed(logist: Logist) -> None:
    ran = logist("run", "-d", "-a", "mock", "hi")
    assert re.fullmatch(r"[0-9a-z]{16}\n", ran.stdout)
    assert ran.stderr == ""
    assert logist.ended(ran.stdout.strip())["lifecycle"] == "succeeded"


def test_an_agent_that_nobody_chose_is_said_to_be_the_mock(logist: Logist) -> None:
    assert "which only pretends" in logist("run", "hi", env={"LOGIST_AGENT": ""}).stderr
    assert "which only pretends" not in logist("run", "-a", "mock", "hi").stderr


def test_as_json_the_status_is_all_that_is_printed(logist: Logist) -> None:
    ran = logist("run", "-a", "command", "--json", "--", "sh", "-c", "echo noise; exit 3", code=5)
    assert json.loads(ran.stdout)["exit"] == {"code": 3, "signal": None}
    queued = logist("run", "-a", "command", "--json", "-d", "--", "true")
    assert json.loads(queued.stdout)["schema"] == 1


def test_the_prompt_may_come_from_standard_input_or_a_file(logist: Logist, tmp_path: Any) -> None:
    (tmp_path / "task").write_text("from a file")
    assert "from a file" in logist("run", "-a", "mock", "-f", str(tmp_path / "task")).stdout
    assert "from a pipe" in logist("run", "-a", "mock", "-", input="from a pipe").stdout


def test_labels_variables_and_directory_reach_the_job(logist: Logist, tmp_path: Any) -> None:
    script = 'echo "$PWD $GREETING"'
    args = ("-C", str(tmp_path), "--env", "GREETING=hello", "--label", "a=b", "--name", "n", "--", "sh", "-c", script)
    assert logist("run", "-a", "command", *args).stdout == f"{tmp_path} hello\n"
    status = logist.status("n")
    assert status["labels"] == {"a": "b"}


def test_a_secret_is_not_shown_in_the_foreground(logist: Logist) -> None:
    env = {"API_KEY": "sk-very-secret"}
    ran = logist("run", "-a", "command", "--secret", "API_KEY", "--", "sh", "-c", "echo key $API_KEY", env=env)
    assert ran.stdout == "key [redacted]\n"


def test_ctrl_c_asks_the_job_to_stop_and_the_command_says_so(logist: Logist) -> None:
    run = logist.popen("run", "-a", "command", "--", "sh", "-c", "echo up; sleep 60")
    assert run.stdout is not None and run.stdout.readline() == "up\n"
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "Ctrl-C again kills it" in err
    assert "cancelled" in err.splitlines()[-1]
    assert logist.status(only_job(logist))["lifecycle"] == "cancelled"


def test_a_second_ctrl_c_kills_a_job_that_ignores_the_first(logist: Logist) -> None:
    run = logist.popen("run", "-a", "command", "--", "sh", "-c", "trap '' INT TERM; echo up; while :; do sleep 1; done")
    assert run.stdout is not None and run.stdout.readline() == "up\n"
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    while "again kills it" not in run.stderr.readline():
        pass
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "killing it" in err
    assert logist.status(only_job(logist))["exit"] == {"code": None, "signal": 9}


def test_a_terminated_command_leaves_the_job_running(logist: Logist) -> None:
    run = logist.popen("run", "-a", "command", "--", "sh", "-c", "echo up; sleep 60")
    assert run.stdout is not None and run.stdout.readline() == "up\n"
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "goes on" in err
    assert logist.status(only_job(logist))["lifecycle"] == "running"


def test_a_reader_that_goes_away_ends_the_command_quietly_and_not_the_job(logist: Logist) -> None:
    script = "i=0; while [ $i -lt 30 ]; do echo line; i=$((i+1)); sleep 0.1; done"
    run = logist.popen("run", "-a", "command", "--", "sh", "-c", script)
    assert run.stdout is not None and run.stdout.readline() == "line\n"
    run.stdout.close()
    run.stdout = None
    _, err = run.communicate(timeout=30)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert logist.status(only_job(logist))["lifecycle"] in ("running", "succeeded")


def test_the_supervisor_may_be_killed_while_the_command_watches(logist: Logist) -> None:
    run = logist.popen("run", "-a", "command", "--", "sh", "-c", "echo up; sleep 3; echo done; exit 4")
    assert run.stdout is not None and run.stdout.readline() == "up\n"
    kill(logist.supervisor_pid())
    out, err = run.communicate(timeout=40)
    assert (run.returncode, out) == (5, "done\n")
    assert "exit 4" in err.splitlines()[-1]


@pytest.mark.parametrize("command", ["ls", "status"])
def test_a_look_at_unfinished_work_brings_a_dead_supervisor_back(logist: Logist, command: str) -> None:
    job = logist.shell("sleep 60")
    logist.until(job, "running")
    logist("supervise", "--stop")
    logist(command)
    eventually(lambda: logist.json("supervise", "--status")["alive"], what="a supervisor")


def test_a_supervisor_that_cannot_come_up_is_said_and_the_records_are_shown(logist: Logist) -> None:
    job = logist.shell("sleep 60")
    logist.until(job, "running")
    logist("supervise", "--stop")
    log = logist.home / "supervisor.log"
    log.unlink()
    log.mkdir()
    ran = logist("status", job)
    assert "no supervisor" in ran.stderr
    assert "running" in ran.stdout
    assert job in logist("ls").stdout
    log.rmdir()


def test_retry_runs_it_again_and_can_stay_with_it(logist: Logist) -> None:
    job = logist.shell("echo run; exit 3")
    logist.ended(job)
    ran = logist("retry", "-f", job, code=5)
    assert ran.stdout == "run\n"
    assert "2 attempts" in ran.stderr
    assert logist("retry", job).stderr.startswith(f"{job}: ")
    assert logist.ended(job)["attempt"] == 3


def test_resume_goes_on_with_what_it_is_told(logist: Logist) -> None:
    job = logist.submit("-a", "mock", "first thing")
    logist.ended(job)
    ran = logist("resume", "-f", job, "second thing")
    assert "second thing" in ran.stdout
    assert "first thing" not in ran.stdout


def test_logs_follow_a_running_job_across_its_end(logist: Logist) -> None:
    job = logist.shell("echo one; sleep 1; echo two; exit 1")
    assert logist("logs", "-f", job).stdout == "one\ntwo\n"


def test_events_follow_a_running_job_to_its_end(logist: Logist) -> None:
    job = logist.shell("sleep 1")
    lines = logist("events", "-f", "--json", job).stdout.splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert (kinds[0], kinds[-1]) == ("job.created", "job.finished")


# On a terminal


def test_on_a_terminal_the_detach_keys_are_named_and_leave_the_job_running(
    logist: Logist, on_terminal: Callable[..., Terminal]
) -> None:
    with on_terminal("run", "-a", "command", "--", "sh", "-c", "echo up; sleep 60") as terminal:
        terminal.until("Ctrl-Q or Ctrl-B d", "up")
        assert terminal.modes() != terminal.modes_before
        terminal.type(b"\x11")
        assert terminal.ended() == 0
        assert "detached" in terminal.text
        assert "Come back: logist logs -f" in terminal.text
        assert terminal.modes() == terminal.modes_before
    assert logist.status(only_job(logist))["lifecycle"] == "running"


def test_ctrl_b_d_detaches_too_and_ctrl_c_comes_through(logist: Logist, on_terminal: Callable[..., Terminal]) -> None:
    with on_terminal("run", "-a", "command", "--", "sh", "-c", "echo up; sleep 60") as terminal:
        terminal.until("up")
        terminal.type(b"x\x02")
        terminal.type(b"d")
        assert terminal.ended() == 0
    job = only_job(logist)
    with on_terminal("attach", job) as terminal:
        terminal.until("up", "so does Ctrl-C")
        terminal.type(b"\x03")
        assert terminal.ended() == 130
        assert terminal.modes() == terminal.modes_before
    assert logist.status(job)["lifecycle"] == "running"


def test_ctrl_c_on_a_terminal_stops_the_job_and_restores_the_terminal(
    logist: Logist, on_terminal: Callable[..., Terminal]
) -> None:
    with on_terminal("run", "-a", "command", "--", "sh", "-c", "echo up; sleep 60") as terminal:
        terminal.until("up")
        terminal.type(b"\x03")
        assert terminal.ended() == 130
        assert terminal.modes() == terminal.modes_before


def test_colours_reach_a_terminal_and_nothing_else_that_is_an_escape(
    logist: Logist, on_terminal: Callable[..., Terminal]
) -> None:
    with on_terminal("run", "-a", "command", "--", "sh", "-c", SHOUT) as terminal:
        assert terminal.ended() == 0
        assert b"\x1b[31mred\x1b[0m end" in terminal.raw
        assert b"title" not in terminal.raw


def test_a_suspended_command_gives_the_terminal_back_and_takes_it_again(
    logist: Logist, on_terminal: Callable[..., Terminal]
) -> None:
    with on_terminal("run", "-a", "command", "--", "sh", "-c", "echo up; sleep 60") as terminal:
        terminal.until("up")
        ours = terminal.modes()
        terminal.signal(signal.SIGTSTP)
        eventually(lambda: os.waitpid(terminal.process.pid, os.WNOHANG | os.WUNTRACED) != (0, 0), what="a stop")
        assert terminal.modes() == terminal.modes_before
        terminal.signal(signal.SIGCONT)
        eventually(lambda: terminal.modes() == ours, what="the terminal taken again")
        terminal.type(b"\x11")
        assert terminal.ended() == 0


def test_a_job_with_a_terminal_is_taken_part_in(logist: Logist, on_terminal: Callable[..., Terminal]) -> None:
    script = "tty -s && echo has a terminal; read answer; echo you said $answer; exit 6"
    with on_terminal("run", "--pty", "-a", "command", "--", "sh", "-c", script) as terminal:
        terminal.until("has a terminal")
        terminal.type("hello\r")
        assert terminal.ended() == 5
        assert "you said hello" in terminal.text
        assert "exit 6" in terminal.text
        assert terminal.modes() == terminal.modes_before


def test_one_can_detach_from_a_job_with_a_terminal_and_come_back(
    logist: Logist, on_terminal: Callable[..., Terminal]
) -> None:
    script = "echo welcome; read answer; echo you said $answer"
    with on_terminal("run", "--pty", "-a", "command", "--", "sh", "-c", script) as terminal:
        terminal.until("welcome")
        terminal.type(b"\x11")
        assert terminal.ended() == 0
        assert "Come back: logist attach" in terminal.text
    job = only_job(logist)
    with on_terminal("attach", "--read-only", job) as viewer:
        viewer.until("welcome")
        viewer.type("ignored\r")
        with on_terminal("attach", job) as terminal:
            terminal.until("welcome")
            terminal.type("back\r")
            assert terminal.ended() == 0
            assert "you said back" in terminal.text
        viewer.until("you said back")
        assert viewer.ended() == 0


def test_attaching_needs_a_terminal_and_a_job_that_has_not_ended(logist: Logist) -> None:
    job = logist.shell("sleep 60")
    logist.until(job, "running")
    refused = logist("attach", job, code=2)
    assert "logist logs -f" in refused.stderr
    logist("kill", "--wait", job)
    assert "has ended" in logist("attach", job, code=2).stderr


def test_without_a_terminal_here_a_job_with_one_is_shown_sanitised(logist: Logist) -> None:
    ran = logist("run", "--pty", "-a", "command", "--", "sh", "-c", "printf '\\033[2Jhello\\n'")
    assert ran.stdout == "hello\n"
