"""Planned command lines, run as real processes: what was found is what is started."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import logist_agent_command
import pytest
from logist_agent_command import plugin
from logist_agent_command.agent import CommandAgent

from logist_core.api import Agent, AgentContext, AgentRecord, ExitStatus, JobSpec, Result

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def plan(cwd, *args, **more):
    job = JobSpec(id="0" * 16, agent="command", runtime="host", cwd=str(cwd), created_at=0.0, args=args, **more)
    return CommandAgent({}).plan(job, AgentContext(environment={"PATH": os.defpath}))


@pytest.mark.parametrize("code", [0, 7, 255])
def test_the_exit_code_is_the_outcome(tmp_path, code):
    launch = plan(tmp_path, "sh", "-c", f"exit {code}")
    done = subprocess.run(launch.argv, check=False, cwd=launch.cwd, env={}, stdin=subprocess.DEVNULL, timeout=20)
    outcome = CommandAgent({}).outcome(ExitStatus(code=done.returncode), ())
    assert outcome.reason == f"exit code {code}"
    assert (outcome.result is Result.SUCCEEDED) is (code == 0)


def test_arguments_arrive_unchanged_whatever_they_hold(tmp_path):
    words = ("a b", "$HOME", "*", "", "'\"", "\udcff", "-x")
    launch = plan(tmp_path, "printf", "%s\\n", *words)
    done = subprocess.run(launch.argv, check=True, cwd=launch.cwd, env={}, capture_output=True, timeout=20)
    assert done.stdout == b"".join(os.fsencode(word) + b"\n" for word in words)


def test_what_is_started_is_found_whatever_the_starters_path(tmp_path):
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    launch = plan(tmp_path, "./tool")
    done = subprocess.run(launch.argv, check=True, cwd=launch.cwd, env={"PATH": "/nonexistent"}, capture_output=True)
    assert done.stdout.strip() == os.fsencode(os.path.realpath(tmp_path))


def test_a_command_on_a_terminal_has_one(tmp_path):
    launch = plan(tmp_path, "sh", "-c", "test -t 0 && test -t 1 && read line && echo got $line", pty=True)
    assert launch.pty
    pid, master = pty.fork()
    if pid == 0:
        os.execve(launch.argv[0], launch.argv, {})
    os.write(master, b"hello\n")
    seen = b""
    try:
        while data := os.read(master, 4096):
            seen += data
    except OSError:  # the other side has ended
        pass
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"got hello" in seen


def test_the_entry_point_leads_to_the_record():
    (point,) = entry_points(group="logist.agents", name="command")
    (record,) = point.load().logist_agents()
    assert isinstance(record, AgentRecord)
    assert record.name == point.name
    assert isinstance(record.factory({}), Agent)


def test_its_version_is_its_distributions():
    assert logist_agent_command.__version__ == version("logist-agent-command")


def test_importing_the_plugin_does_not_import_the_agent():
    code = (
        "import sys; import logist_agent_command.plugin; "
        "print([m for m in ('logist_agent_command.agent', 'shlex', 'difflib', 'json') if m in sys.modules])"
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, env=bare)
    assert done.stdout == "[]\n"


def test_the_readme_names_every_setting():
    for name in plugin.SETTINGS:
        assert f"| `{name}` |" in README
