"""The command itself: finding commands, and turning errors into one line and one exit code."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from logist_core.cli import group, main
from logist_core.errors import ExitCode, LogistError, UsageError

Run = Callable[..., Any]


@pytest.mark.parametrize("name", list(group.COMMANDS))
def test_every_command_has_a_module_whose_first_sentence_is_its_short_help(name: str) -> None:
    command = importlib.import_module(f"logist_core.cli.cmd_{name}").command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert (command.help or "").split("\n\n")[0].strip() == group.COMMANDS[name]


@pytest.mark.parametrize("name", list(group.COMMANDS))
def test_every_command_explains_itself(name: str, logist_here: Run) -> None:
    ran = logist_here(name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: logist {name}")


def test_help_lists_all_commands_and_exit_codes(logist_here: Run) -> None:
    for args in ((), ("--help",), ("-h",)):
        ran = logist_here(*args)
        assert ran.code == 0
        for name, text in group.COMMANDS.items():
            assert re.search(rf"^  {name} +{re.escape(text)}$", ran.out, re.MULTILINE), name
    said = " ".join(ran.out.split())
    for code in ExitCode:
        assert f"{code.value} " in said


def test_the_version_is_printed_both_ways(logist_here: Run) -> None:
    from logist_core import __version__

    assert logist_here("--version").out == f"logist {__version__}\n"
    assert __version__ in logist_here("version").out
    assert logist_here("version", "--json").json["logist_core"] == __version__


def test_an_unknown_command_is_answered_with_the_nearest(logist_here: Run) -> None:
    ran = logist_here("statsu")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == ["logist: there is no command 'statsu'", "Try: logist status"]
    assert "Try: logist --help" in logist_here("qqqqqqqq").err


@pytest.mark.parametrize("args", [("--nope",), ("ls", "--nope"), ("send", "x"), ("logs", "-n", "many"), ("wait",)])
def test_a_wrong_option_is_one_line_with_where_to_look(args: tuple[str, ...], logist_here: Run) -> None:
    ran = logist_here(*args)
    assert ran.code == 2
    first, second = ran.err.splitlines()
    assert re.match(r"logist: [a-z-]", first)
    assert second.startswith("Try: logist")
    assert second.endswith("--help")


def test_with_json_an_error_is_one_object_on_stderr(logist_here: Run) -> None:
    ran = logist_here("status", "nope", "--json")
    assert (ran.code, ran.out) == (3, "")
    assert set(ran.error) == {"kind", "message", "hint", "exit_code"}
    assert (ran.error["kind"], ran.error["exit_code"]) == ("not_found", 3)
    assert logist_here("status", "--nope", "--json").error["kind"] == "usage"
    assert logist_here("frobnicate", "--json").error["exit_code"] == 2


def test_a_json_flag_that_belongs_to_the_agent_is_not_ours(logist_here: Run) -> None:
    ran = logist_here("run", "-a", "no-such-agent", "--", "--json")
    assert ran.code == 7
    assert ran.err.startswith("logist: ")


def test_an_error_shows_no_escape_that_came_from_outside(logist_here: Run) -> None:
    ran = logist_here("status", "\x1b]0;owned\x07\x1b[2J")
    assert ran.code == 3
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def explode(_arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(main, "_dispatch", explode)


def test_a_defect_is_one_line_that_says_how_to_see_more(logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, ValueError("bad\x1b[2Jthing"))
    ran = logist_here("ls")
    assert ran.code == 1
    assert ran.err.splitlines()[0] == "logist: internal error: ValueError: badthing"
    assert "LOGIST_DEBUG=1" in ran.err
    assert "Traceback" not in ran.err
    assert logist_here("ls", "--json").error["kind"] == "internal"


def test_a_traceback_is_shown_when_asked_for(logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIST_DEBUG", "1")
    fail_with(monkeypatch, UsageError("wrong"))
    assert "Traceback" in logist_here("ls").err
    fail_with(monkeypatch, ValueError("worse"))
    assert "Traceback" in logist_here("ls").err


def test_debug_shows_the_traceback_of_an_expected_error(logist_here: Run) -> None:
    assert "Traceback" in logist_here("--debug", "status", "nope").err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (LogistError("no"), 1), (click.Abort(), 130)])
def test_an_interrupt_is_130(
    logist_here: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    if isinstance(error, click.Abort):

        def abort(**_: object) -> None:
            raise error

        monkeypatch.setattr(group.cli, "main", abort)
        assert logist_here("version").code == code
        return
    fail_with(monkeypatch, error)
    assert logist_here("ls").code == code


def test_an_error_without_a_hint_is_one_line(logist_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, LogistError("so it is"))
    assert logist_here("ls").err == "logist: so it is\n"


def test_the_home_can_be_given_on_the_command_line(logist_here: Run, tmp_path: Any, jobs: Any) -> None:
    job = jobs.ended()
    assert logist_here("--home", str(tmp_path / "home"), "ls", "-q").out.split() == [job]
    assert logist_here("--home", str(tmp_path / "other"), "ls", "-q").out == ""
    assert logist_here("--home", str(tmp_path / "home"), "--unsafe-fs", "ls", "-q").out.split() == [job]


def logist_process(*args: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "logist_core", *args], stderr=subprocess.PIPE, **options)


def test_a_reader_that_goes_away_costs_no_word_on_stderr(jobs: Any) -> None:
    job = jobs.ended()
    jobs.log(job, b"a line\n" * 500_000)
    read_fd, write_fd = os.pipe()
    process = logist_process("logs", job, stdout=write_fd)
    os.close(write_fd)
    assert os.read(read_fd, 7) == b"a line\n"
    os.close(read_fd)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, b"")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_streams_neither_hide_the_exit_code_nor_mix(closed: str) -> None:
    command = f"exec {sys.executable} -m logist_core status nope {closed}"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "Traceback" not in ran.stderr


def test_an_encoding_without_the_characters_is_no_defect(jobs: Any) -> None:
    job = jobs.ended(name="job")
    jobs.log(job, "héllo 漢\n".encode())
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = logist_process("logs", job, stdout=subprocess.PIPE, env=env)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"h?llo ?\n", b"")


def test_json_output_is_safe_on_a_terminal_and_exact(jobs: Any, logist_here: Run) -> None:
    job = jobs.running(jobs.activity("working", text="\x1b[2J\u202ehi"))
    ran = logist_here("status", job, "--json")
    assert ran.out.isascii()
    assert "\x1b" not in ran.out
    assert json.loads(ran.out)["activity"]["text"] == "\x1b[2J\u202ehi"
